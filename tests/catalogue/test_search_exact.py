"""What search finds in an edition, beside a look at every row: the same rows in the same order, whichever way it takes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fonoteca.catalogue import search_build, search_run, search_tier
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.search import search
from fonoteca.catalogue.search_build import ALIASES, TEXTS, Kind, build_search
from fonoteca.catalogue.search_text import index_words, tokens_of
from fonoteca.catalogue.statements import Statements
from made_editions import MadeCatalogue, write_catalogue

TRACKS = 700
WORDS = ["the", "of", "love", "lover", "lovely", "lo", "a", "ab", "abc", "Ängström", "don't", "ac/dc", "東京", "東", "事変", "Ёлка", "zq"]
COMMONNESS = [400, 300, 200, 20, 10, 5, 150, 50, 3, 8, 20, 10, 30, 10, 5, 9, 1]


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeCatalogue]:
    """Tracks, albums and artists of few words, common and rare, in many small tiers."""
    path, chance = tmp_path_factory.mktemp("exact") / "edition.sqlite3", random.Random(8)
    write_catalogue(path, TRACKS)
    connection = apsw.Connection(str(path))
    for table, column, longest in (("tracks", "title", 5), ("albums", "title", 3), ("artists", "name", 2)):
        rows = [row for (row,) in connection.execute(f"SELECT {table[:-1]} FROM {table}")]
        names = [(" ".join(chance.choices(WORDS, COMMONNESS, k=chance.randint(1, longest))), row) for row in rows]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {table[:-1]} = ?", names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_build, "FIRST_TIER", 64)
        patch.setattr(search_build, "LARGEST_TIER", 256)
        build_search(connection)
    connection.close()
    opened = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    yield MadeCatalogue(Statements(opened, path, is_edition=True), True)
    opened.close()


@pytest.fixture(scope="module")
def words(edition: MadeCatalogue) -> dict[Kind, list[tuple[str, str | None, set[str]]]]:
    """(id, artist of a track, words) of every row in order of rank, by kind."""
    found: dict[Kind, list[tuple[str, str | None, set[str]]]] = {}
    for kind, alias in ALIASES.items():
        artist = "(SELECT name FROM artists x WHERE x.artist = t.artist)" if kind == "track" else "NULL"
        sql = f"{TEXTS[kind].replace('SELECT', f'SELECT {alias}.id, {artist},', 1)} ORDER BY {alias}.{kind}"
        rows = edition.statements.rows(sql)
        found[kind] = [(row[0], row[1], tokens_of(index_words(*(name for name in row[3:] if name)))) for row in rows]
    return found


INDEXED = ["the", "of", "love", "lover", "lovely", "lo", "a", "ab", "abc", "angstrom", "dont", "acdc", "elka", "zq", "nowhere"]
BEGUN = ["l", "lo", "lov", "love", "a", "t", "d", "acd", "ang", "e", "z", "q", "東"]
WAYS = [(48, 3, 30, 40), (0, 0, 0, 40), (0, 0, 0, 0), (0, 0, 0, 10**9), (1, 1, 1, 1), (0, 0, 20, 1)]
"""FREE_ROWS, ROWS_A_LEAF, ROWS_A_BEGINNING, STREAMED_A_ROW: the usual, then such that each way of looking is taken at once."""


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=st.lists(st.sampled_from(INDEXED), max_size=6, unique=True), begun=st.none() | st.sampled_from(BEGUN),
    unwanted=st.none() | st.sampled_from(INDEXED), kind=st.sampled_from(search_build.KINDS), limit=st.integers(1, 40),
    by_artist=st.booleans(), data=st.data(),
)  # fmt: skip
def test_what_is_found_is_what_a_look_at_every_row_finds(
    edition: MadeCatalogue, words: dict[Kind, list[tuple[str, str | None, set[str]]]], way: tuple[int, int, int, int],
    wanted: list[str], begun: str | None, unwanted: str | None, kind: Kind, limit: int,
    by_artist: bool, data: st.DataObject,
) -> None:  # fmt: skip
    artist = None
    if by_artist and kind == "track":
        artist = edition.statements.value("SELECT name FROM artists WHERE artist = ?", (data.draw(st.integers(1, 35)),))
    text = " ".join([*wanted, *([f"-{unwanted}"] if unwanted else []), begun if begun else ""])
    expected = [
        public_id
        for public_id, by, tokens in words[kind]
        if artist in (None, by) and tokens.issuperset(wanted) and unwanted not in tokens and any(t.startswith(begun or "") for t in tokens)
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(("FREE_ROWS", "ROWS_A_LEAF", "ROWS_A_BEGINNING", "STREAMED_A_ROW"), way, strict=True):
            patch.setattr(search_tier, name, value)
        patch.setattr(search_tier, "MOST_SIFTED", data.draw(st.sampled_from([0, 1 << 13])))
        patch.setattr(search_run, "MOST_TO_CHECK", data.draw(st.sampled_from([0, 2_000])))
        chosen = TrackFilter(artist=artist) if artist else None
        page = search(edition, text, chosen, kind=kind, limit=limit, mends_typos=False)
        found = [one.id for one in page.found]
        if page.next:
            rest = search(edition, text, chosen, kind=kind, limit=10_000, mends_typos=False, after=page.next)
            found += [one.id for one in rest.found]
    assert found == expected


def test_names_are_read_by_row_number_whatever_the_filter(edition: MadeCatalogue) -> None:
    asked = TrackFilter(artist="The", isrc="US", label="Label 01", year_from=1970, is_held=True, popularity_from=5.0)
    sql, values = asked.condition(is_edition=True)
    plan = edition.statements.rows(
        f"EXPLAIN QUERY PLAN {TEXTS['track']} WHERE t.track IN (SELECT value FROM json_each(?)) AND ({sql})", ("[1, 2]", *values)
    )
    assert any(detail.startswith("SEARCH t USING INTEGER PRIMARY KEY") for *_, detail in plan)
