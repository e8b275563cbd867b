"""The options that choose tracks, the same for search, shuffle and missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.ground.errors import UsageError

if TYPE_CHECKING:
    from fonoteca.catalogue.filters import TrackFilter


@Parameter(name="*")
@dataclass(frozen=True)
class FilterOptions:
    """Which tracks."""

    artist: Annotated[str | None, Parameter(help="Tracks of this artist: a name or a public id.")] = None
    album: Annotated[str | None, Parameter(help="Tracks of this album: a title or a public id.")] = None
    year: Annotated[str | None, Parameter(help="A year or a range: 1999, 1990..1999, 1990.., ..1999.")] = None
    label: Annotated[str | None, Parameter(help="Tracks of this label.")] = None
    genre: Annotated[str | None, Parameter(help="Tracks of this genre, or of artists of it.")] = None
    isrc: Annotated[str | None, Parameter(help="ISRCs that begin so.")] = None
    country: Annotated[str | None, Parameter(help="Two letters: the country that the ISRC begins with, else that of the artist.")] = None
    popularity: Annotated[str | None, Parameter(help="A score or a range from 0 to 100: 50, 50..60, 50.., ..10.")] = None
    held: Annotated[bool, Parameter(negative=(), help="Only tracks of which a file is held.")] = False
    missing: Annotated[bool, Parameter(negative=(), help="Only tracks that are known, not held and wanted.")] = False
    status: Annotated[
        str | None, Parameter(help="Only tracks of this status: wanted, held, duplicate, unreadable, not-kept, withdrawn.")
    ] = None

    def track_filter(self) -> TrackFilter:
        """The filter; UsageError where a value can be none of its kind."""
        from fonoteca.catalogue.filters import TrackFilter
        from fonoteca.catalogue.schema import STATES

        if self.status is not None and self.status not in STATES:
            raise UsageError(f"there is no status {self.status!r}", f"There are {', '.join(STATES)}.")
        if self.held and self.missing:
            raise UsageError("--held and --missing have no track in common", "Give one of them, or neither for both.")
        years, scores = _range("--year", self.year), _range("--popularity", self.popularity)
        if any(score is not None and not 0 <= score <= 100 for score in scores):
            raise UsageError(f"--popularity {self.popularity!r} is beyond 0 to 100", "Popularity runs from 0 to 100.")
        return TrackFilter(
            artist=self.artist, album=self.album, label=self.label, genre=self.genre, isrc=self.isrc, country=self.country,
            year_from=_whole(years[0]), year_to=_whole(years[1]), popularity_from=scores[0], popularity_to=scores[1], is_held=self.held,
            is_missing=self.missing, status=self.status,
        )  # fmt: skip


def _range(option: str, text: str | None) -> tuple[float | None, float | None]:
    """Both ends of `1999`, `1990..1999`, `1990..` or `..1999`; those that are left out are None."""
    if text is None:
        return None, None
    low, dots, high = text.partition("..")
    try:
        first, last = (float(end) if end.strip() else None for end in (low, high if dots else low))
    except ValueError:
        raise UsageError(f"{option} {text!r} is no number and no range", "Write 1999, 1990..1999, 1990.. or ..1999.") from None
    if (first is None and last is None) or any(end is not None and not math.isfinite(end) for end in (first, last)):
        raise UsageError(f"{option} {text!r} has no end", "Write 1999, 1990..1999, 1990.. or ..1999.")
    if first is not None and last is not None and last < first:
        raise UsageError(f"{option} {text!r} runs backwards", "Write the smaller number first.")
    return first, last


def _whole(number: float | None) -> int | None:
    if number is None:
        return None
    if not number.is_integer():
        raise UsageError(f"--year {number:g} is no year", "Write whole numbers.")
    return int(number)
