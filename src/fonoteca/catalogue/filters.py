"""Which tracks are meant: the filter that search, shuffle and the list of what is missing share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from fonoteca.catalogue.covered import HELD, IS_MISSING
from fonoteca.catalogue.identifiers import is_public_id
from fonoteca.catalogue.isrc_numbers import isrc_range
from fonoteca.catalogue.names import clean_text, normal_form
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.errors import UsageError
from fonoteca.ground.things import Status

Condition = tuple[str, tuple[Any, ...]]
"""SQL over the row `t` of tracks, in brackets where it needs them, and what is bound to its question marks."""


class TrackFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A choice of tracks; what is None is not asked. Years and popularity include both ends.

    `artist` and `album` are a public id or a name, `label` and `genre` a name; names are found as given and in lower,
    upper and title case. `isrc` is a prefix of any length from two. `country` is two letters: of the ISRC, else of the first
    artist. `is_held`: a file of this very track is held. `is_missing`: known, not withdrawn and not covered by what is held.
    """

    artist: str | None = None
    album: str | None = None
    year_from: int | None = None
    year_to: int | None = None
    label: str | None = None
    genre: str | None = None
    isrc: str | None = None
    country: str | None = None
    popularity_from: float | None = None
    popularity_to: float | None = None
    is_held: bool = False
    is_missing: bool = False
    status: Status | None = None

    def condition(self, is_edition: bool) -> Condition:
        """SQL over `tracks t`, `1` where nothing is asked; UsageError where a value can be none of its kind."""
        parts = self.conditions(is_edition).values()
        if not parts:
            return "1", ()
        return " AND ".join(sql for sql, _ in parts), tuple(value for _, values in parts for value in values)

    def conditions(self, is_edition: bool) -> dict[str, Condition]:
        """As `condition`, by what is asked: the names of the fields that are given."""
        return dict(self._conditions(is_edition))

    @property
    def is_empty(self) -> bool:
        """Whether every track passes."""
        return self == TrackFilter()

    @property
    def key(self) -> str:
        """The filter as text, the same for the same filter: what a cursor remembers of it."""
        return msgspec.json.encode(self, order="sorted").decode()

    def _conditions(self, is_edition: bool) -> Iterator[tuple[str, Condition]]:
        named: tuple[tuple[str, Callable[[str, bool], Condition]], ...] = (
            ("artist", _by_artist),
            ("album", _by_album),
            ("label", _by_label),
            ("genre", _by_genre),
            ("isrc", _by_isrc),
            ("country", _by_country),
            ("status", _by_status),
        )
        yield from ((name, condition(value, is_edition)) for name, condition in named if (value := getattr(self, name)) is not None)
        yield from self.year_conditions("coalesce(t.date, (SELECT date FROM albums WHERE album = t.album))").items()
        if self.popularity_from is not None:
            yield "popularity_from", ("t.popularity >= ?", (self.popularity_from,))
        if self.popularity_to is not None:
            yield "popularity_to", ("t.popularity <= ?", (self.popularity_to,))
        if self.is_held:
            yield "is_held", ("t.state = ?", (HELD,))
        if self.is_missing:
            yield "is_missing", (IS_MISSING, ())

    def year_conditions(self, date: str) -> dict[str, Condition]:
        """The years as SQL over `date`, an expression, by the names of the fields that are given."""
        for year in (self.year_from, self.year_to):
            if year is not None and not 0 <= year <= 9999:
                raise UsageError(f"the year {year} cannot be kept", "Years run from 0 to 9999.")
        found: dict[str, Condition] = {}
        if self.year_from is not None:
            found["year_from"] = f"{date} >= ?", (f"{self.year_from:04d}",)
        if self.year_to is not None:
            found["year_to"] = f"{date} < ?", (f"{self.year_to:04d}:",)  # a colon comes behind every digit, hyphen and end
        return found


def name_forms(name: str) -> tuple[str, ...]:
    """`name` as given (NFC) and as people write it otherwise: what an index on names in binary order can be asked for."""
    given = normal_form(clean_text(name[:10_000]).strip())
    return tuple(dict.fromkeys((given, given.lower(), given.upper(), given.title(), given.capitalize())))


def identified(id_or_name: str, is_edition: bool, name_column: str) -> Condition:
    """SQL that holds for the row of artists or albums with this public id, or with this name in one of its forms."""
    if is_public_id(id_or_name) and is_edition:
        return "substr(id, 1, 6) = substr(?, 1, 6) AND +id = ?", (id_or_name, id_or_name)
    if is_public_id(id_or_name):
        return "id = ?", (id_or_name,)
    forms = name_forms(id_or_name)
    return f"{name_column} IN ({', '.join('?' * len(forms))})", forms


def artists_named(artist: str, is_edition: bool) -> Condition:
    """A query for the row numbers of the artists with this public id, or with this name or alias in one of its forms."""
    sql, values = identified(artist, is_edition, "name")
    found = f"SELECT artist FROM artists WHERE {sql}"
    if not is_public_id(artist):
        found += f" UNION SELECT artist FROM artist_aliases WHERE {sql.replace('name', 'alias')}"
        values += values
    return found, values


def labels_named(label: str) -> Condition:
    """A query for the row numbers of the labels of this name in one of its forms."""
    forms = name_forms(label)
    return f"SELECT label FROM labels WHERE name IN ({', '.join('?' * len(forms))})", forms


def genres_named(genre: str) -> Condition:
    """A query for the row numbers of the genres of this name in one of its forms."""
    forms = name_forms(genre)
    return f"SELECT genre FROM genres WHERE name IN ({', '.join('?' * len(forms))})", forms


def _by_artist(artist: str, is_edition: bool) -> Condition:
    found, values = artists_named(artist, is_edition)
    further = f"t.track IN (SELECT track FROM further_track_artists WHERE artist IN ({found}))"
    return f"(t.artist IN ({found}) OR {further})", values + values


def _by_album(album: str, is_edition: bool) -> Condition:
    sql, values = identified(album, is_edition, "title")
    return f"t.album IN (SELECT album FROM albums WHERE {sql})", values


def _by_label(label: str, is_edition: bool) -> Condition:
    found, forms = labels_named(label)
    return f"coalesce(t.label, (SELECT label FROM albums WHERE album = t.album)) IN ({found})", forms


def _by_genre(genre: str, is_edition: bool) -> Condition:
    found, forms = genres_named(genre)
    own = f"EXISTS (SELECT 1 FROM track_genres g WHERE g.track = t.track AND g.genre IN ({found}))"
    return f"({own} OR EXISTS (SELECT 1 FROM artist_genres g WHERE g.artist = t.artist AND g.genre IN ({found})))", forms + forms


def _by_isrc(prefix: str, is_edition: bool) -> Condition:
    numbers = isrc_range(prefix)
    if numbers is None:
        raise UsageError(f"{prefix[:80]!r} begins no ISRC", "Give two letters of a country, then as much of the code as is known: USRC1.")
    further = "t.track IN (SELECT track FROM further_isrcs WHERE isrc_number BETWEEN ? AND ?)"
    return f"(t.isrc_number BETWEEN ? AND ? OR {further})", numbers + numbers


def _by_country(country: str, is_edition: bool) -> Condition:
    code = country.strip().upper()
    numbers = isrc_range(code) if len(code) == 2 else None
    if numbers is None:
        raise UsageError(f"{country[:80]!r} is no country", "Give its two letters (ISO 3166), as ISRCs begin with: SE.")
    of_artist = "EXISTS (SELECT 1 FROM artists a WHERE a.artist = t.artist AND a.country = ?)"
    return f"(t.isrc_number BETWEEN ? AND ? OR (t.isrc_number IS NULL AND {of_artist}))", (*numbers, code)


def _by_status(status: str, is_edition: bool) -> Condition:
    if status not in STATES:
        raise UsageError(f"{status[:80]!r} is no status", f"There are {', '.join(STATES)}.")
    return "t.state = ?", (STATES.index(status),)


def popularity_rows(statements: Statements, lowest: float | None, highest: float | None) -> tuple[int, int]:
    """(first, last) row number in an edition of the tracks from `lowest` to `highest` popularity; last < first where there are none.

    Rows are ranked, so a few look-ups tell. Without bounds: all, those of unknown popularity too.
    """
    rows = statements.value("SELECT max(track) FROM tracks") or 0
    first = 1 if highest is None else _first_row(statements, rows, lambda popularity: popularity is None or popularity <= highest)
    last = rows if lowest is None else _first_row(statements, rows, lambda popularity: popularity is None or popularity < lowest) - 1
    if highest is not None and lowest is None:
        last = _first_row(statements, rows, lambda popularity: popularity is None) - 1
    return first, last


def _first_row(statements: Statements, rows: int, is_behind: Callable[[float | None], bool]) -> int:
    low, high = 1, rows + 1
    while low < high:
        middle = (low + high) // 2
        if is_behind(statements.value("SELECT popularity FROM tracks WHERE track = ?", (middle,))):
            high = middle
        else:
            low = middle + 1
    return low
