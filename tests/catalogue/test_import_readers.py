"""Readers of `catalogue import`: every form of file gives the same rows, and no line stops the reading."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue.import_files import read_import, tell_format
from fonoteca.catalogue.import_musicbrainz import id_of_release_track
from fonoteca.catalogue.import_records import AlbumRow, ArtistRow, FeaturesRow, ImportLine, PlaylistRow
from fonoteca.catalogue.lines import Line
from fonoteca.catalogue.tables import MetadataRow
from fonoteca.ground.errors import FormatError, UsageError
from musicbrainz_made import ARTIST, RECORDING, RELEASE

ROWS: list[dict[str, Any]] = [
    {"title": "Winter", "artists": ["Zoë", "A. Friend"], "disc": 1, "popularity": 7.5, "explicit": False, "isrcs": ["NLA507700001"]},
    {"record": "artist", "name": "Zoë", "country": "NL", "aliases": ["Zoe", "ゾーイ"], "followers": 12},
    {"record": "album", "title": "Seasons", "artists": ["Zoë"], "date": "1901", "barcode": "0075678164125"},
    {"record": "playlist", "id": "mix", "title": "Mix", "tracks": ["NLA507700001", {"track": "x", "position": 9}]},
    {"record": "features", "track": "NLA507700001", "tempo": 99.5, "key": 11, "mode": 0, "energy": 0.25},
]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def lines_of(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def read(path: Path, after: int = 0) -> list[ImportLine]:
    return list(read_import(path, tell_format(path), after))


def facts(lines: list[ImportLine]) -> list[str]:
    return [finding.fact for line in lines for finding in line.findings]


def test_each_kind_of_record_is_read(tmp_path: Path) -> None:
    rows = [row for line in read(write(tmp_path / "a.jsonl", lines_of(ROWS))) for row in line.rows]
    assert [type(row) for row in rows] == [MetadataRow, ArtistRow, AlbumRow, PlaylistRow, FeaturesRow]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst", ".jsonl.gz", ".jsonl.xz", ""])
def test_compression_is_told_by_the_name_and_changes_nothing(suffix: str, tmp_path: Path) -> None:
    content = lines_of(ROWS)
    frames = zstd.compress(content[:100]) + zstd.compress(content[100:])
    packed = {".jsonl.zst": frames, ".jsonl.gz": gzip.compress(content), ".jsonl.xz": lzma.compress(content)}.get(suffix, content)
    lines = read(write(tmp_path / f"a{suffix}", packed))
    assert [line.rows for line in lines] == [line.rows for line in read(write(tmp_path / "plain.jsonl", content))]


@pytest.mark.parametrize("suffix", [".zst", ".gz", ".xz"])
def test_what_comes_before_a_cut_in_a_compressed_file_is_read(suffix: str, tmp_path: Path) -> None:
    chance = random.Random(1)
    content = lines_of([{"title": f"{chance.getrandbits(400):x}"} for _ in range(20_000)])
    packed = {".zst": zstd.compress, ".gz": gzip.compress, ".xz": lzma.compress}[suffix](content)
    lines = read(write(tmp_path / f"a.jsonl{suffix}", packed[: len(packed) // 2]))
    assert "damaged or cut" in facts(lines)[-1] and len(lines) > 1_000


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"titel": "x"}', "did you mean `title`?"),
        ('{"record": "artist", "nam": "x"}', "did you mean `name`?"),
        ('{"record": "album", "title": "x", "bar-code": "1"}', "did you mean `barcode`?"),
        ('{"record": "song", "title": "x"}', "Invalid value 'song'"),
        ('{"record": "artist"}', "missing required field `name`"),
        ('{"record": "artist", "name": ""}', "name is empty"),
        ('{"record": "album"}', "no key and no field"),
        ('{"record": "playlist", "id": "p", "tracks": [{"track": "x", "position": -1}]}', "position is -1"),
        ('{"record": "features", "track": "x", "energy": 1.5}', "energy is 1.5"),
        ('{"record": "features", "track": "x", "tempo": -3}', "tempo is -3"),
        ('{"record": "features", "track": "x", "key": 12}', "key is 12"),
        ('{"title": "x", "popularity": 101}', "popularity is 101"),
        ('{"title": "x", "disc": -1}', "disc is -1"),
        ('{"title": "x"', "JSON is malformed|truncated"),
        ("{}", "no key and no field"),
        ("[]", "Expected `object`"),
        ('{"title": "x", "extra": 5}', "extra"),
        ("[" * 5_000, ""),
        ('{"title": "\\ud800"}', ""),
    ],
)
def test_one_bad_line_is_told_with_its_number_and_stops_nothing(line: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"title": "before"}\n' + line.encode() + b'\n\n{"title": "behind"}\n')
    lines = read(path)
    assert [line.number for line in lines] == [1, 2, 4] and lines[2].rows
    told = facts(lines)
    assert not told if line.startswith('{"title": "\\ud800') and lines[1].rows else told[0].startswith("line 2: ")
    assert any(part in "".join(told) for part in reason.split("|"))


def test_a_track_called_record_is_a_track(tmp_path: Path) -> None:
    (line,) = read(write(tmp_path / "a.jsonl", b'{"title": "\\"record\\"", "artists": ["record"], "extra": {"record": 1}}\n'))
    assert isinstance(line.rows[0], MetadataRow) and line.rows[0].title == '"record"'


def test_reading_goes_on_behind_any_line(tmp_path: Path) -> None:
    csv = b"title;artists\n" + b"".join(b"t%d;a\n" % n for n in range(20))
    release = json.dumps(RELEASE).encode() + b"\n"
    files = [write(tmp_path / "a.jsonl", lines_of(ROWS)), write(tmp_path / "a.csv", csv), write(tmp_path / "release", release * 3)]
    for path in files:
        whole = read(path)
        for after in range(len(whole) + 2):
            assert read(path, after) == [line for line in whole if line.number > after]


def test_tables_give_the_rows_that_json_lines_give(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        {"title": "A;B", "artists": ["x", "y"], "disc": 1, "explicit": True, "popularity": 3.25, "extra": {"mood": "calm"}},
        {"title": "Б", "artists": ["z"], "disc": 2, "explicit": False, "popularity": 0.0, "extra": {"mood": "wild"}},
    ]
    csv = 'Title,artists,disc,explicit,popularity,extra.mood\n"A;B",x;y,1,true,3.25,calm\nБ,"[""z""]",2,no,0,wild\n'
    columns = {name: [row[name] for row in rows] for name in ("title", "artists", "disc", "explicit", "popularity")}
    table = pyarrow.table({**columns, "extra.mood": [row["extra"]["mood"] for row in rows], "label": [None, None]})  # type: ignore[index]
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    plain = [
        [row.changes() for row in line.rows if isinstance(row, MetadataRow)] for line in read(write(tmp_path / "a.jsonl", lines_of(rows)))
    ]
    for path in (write(tmp_path / "a.csv", csv.encode()), tmp_path / "a.parquet"):
        lines = read(path)
        assert [[row.changes() for row in line.rows if isinstance(row, MetadataRow)] for line in lines] == plain
        assert [json.loads(line.content)["extra"] for line in lines] == [row["extra"] for row in rows]
    assert [line.number for line in read(tmp_path / "a.parquet", 1)] == [2]


def test_a_column_that_is_no_field_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="artist_mbid'") as caught:
        read(write(tmp_path / "a.csv", b"title,artist_mbid\nx,y\n"))
    assert "artist_mbids" in caught.value.hint
    with pytest.raises(UsageError, match="two of one name"):
        read(write(tmp_path / "a.csv", b"title,Title\nx,y\n"))


def test_bad_rows_of_a_csv_cost_themselves_alone(tmp_path: Path) -> None:
    lines = read(write(tmp_path / "a.csv", b'title,disc\nx,1\n"y,1\nz,zero\nq,1,2\nlast,1.0\n\xff,1\n'))
    assert [bool(line.rows) for line in lines] == [True, False, False, False, True, False]
    assert [line.number for line in lines] == [2, 3, 4, 5, 6, 7]


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(FormatError, match="no Parquet file"):
        read(write(tmp_path / "a.parquet", b"PAR1 not at all"))


def test_records_of_a_container_give_tracks_and_covers_give_none(tmp_path: Path) -> None:
    metadata = {"id": "x" * 22, "title": "Song", "artists": ["A"], "sha256": "0" * 64, "rights": {"uri": "https://c", "attribution": "A"}}
    records = [metadata, {"id": "y" * 22, "mime": "image/png"}, {"id": "z" * 22, "sha256": "1"}, {"id": "w" * 22, "title": 5}]
    content = lines_of([{"aacid": f"aacid__c__20260101T000000Z__{n}", "metadata": record} for n, record in enumerate(records)])
    path = write(tmp_path / "c.jsonl.zst", zstd.compress(content))
    assert tell_format(path) == "aac"
    lines = read(path)
    (row,) = lines[0].rows
    assert isinstance(row, MetadataRow) and (row.title, row.rights, row.attribution) == ("Song", "https://c", "A")
    assert [len(line.rows) for line in lines] == [1, 0, 0, 0] and "line 4" in facts(lines)[0]


def test_a_release_becomes_an_album_and_its_tracks(tmp_path: Path) -> None:
    path = write(tmp_path / "release", json.dumps(RELEASE).encode() + b"\n")
    assert tell_format(path) == "musicbrainz"
    (line,) = read(path)
    album, first, second = line.rows
    assert isinstance(album, AlbumRow) and (album.title, album.barcode, album.label) == ("Fixture", "0075678164125", "Paper Records")
    assert isinstance(first, MetadataRow) and isinstance(second, MetadataRow)
    assert (first.disc, first.number, first.isrcs, first.duration_ms) == (1, 1, ("NLA507700001",), 123_000)
    assert first.id == id_of_release_track(RELEASE["media"][0]["tracks"][0]["id"]) != second.id
    assert first.artists == ("Zoë & the Others",) and first.album_mbid == RELEASE["id"]


def test_artists_and_recordings_are_told_apart(tmp_path: Path) -> None:
    artist = read(write(tmp_path / "artist", json.dumps(ARTIST).encode()))[0].rows[0]
    assert isinstance(artist, ArtistRow) and (artist.aliases, artist.genres, artist.country) == (("Zoe",), ("folk", "pop"), "NL")
    recording = read(write(tmp_path / "recording", json.dumps(RECORDING).encode()))[0].rows[0]
    assert isinstance(recording, MetadataRow) and recording.mbid == recording.recording_mbid == RECORDING["id"]


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.zst", ".tar"])
def test_a_dump_is_read_out_of_its_archive(suffix: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in {
            "COPYING": b"CC0",
            "mbdump/artist": lines_of([ARTIST, ARTIST]),
            "mbdump/recording": lines_of([RECORDING]),
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    packed = {".tar.xz": lzma.compress, ".tar.zst": zstd.compress, ".tar": bytes}[suffix](buffer.getvalue())
    path = write(tmp_path / f"artist{suffix}", packed)
    assert [line.number for line in read(path)] == [1, 2, 3] and [line.number for line in read(path, 2)] == [3]
    cut = read(write(tmp_path / f"cut{suffix}", packed[: 2_200 if suffix == ".tar" else len(packed) * 2 // 3]))
    assert facts(cut) or len(cut) < 3


@given(st.binary(max_size=200), st.sampled_from(["a.jsonl", "a.csv", "artist", "a.jsonl.zst", "a.tar.xz", "a.jsonl.gz"]))
def test_no_bytes_break_a_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str) -> None:
    path = write(tmp_path_factory.getbasetemp() / name, content)
    for format in ("jsonl", "csv", "aac", "musicbrainz"):
        try:
            assert all(isinstance(line, ImportLine) for line in read_import(path, format))  # type: ignore[arg-type]
        except UsageError:
            pass
    assert Line(1, b"").content == b""
