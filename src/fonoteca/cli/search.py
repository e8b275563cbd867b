"""`fonoteca search`: tracks, artists and albums by words."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, JsonOption, app
from fonoteca.cli.filter_options import FilterOptions
from fonoteca.cli.name_table import name_table
from fonoteca.cli.output import emit, on_one_line
from fonoteca.cli.shuffle import EditionOption, opened_catalogue
from fonoteca.ground.errors import UsageError

if TYPE_CHECKING:
    from fonoteca.catalogue.search import SearchResult

_NO_FILTER = FilterOptions()
_HEADINGS = {
    "track": ("title", "artists", "album", "date", "score", "status", "id"),
    "artist": ("name", "country", "score", "id"),
    "album": ("title", "artists", "date", "tracks", "score", "id"),
}


@app.command(sort_key=17)
def search(
    words: Annotated[
        tuple[str, ...],
        Parameter(
            allow_leading_hyphen=True,
            help='Words in any order and script, the last one may be begun only. "…" a phrase, -word takes away; artist: album: title: say'
            " where; label: genre: year:1990..1999 isrc: country: popularity:50.. held: missing: choose, as the options do.",
        ),
    ] = (),
    /,
    *,
    options: FilterOptions = _NO_FILTER,
    artists: Annotated[bool, Parameter(negative=(), help="List artists instead of tracks.")] = False,
    albums: Annotated[bool, Parameter(negative=(), help="List albums instead of tracks.")] = False,
    limit: Annotated[int, Parameter(help="So many rows a page, at most 10,000.")] = 20,
    after: Annotated[str | None, Parameter(help="The page that follows: the cursor that the page before told.")] = None,
    exact: Annotated[bool, Parameter(negative=(), help="The last word is whole, and no typos are mended.")] = False,
    time_limit: Annotated[float, Parameter(help="Seconds after which what was found is told.")] = 2.0,
    jsonl: Annotated[bool, Parameter(name="--jsonl", negative=(), help="The rows as JSON lines.")] = False,
    edition: EditionOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """Find tracks by words of their titles, artists and albums, the most popular first."""
    from fonoteca.workflows.search import SearchOptions, search_catalogue

    _check_words(words)
    if (artists and albums) or (json and jsonl):
        raise UsageError("--artists and --albums, --json and --jsonl exclude each other", "Give one of them.")
    kind: Literal["track", "artist", "album"] = "artist" if artists else "album" if albums else "track"
    asked = SearchOptions(
        text=_without_surrogates(" ".join(words)), track_filter=options.track_filter(), kind=kind, limit=limit, after=after, is_exact=exact,
        time_limit_s=time_limit,
    )  # fmt: skip
    with opened_catalogue(archive, edition) as catalogue:
        result = search_catalogue(catalogue, asked)
    if jsonl:
        for row in result.found:
            print(msgspec.json.encode(row).decode())
    else:
        emit(result, _table(kind, result), json)
    if not json:
        _tell(result)
    return 0


def _check_words(words: tuple[str, ...]) -> None:
    """A minus takes a word away, so that mistyped options come as words; two of them are one."""
    for word in words:
        if re.match("--[a-z]", word):
            raise UsageError(f"search does not take {word!r}", "fonoteca search -h tells its options; quote the query to search for it.")


def _without_surrogates(text: str) -> str:
    """Bytes of the command line that are no UTF-8 come as lone surrogates, which no name holds."""
    return text.encode("utf-8", "replace").decode()


def _table(kind: str, result: SearchResult) -> str:
    heading = _HEADINGS[kind]
    rows = [[_cell(getattr(row, "popularity" if name == "score" else name)) for name in heading] for row in result.found]
    numbers = frozenset(place for place, name in enumerate(heading) if name in ("score", "tracks"))
    return name_table(heading, rows, numbers) if rows else ""


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _tell(result: SearchResult) -> None:
    """What a person should know of the page, on stderr."""
    notes = []
    if result.shown_for is not None:
        notes.append(f"nothing was found as typed; these are the results for: {result.shown_for}")
    if not result.found:
        notes.append("nothing was found" if result.is_complete else "nothing was found in this time")
    if not result.is_complete:
        notes.append("the time was up before all was looked at; --time-limit gives more")
    if result.is_cut:
        notes.append("the query is very long: only its beginning was read")
    if result.next is not None:
        notes.append(f"there is more: --after {result.next}")
    for note in notes:
        print(f"fonoteca: {on_one_line(note)}", file=sys.stderr)
