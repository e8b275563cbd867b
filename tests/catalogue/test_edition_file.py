"""An edition that is cut, damaged, foreign or newer is refused with the reason; what is whole opens in every reader."""

from __future__ import annotations

import asyncio
import random
import subprocess
from pathlib import Path

import pytest
from records_made import number_id, number_record
from test_edition import fill, publish

from fonoteca.catalogue import Catalogue, Edition, check_edition
from fonoteca.ground.errors import DatabaseError, FonotecaError, NotFoundError

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edition")
    with fill(folder / "c.sqlite3", list(range(300))) as catalogue:
        publish(catalogue, folder / "e.sqlite3")
    return folder / "e.sqlite3"


def refused(path: Path) -> str:
    with pytest.raises(DatabaseError) as raised:
        Edition.open(path).close()
    assert raised.value.hint and str(path) in raised.value.message
    findings = check_edition(path)
    assert findings and {finding.code for finding in findings} == {"bad-database"}
    return raised.value.message


def test_edition_cut_anywhere_is_refused(whole: Path, tmp_path: Path) -> None:
    content, target = whole.read_bytes(), tmp_path / "cut.sqlite3"
    pages = len(content) // PAGE
    for length in (
        0,
        1,
        15,
        16,
        99,
        100,
        101,
        511,
        512,
        PAGE - 1,
        PAGE,
        PAGE + 1,
        pages // 2 * PAGE,
        len(content) - PAGE,
        len(content) - 1,
    ):
        target.write_bytes(content[:length])
        reason = refused(target)
        assert any(word in reason for word in ("empty", "no SQLite database", "not whole")), (length, reason)
    target.write_bytes(content + bytes(PAGE))
    assert "not whole" in refused(target)


def test_what_is_no_edition_of_this_schema_is_refused_with_the_reason(whole: Path, tmp_path: Path) -> None:
    content, target = bytearray(whole.read_bytes()), tmp_path / "other.sqlite3"
    for offset, value, word in ((60, 99, "schema 99"), (68, 0x464E4354, "0x464e4354"), (68, 0, "no edition")):
        changed = content.copy()
        changed[offset : offset + 4] = value.to_bytes(4, "big")
        target.write_bytes(changed)
        assert word in refused(target)
    target.write_bytes(b"PK\x03\x04" + bytes(5000))
    assert "no SQLite database" in refused(target)
    with pytest.raises(NotFoundError):
        Edition.open(tmp_path / "none.sqlite3")
    Catalogue.create(tmp_path / "working.sqlite3").close()
    assert "no edition" in refused(tmp_path / "working.sqlite3")


def test_damage_to_the_schema_is_refused_when_it_is_opened(whole: Path, tmp_path: Path) -> None:
    content, target = bytearray(whole.read_bytes()), tmp_path / "schema.sqlite3"
    content[100:PAGE] = bytes(PAGE - 100)
    target.write_bytes(content)
    refused(target)
    target.write_bytes(whole.read_bytes().replace(b"CREATE TABLE artists", b"CREATE XABLE artists"))
    refused(target)


def test_pages_overwritten_anywhere_are_found_or_change_nothing(whole: Path, tmp_path: Path) -> None:
    """Every page that is noise or zeros is found by check_edition, and reading it ends in an error of ours or in records."""
    content, target, chance = whole.read_bytes(), tmp_path / "flipped.sqlite3", random.Random(5)
    for page in chance.sample(range(1, len(content) // PAGE), 25):
        changed = bytearray(content)
        changed[page * PAGE : (page + 1) * PAGE] = bytes(PAGE) if page % 2 else chance.randbytes(PAGE)
        target.write_bytes(changed)
        assert check_edition(target), page
        try:
            with Edition.open(target) as edition:
                for number in range(20):
                    edition.get_track(number_id(number))
                edition.find("Song 17")
                list(edition.iter_tracks())
        except FonotecaError:
            continue


def test_bytes_flipped_anywhere_never_end_in_a_foreign_error(whole: Path, tmp_path: Path) -> None:
    content, target, chance = whole.read_bytes(), tmp_path / "flipped.sqlite3", random.Random(6)
    found = 0
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(4):
            changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        target.write_bytes(changed)
        found += bool(check_edition(target))
        try:
            with Edition.open(target) as edition:
                edition.find("Song 17")
                list(edition.iter_tracks())
        except FonotecaError:
            continue
    assert found


def test_stock_sqlite3_opens_every_table_and_view(whole: Path) -> None:
    def ask(query: str) -> list[str]:
        done = subprocess.run(["sqlite3", "-readonly", str(whole), query], capture_output=True, timeout=60, check=True)
        return done.stdout.decode(errors="replace").splitlines()

    assert ask("PRAGMA integrity_check") == ["ok"] and ask("PRAGMA foreign_key_check") == []
    for name in ask("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE '%search_%'"):
        ask(f'SELECT * FROM "{name}" LIMIT 3')
    assert ask(f"SELECT isrcs FROM tracks_with_artists WHERE id = '{number_id(7)}'") == [number_record(7).isrcs[0]]


def test_datasette_shows_tables_and_views(whole: Path) -> None:
    datasette = pytest.importorskip("datasette.app").Datasette(files=[], immutables=[str(whole)])

    async def look() -> None:
        names = (await datasette.client.get("/e.json")).json()
        shown = {table["name"] for table in names["tables"]} | {view["name"] for view in names["views"]}
        for name in ("tracks", "artists", "tracks_with_artists", "what_is_held", "track_files"):
            assert name in shown
            answer = await datasette.client.get(f"/e/{name}.json?_size=3&_shape=array")
            assert answer.status_code == 200 and answer.json(), name
        row = (await datasette.client.get(f"/e/tracks_with_artists.json?id={number_id(7)}&_shape=array")).json()
        assert [one["title"] for one in row] == ["Song 7"]

    asyncio.run(look())
