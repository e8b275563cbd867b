"""Tables of plays and lines of metadata: good rows come through, bad ones are told with their line."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue import MetadataRow, PlaysRow, read_metadata, read_plays
from fonoteca.catalogue.import_records import ROWS
from fonoteca.ground.errors import AccessError, UsageError
from fonoteca.ground.findings import Finding


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def bad_lines(rows: list[PlaysRow | MetadataRow | Finding]) -> list[str]:
    return [row.fact.split(":")[0] for row in rows if isinstance(row, Finding) and row.code == "bad-row"]


@pytest.mark.parametrize(("delimiter", "newline"), [(",", "\n"), (";", "\r\n"), ("\t", "\n")])
def test_plays_are_read_whatever_the_delimiter(tmp_path: Path, delimiter: str, newline: str) -> None:
    lines = ["\ufeffISRC,Plays,path,note", "us-rc1-76-07839,1000,,x", ",5,a b.ogg,", ',7,"näme ""q"".ogg",']
    path = write(tmp_path / "p.csv", newline.join(lines).replace(",", delimiter))
    rows = list(read_plays(path))
    assert rows == [
        PlaysRow(line=2, isrc="USRC17607839", plays=1000),
        PlaysRow(line=3, path="a b.ogg", plays=5),
        PlaysRow(line=4, path='näme "q".ogg', plays=7),
    ]


def test_popularity_column_is_taken_as_it_is(tmp_path: Path) -> None:
    rows = list(read_plays(write(tmp_path / "p.csv", "mbid,popularity\nAAAAAAAA-0000-4000-8000-000000000000,42.5\n")))
    assert rows == [PlaysRow(line=2, mbid="aaaaaaaa-0000-4000-8000-000000000000", popularity=42.5)]


@pytest.mark.parametrize("header", ["", "a,b", "path", "plays", "plays,popularity", '{"json": 1}', "\0", "path plays"])
def test_wrong_columns_name_those_found_and_those_wanted(tmp_path: Path, header: str) -> None:
    with pytest.raises(UsageError, match="columns") as caught:
        list(read_plays(write(tmp_path / "p.csv", header + "\n1,2\n")))
    assert "isrc" in caught.value.hint and "popularity" in caught.value.hint


def test_bad_rows_of_plays_are_told_with_their_line(tmp_path: Path) -> None:
    cells = ["a,-1,", "a,1.5,", "a,x,", "a,,101", "a,,nan", "a,,", ",5,", "a,99999999999999999999,", "a", "a,٣,"]
    rows = list(read_plays(write(tmp_path / "p.csv", "\n".join(["path,plays,popularity", *cells, "good,1,"]))))
    assert bad_lines(rows) == [f"line {number}" for number in range(2, 12)]
    assert rows[-1] == PlaysRow(line=12, path="good", plays=1)


def test_odd_bytes_in_a_table_cost_only_their_row(tmp_path: Path) -> None:
    content = b"path,plays\n\xff.ogg,1\n" + b"x" * (2 << 20) + b",2\na\0b,3\n\n" + b'"open,4\n' + b"c,5\n"
    rows = list(read_plays(write(tmp_path / "p.csv", content)))
    assert rows[0] == PlaysRow(line=2, path="\udcff.ogg", plays=1)
    assert bad_lines(rows) == ["line 3", "line 6"]
    assert [row.line for row in rows if isinstance(row, PlaysRow)] == [2, 4, 7]


@pytest.mark.parametrize("stray", ['"Heroes,5', '"Heroes" live,5', 'a,"5', '"a""b,5', '"'])
def test_a_stray_quote_costs_its_row_and_none_of_those_that_follow(tmp_path: Path, stray: str) -> None:
    good = [f"{number}.ogg,{number}" for number in range(3000)]
    rows = list(read_plays(write(tmp_path / "p.csv", "\n".join(["path,plays", stray, *good]))))
    assert bad_lines(rows) == ["line 2"]
    assert rows[1:] == [PlaysRow(line=number + 3, path=f"{number}.ogg", plays=number) for number in range(3000)]


def test_missing_table_is_an_error_of_ours(tmp_path: Path) -> None:
    for name in ("none.csv", "none.csv.zst"):
        with pytest.raises(AccessError):
            list(read_plays(tmp_path / name))


def test_metadata_of_several_frames_is_read_to_the_end(tmp_path: Path) -> None:
    lines = [b'{"id":"x%d","title":"t","artists":["a","b"],"popularity":1}\n' % number for number in range(1000)]
    whole = b"".join(lines)
    frames = [zstd.compress(whole[start : start + 777]) for start in range(0, len(whole), 777)]
    skippable = b"\x5e\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    rows = list(read_metadata(write(tmp_path / "m.jsonl.zst", b"".join(frames) + skippable)))
    assert rows == [MetadataRow(id=f"x{n}", title="t", artists=("a", "b"), popularity=1.0, line=n + 1) for n in range(1000)]
    assert list(read_metadata(write(tmp_path / "m.jsonl", whole))) == rows


def test_line_cut_in_half_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    content = '{"id":"a","title":"t"}\n{"id":"b","ti\n\n{"id":"c","title":"u"}\n{"id":"d"'
    rows = list(read_metadata(write(tmp_path / "m.jsonl", content)))
    assert [row.id for row in rows if isinstance(row, MetadataRow)] == ["a", "c"]
    assert bad_lines(rows) == ["line 2", "line 5"]


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_compressed_file_cut_short_is_told(tmp_path: Path, keep: float) -> None:
    whole = zstd.compress(b"".join(b'{"id":"%d","title":"%d"}\n' % (n, n * n * 7919) for n in range(50_000)))
    rows = list(read_metadata(write(tmp_path / "m.jsonl.zst", whole[: int(len(whole) * keep)])))
    assert len(bad_lines(rows)) == 1 and isinstance(rows[-1], Finding)
    assert len(rows) > 1000
    noise = list(read_metadata(write(tmp_path / "n.jsonl.zst", b"noise")))
    assert bad_lines(noise) == ["line 1"]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "null",
        "1",
        '"x"',
        "{}",
        '{"id":5}',
        '{"id":"x","artists":"one"}',
        '{"id":"x","disc":"1"}',
        '{"id":"x","popularity":101}',
        '{"id":"x","titel":"misspelt"}',
        '{"id":"x","plays":-1}',
        '{"id":"x","duration_ms":1e400}',
        '{"id":"x","disc":10000000000000000000000}',
        '{"id":"x"} {"id":"y"}',
        "[" * 100_000,
        '{"id":' + '{"a":' * 50_000,
        '{"id":"\\ud800"',
        "\x00",
    ],
)
def test_line_that_breaks_the_schema_is_set_aside(tmp_path: Path, line: str) -> None:
    rows = list(read_metadata(write(tmp_path / "m.jsonl", line + '\n{"id":"good","title":"t"}\n')))
    assert bad_lines(rows) == ["line 1"]
    assert rows[-1] == MetadataRow(id="good", title="t", line=2)


def test_bad_utf8_is_set_aside(tmp_path: Path) -> None:
    assert bad_lines(list(read_metadata(write(tmp_path / "m.jsonl", b'{"id":"\xff\xfe","title":"t"}\n')))) == ["line 1"]


def test_isrc_that_is_none_is_noted_and_the_row_is_used(tmp_path: Path) -> None:
    rows = list(read_metadata(write(tmp_path / "m.jsonl", '{"path":"a","isrcs":["us-rc1-76-07839","nonsense"]}\n')))
    assert [row.code for row in rows if isinstance(row, Finding)] == ["bad-isrc"]
    assert rows[-1] == MetadataRow(path="a", isrcs=("USRC17607839",), line=1)


def test_line_of_hundreds_of_megabytes_is_skipped_in_bounded_memory(tmp_path: Path) -> None:
    bomb = zstd.compress(b" " * (300 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = list(read_metadata(write(tmp_path / "m.jsonl.zst", bomb + zstd.compress(b'\n{"id":"x","title":"t"}\n'))))
    assert bad_lines(rows) == ["line 1"] and rows[-1] == MetadataRow(id="x", title="t", line=2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    list(read_metadata(write(folder / "any.jsonl", content)))
    list(read_metadata(write(folder / "any.jsonl.zst", content)))
    list(read_plays(write(folder / "any.csv", b"path,plays\n" + content)))


@pytest.mark.parametrize("record", sorted(ROWS))
def test_page_names_every_field_of_the_schema(record: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "metadata.md").read_text()
    section = page.partition(f"\n### `{record}`")[2].partition("\n##")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    assert sorted(documented) == sorted(name for name in ROWS[record].__struct_fields__ if name != "line")
