"""The index of an edition: the same bytes however it was built, whole in any number of tiers, and sound for FTS5 itself."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from pathlib import Path

import apsw
import pytest

from fonoteca.catalogue import search_build
from fonoteca.catalogue.search import search
from fonoteca.catalogue.search_build import build_search
from fonoteca.catalogue.statements import Statements
from made_editions import MadeCatalogue, write_catalogue

COUNT = 300


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An edition without its search index."""
    path = tmp_path_factory.mktemp("tables") / "edition.sqlite3"
    write_catalogue(path, COUNT)
    return path


def indexed(tables: Path, path: Path, **options: int) -> Path:
    """A copy with its index."""
    shutil.copy(tables, path)
    connection = apsw.Connection(str(path))
    counts = build_search(connection, **options)  # type: ignore[arg-type]
    assert counts.words > 0
    connection.close()
    return path


def opened(path: Path) -> MadeCatalogue:
    return MadeCatalogue(Statements(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY), path), True)


def test_the_index_is_the_same_bytes_with_any_number_of_workers(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_build, "FIRST_TIER", 16)
    paths = [indexed(tables, tmp_path / f"{jobs}", jobs=jobs) for jobs in (1, 2, 1)]
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2"}  # no part is left


def test_many_tiers_find_what_one_finds(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened(indexed(tables, tmp_path / "one"))
    monkeypatch.setattr(search_build, "FIRST_TIER", 8)
    monkeypatch.setattr(search_build, "LARGEST_TIER", 32)
    many = opened(indexed(tables, tmp_path / "many"))
    assert many.statements.value("SELECT count(*) FROM search_tiers WHERE kind = 'track'") > 10
    titles = [title for (title,) in one.statements.rows("SELECT DISTINCT title FROM tracks LIMIT 20")]
    for text in (*titles, "", "artist:1", "artist 2", "track 1 -2", "popularity:10..50 artist", "arti", "1 2"):
        for kind in search_build.KINDS:
            pages = []
            for catalogue in (one, many):
                first = search(catalogue, text, kind=kind, limit=7)
                pages.append((first.found, search(catalogue, text, kind=kind, limit=7, after=first.next).found if first.next else None))
            assert pages[0] == pages[1]


def test_fts5_finds_its_tables_sound(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_build, "FIRST_TIER", 64)
    path = indexed(tables, tmp_path / "edition")
    for connect in (sqlite3.connect, lambda name: apsw.Connection(name)):
        connection = connect(str(path))
        for (name,) in connection.execute("SELECT name FROM search_tiers").fetchall():
            connection.execute(f"INSERT INTO {name} ({name}) VALUES ('integrity-check')")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_an_empty_edition_has_an_empty_index(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "empty", 0)
    connection = apsw.Connection(str(tmp_path / "empty"))
    assert build_search(connection).words == 0
    connection.close()
    for kind in search_build.KINDS:
        assert search(opened(tmp_path / "empty"), "anything at all", kind=kind).found == ()


def test_a_build_that_fails_leaves_the_tables_as_they_were(tables: Path, tmp_path: Path) -> None:
    path = tmp_path / "edition"
    shutil.copy(tables, path)
    before = path.read_bytes()
    connection = apsw.Connection(str(path))
    with pytest.raises(RuntimeError, match="enough"):
        build_search(connection, progress=_fail)
    connection.close()
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["edition"]


def _fail(rows: int) -> None:
    raise RuntimeError("enough")
