"""Views of one track, album or file are answered by look-ups: an edition has hundreds of millions of rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from made_editions import MadeCatalogue, opened, write_catalogue


@pytest.fixture(scope="module", params=[True, False], ids=["edition", "working"])
def catalogue(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[MadeCatalogue]:
    path = tmp_path_factory.mktemp("views") / "c"
    write_catalogue(path, 1000, is_edition=request.param)
    with opened(path, is_edition=request.param) as found:
        yield found


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM tracks_with_artists WHERE track = 5",
        "SELECT * FROM albums_with_artists WHERE album = 5",
        "SELECT * FROM track_files WHERE track = 5",
        "SELECT * FROM track_isrcs WHERE track = 5",
        "SELECT * FROM track_artists WHERE track = 5",
        "SELECT * FROM may_be_published WHERE track = 5",
        "SELECT w.* FROM tracks t JOIN tracks_with_artists w USING (track) WHERE t.album = 5",
    ],
)
def test_nothing_is_walked_through(catalogue: MadeCatalogue, query: str) -> None:
    plan = [str(row[3]) for row in catalogue.statements.rows(f"EXPLAIN QUERY PLAN {query}")]
    tables = {row[0] for row in catalogue.statements.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    walked = [step for step in plan if step.startswith("SCAN ") and step.split()[1] in tables | {"t", "l", "i", "a", "b", "f", "x"}]
    assert not walked and not any("AUTOMATIC" in step for step in plan), plan
