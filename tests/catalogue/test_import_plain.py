"""Lines that compiled functions read, beside the same lines read one by one: both make the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

pytest.importorskip("numba")
pytest.importorskip("pyarrow")

import pyarrow.parquet as pq

from fonoteca.catalogue.bulk import import_parts
from fonoteca.catalogue.bulk.import_parts import PARTS, Block, parse_block, read_note

MBIDS = ["00000001-1111-4111-8111-111111111111", "ABCDEF01-1111-4111-8111-11111111111F", "no", ""]
NAMES = ["Zoë", "Zoe\u0308", "zoë", "宇多田ヒカル", "A;B", "", "Ab", "a\tb", 'q"x', "\u0301", "가\u11a8", "𝄞", "\x7f", "Ⅷ", "Å", "e\\u0301"]
ISRCS = ["USRC17607839", "usrc17607839", "US-RC1-76-07839", "QZ5AB0000001", "QZ5AB0000002", "none", "GBAYE6800011"]
PUBLIC = "GcV5ohfP8KjKoRrJJKUjqw"
texts = some.sampled_from(NAMES) | some.text(max_size=8)
lists = some.lists(texts, max_size=3)
counts = some.none() | some.integers(-1, 2**64) | some.integers(0, 9) | some.just(1.0) | some.just(1.5)
scores = some.none() | some.floats(-1, 101) | some.integers(0, 100) | some.decimals(0, 100, places=2).map(float)
FIELDS: dict[str, Any] = {
    "path": some.none() | texts, "id": some.none() | texts | some.sampled_from([PUBLIC, PUBLIC[:21], "z" * 22, "4uLU6hMCjMI75M1A2tKUQC"]),
    "isrc": some.none() | some.sampled_from(ISRCS), "mbid": some.none() | some.sampled_from(MBIDS), "title": some.none() | texts,
    "artists": lists, "artist_mbids": some.lists(some.sampled_from(MBIDS[:2] * 3 + MBIDS), max_size=2), "album": some.none() | texts,
    "album_artists": lists, "album_mbid": some.none() | some.sampled_from(MBIDS), "disc": counts, "number": counts,
    "date": some.none() | texts, "isrcs": some.lists(some.sampled_from(ISRCS), max_size=3), "genres": lists, "label": some.none() | texts,
    "recording_mbid": some.none() | some.sampled_from(MBIDS), "barcode": texts | some.from_regex("[0-9 -]{0,15}", fullmatch=True),
    "duration_ms": counts, "explicit": some.none() | some.booleans() | some.just(1), "popularity": scores,
    "plays": some.none() | some.integers(0, 10**10), "artist_popularity": scores, "album_popularity": scores, "followers": counts,
    "rights": some.none() | texts, "attribution": some.none() | texts, "record": some.sampled_from(["track", "track", "artist", "x"]),
    "extra": some.recursive(some.none() | some.booleans() | some.floats(allow_nan=False) | some.text(max_size=3),
                            lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3)),
    "titel": texts,
}  # fmt: skip
USUAL = {"title": "a", "artists": ["x"]}


@some.composite
def lines(draw: Any) -> bytes:
    names = draw(some.lists(some.sampled_from(sorted(FIELDS)), max_size=6, unique=True))
    row = (USUAL if draw(some.booleans()) else {}) | {name: draw(FIELDS[name]) for name in names}
    text = json.dumps(row, ensure_ascii=draw(some.booleans()), separators=draw(some.sampled_from([(",", ":"), (", ", " : ")])))
    line = text.encode("utf-8", "surrogatepass")
    if draw(some.integers(0, 9)) == 0 and line:
        place = draw(some.integers(0, len(line) - 1))
        line = line[:place] + draw(some.binary(max_size=2)).replace(b"\n", b"") + line[place + draw(some.integers(0, 1)) :]
    return line


def rows_of(folder: Path, content: bytes) -> tuple[dict[str, list[Any]], Any]:
    folder.mkdir()
    parse_block(Block(3, Path("x"), content, 1, None, folder, (1_000, 10**9)))
    rows = {}
    for table in PARTS:
        path = folder / f"{table}-00000003.parquet"
        rows[table] = pq.read_table(path).to_pylist() if path.exists() else []
    note = read_note(folder, 3)
    assert note is not None
    return rows, (note.counts, note.findings)


@settings(max_examples=100, deadline=None)
@given(some.lists(lines(), min_size=1, max_size=8))
def test_both_ways_of_reading_lines_make_the_same_rows(tmp_path_factory: pytest.TempPathFactory, given: list[bytes]) -> None:
    content, folder = b"\n".join(given), tmp_path_factory.mktemp("parts")
    quick, told = rows_of(folder / "quick", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_parts, "has_bulk_extra", lambda *_: False)
        slow, also = rows_of(folder / "slow", content)
    assert told == also
    assert [row["seq"] for row in quick["tracks"]] == [row["seq"] for row in slow["tracks"]]
    for table in ("tracks", "further_track_artists", "further_isrcs", "track_genres", "given_forms", "recording_lines", "foreign_ids"):
        assert sorted(map(repr, quick[table])) == sorted(map(repr, slow[table])), table
    for table in ("labels", "genres", "artists", "albums"):
        assert said_of(quick[table]) == said_of(slow[table]), table


def said_of(rows: list[dict[str, Any]]) -> tuple[set[str], list[str]]:
    """What is named, with the line that does so first, and what is told of it."""
    first = {row["key"]: min(other.get("seq", 0) for other in rows if other["key"] == row["key"]) for row in rows}
    names = {repr([row["key"], first[row["key"]], *(row.get(name) for name in ("id", "name", "title", "mbid", "gtin"))]) for row in rows}
    return names, sorted(repr(row) for row in rows if row.get("told"))


def test_most_lines_are_plain() -> None:
    from fonoteca.catalogue.bulk.import_plain import take_plain

    rows = [{"title": "Song", "artists": ["Zoë", "宇多田ヒカル"], "album": "B", "isrcs": ["USRC17607839"], "extra": {"a": [1, None, "x"]}},
            {"title": "Ab", "plays": 3, "explicit": None, "popularity": 12.25}, {"title": "e\u0301"}]  # fmt: skip
    content = b"\r\n".join(json.dumps(row, ensure_ascii=False).encode() for row in rows)
    tables, left = take_plain(content, 0, (1_000, 10**9))
    assert tables["tracks"].num_rows == 2 and [place for place, _ in left] == [2]


def test_more_names_than_there_was_room_for_are_all_found(tmp_path: Path) -> None:
    content = b"\n".join(
        json.dumps({"title": "t", "artists": [f"A {n}", f"B {n}"], "genres": [f"g {n % 7}"]}).encode() for n in range(40_000)
    )
    rows, _ = rows_of(tmp_path / "parts", content)
    assert len({row["name"] for row in rows["artists"]}) == len(rows["artists"]) == 80_000
    assert len(rows["genres"]) == 7 and len({row["key"] for row in rows["artists"]}) == 80_000
