"""`fonoteca shuffle`: every track once, in an order without bias, as lines, JSON or playlists."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, JsonOption, app, opened_archive
from fonoteca.cli.filter_options import FilterOptions
from fonoteca.cli.output import on_one_line, storable
from fonoteca.ground.errors import StoppedError, UsageError
from fonoteca.ground.quantities import format_count

if TYPE_CHECKING:
    from fonoteca.catalogue.playlist_files import PlaylistEntry
    from fonoteca.catalogue.shuffle import Shuffle, ShuffledTrack
    from fonoteca.workflows.read_catalogue import ReadCatalogue

EditionOption = Annotated[Path | None, Parameter(name="--edition", help="A published catalogue to read instead of an archive.")]
_NO_FILTER = FilterOptions()


@app.command(sort_key=18)
def shuffle(
    *,
    options: FilterOptions = _NO_FILTER,
    seed: Annotated[str | None, Parameter(help="Any text: the same seed gives the same order. Without it one is drawn and told.")] = None,
    weighted: Annotated[bool, Parameter(negative=(), help="What is popular comes sooner: drawn by popularity + 1.")] = False,
    resume: Annotated[str | None, Parameter(help="Go on behind the last track of an earlier shuffle: the cursor it told.")] = None,
    limit: Annotated[int | None, Parameter(help="So many tracks at most; else all.")] = None,
    m3u: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, help="Write a playlist (extended M3U, UTF-8) to this file, or to stdout: -")
    ] = None,
    xspf: Annotated[str | None, Parameter(allow_leading_hyphen=True, help="Write a playlist (XSPF) to this file, or to stdout: -")] = None,
    base: Annotated[str | None, Parameter(help="The URL of the release folder, for playlists that others shall play.")] = None,
    edition: EditionOption = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """Every track exactly once, each order as likely as any other; the first one comes at once."""
    from fonoteca.workflows.shuffle import ShuffleOptions, open_shuffle

    _check(limit, m3u, xspf, json)
    asked = ShuffleOptions(track_filter=options.track_filter(), seed=seed, is_weighted=weighted, cursor=resume)
    with opened_catalogue(archive, edition) as catalogue:
        started, told_seed = open_shuffle(catalogue, asked)
        if told_seed is not None and seed is None:
            print(f"fonoteca: --seed {told_seed}", file=sys.stderr)
        with _stop_at_ctrl_c() as stop:
            tracks = stop.heed(islice(started, limit))
            if m3u is not None or xspf is not None:
                _write_playlists(catalogue, started, tracks, m3u, xspf, base)
            elif json:
                _print_json(started, tracks, told_seed)
            else:
                for track in tracks:
                    print(_line(track))
            sys.stdout.flush()
    if stop.passed == 0 and started.is_finished and resume is None and not started.track_filter.is_empty:
        print("fonoteca: no track passes", file=sys.stderr)
    command = _command((("--edition", edition), ("--archive", archive), ("--m3u", m3u), ("--xspf", xspf), ("--base", base)), json)
    _tell_cursor(started, command, stop.is_asked)
    return 0


def _check(limit: int | None, m3u: str | None, xspf: str | None, json: bool) -> None:
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} gives nothing", "Give 1 or more, or leave it out for all.")
    if m3u is not None and xspf is not None:
        raise UsageError("--m3u and --xspf are two playlists", "Write one, then the other with the same --seed.")
    if json and (m3u is not None or xspf is not None):
        raise UsageError("--json and a playlist are two results", "Give one of them.")


@contextmanager
def opened_catalogue(archive: Path | None, edition: Path | None) -> Iterator[ReadCatalogue]:
    """The catalogue that a command reads: an edition by itself, else that of the archive."""
    from fonoteca.workflows.read_catalogue import catalogue_of_archive, open_edition_to_read

    if edition is not None and archive is not None:
        raise UsageError("--edition and --archive name two catalogues", "Give one of them.")
    with ExitStack() as stack:
        if edition is not None:
            yield stack.enter_context(open_edition_to_read(edition))
        else:
            yield catalogue_of_archive(stack.enter_context(opened_archive(archive, "read", read_only=True)))


class _Stop:
    """Whether Ctrl-C was pressed, and how many tracks came before."""

    is_asked = False
    passed = 0

    def heed(self, tracks: Iterable[ShuffledTrack]) -> Iterator[ShuffledTrack]:
        """The tracks until then."""
        for number, track in enumerate(tracks):
            self.passed = number + 1
            yield track
            if number == 0:
                sys.stdout.flush()  # the first one at once, whoever reads
            if self.is_asked:
                return


@contextmanager
def _stop_at_ctrl_c() -> Iterator[_Stop]:
    """The first Ctrl-C ends the list behind a whole track, so that files are well formed; the second one ends the program."""
    stop = _Stop()

    def ask(number: int, frame: Any) -> None:
        stop.is_asked = True
        signal.signal(signal.SIGINT, former)

    former = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, former)


def _command(options: Iterable[tuple[str, Path | str | None]], json: bool) -> str:
    """The command that goes on, for a shell, without its cursor. A list that was written is not written over: the next has a new name."""
    words = ["fonoteca", "shuffle"]
    for name, value in options:
        if value is not None:
            text = str(_new_name(Path(value)) if name in ("--m3u", "--xspf") and value != "-" else value)
            words += [f"{name}={text}"] if text.startswith("-") else [name, text]
    return shlex.join([storable(word) for word in words] + ["--json"] * json)


def _new_name(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(name for name in names if not name.exists())


def _tell_cursor(started: Shuffle, command: str, is_stopped: bool) -> None:
    if started.is_finished:
        return
    command = f"{command} --resume {started.cursor()}"
    if is_stopped:
        raise StoppedError("stopped", f"This goes on: {command}")
    print(f"fonoteca: this goes on: {command}", file=sys.stderr)


def _line(track: ShuffledTrack) -> str:
    names = f"{track.artists or '(no artist)'} – {track.title or '(no title)'}"
    return on_one_line(f"{track.id}  {names}" + (f"  [{track.album}]" if track.album else ""))


def _print_json(started: Shuffle, tracks: Iterable[ShuffledTrack], seed: str | None) -> None:
    """One object; its tracks are written as they come."""
    sys.stdout.write(f'{{\n  "seed": {msgspec.json.encode(None if seed is None else storable(seed)).decode()},\n  "tracks": [')
    separator = "\n"
    for track in tracks:
        told = {name: value for name, value in msgspec.to_builtins(track).items() if name != "row"}
        sys.stdout.write(f"{separator}    {msgspec.json.encode(told).decode()}")
        separator = ",\n"
    cursor = msgspec.json.encode(None if started.is_finished else started.cursor()).decode()
    sys.stdout.write(("]" if separator == "\n" else "\n  ]") + f',\n  "cursor": {cursor}\n}}\n')


def _write_playlists(
    catalogue: ReadCatalogue, started: Shuffle, tracks: Iterator[ShuffledTrack], m3u: str | None, xspf: str | None, base: str | None
) -> None:
    from fonoteca.workflows.shuffle import places_below, playlist_entries

    places, left_out = catalogue.places if base is None else places_below(base), count(0)
    leave_out = partial(next, left_out) if started.track_filter.is_held else None
    entries: Iterator[PlaylistEntry] = playlist_entries(catalogue, tracks, places, leave_out)
    _write_list(entries, m3u, xspf)
    if number := next(left_out):
        print(f"fonoteca: {format_count(number, 'held track')} left out: the files are not here; --base gives URLs", file=sys.stderr)


def _write_list(entries: Iterator[PlaylistEntry], m3u: str | None, xspf: str | None) -> None:
    from fonoteca.catalogue.playlist_files import write_m3u, write_xspf

    parts = write_m3u(entries) if m3u is not None else write_xspf(entries, "Fonoteca shuffle")
    target = m3u if m3u is not None else xspf
    if target is None or target == "-":
        for part in parts:
            sys.stdout.write(part)
        return
    from fonoteca.ground.files import open_atomically

    with open_atomically(Path(target), is_ours=False) as file:
        for part in parts:
            file.write(part.encode())
    print(target)
