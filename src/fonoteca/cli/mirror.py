"""`fonoteca mirror add`, `run`, `fetch`, `status` and `drop`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fonoteca.cli import mirror_words
from fonoteca.cli.commands import DryRunOption, JsonOption
from fonoteca.cli.mirror_app import MirrorOption, mirror_app, opened_mirror
from fonoteca.cli.output import emit
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import NotAMirrorError, UsageError
from fonoteca.ground.mirror_settings import find_mirror


@mirror_app.command(sort_key=1)
def add(
    source: Annotated[str, Parameter(help="A release folder, a URL of one, or its torrents.json; other people's, too.")],
    /,
    *,
    mirror: MirrorOption = None,
    key: Annotated[Path | None, Parameter(help="The publisher's public key (minisign.pub or allowed_signers) to hold it to.")] = None,
    budget: Annotated[str, Parameter(help="Most that a new mirror may hold, such as 8TB; else what fits on the disk.")] = "",
    name: Annotated[str | None, Parameter(help="What a new mirror is called; else its folder's name.")] = None,
    in_place: Annotated[
        bool, Parameter(name="--in-place", negative=(), help="Seed the release where it lies; nothing is copied or written there.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Take a source into a mirror: its lists are fetched and proved. Makes the mirror where there is none yet."""
    from fonoteca.integrity import read_public_key
    from fonoteca.workflows.mirror import open_mirror
    from fonoteca.workflows.mirror_origin import locate
    from fonoteca.workflows.mirror_sources import add_source, refuse_inside

    refuse_inside(mirror if mirror is not None else Path.cwd(), *locate(source))  # before a mirror is made for it
    trusted = read_public_key(key.read_text("utf-8", "replace")) if key else None
    folder, is_new = _find_or_make(mirror, name, budget)
    with open_mirror(folder) as opened:
        followed = add_source(opened, source, open_progress(), key=trusted, in_place=in_place)
        emit(followed, mirror_words.added(followed, folder, is_new=is_new), json)
    return 3 if followed.findings else 0


def _find_or_make(mirror: Path | None, name: str | None, budget: str) -> tuple[Path, bool]:
    from fonoteca.ground.mirror_settings import MIRROR_FILE
    from fonoteca.workflows.mirror import make_mirror

    try:
        folder = find_mirror(Path.cwd()) if mirror is None else mirror
    except NotAMirrorError:
        folder = Path.cwd()
    if not (folder / MIRROR_FILE).is_file():
        return make_mirror(folder, name, budget), True
    if name is not None or budget:
        raise UsageError(f"{folder} is a mirror already", f"Change its name and budget in {folder / MIRROR_FILE}.")
    return folder, False


@mirror_app.command(sort_key=3)
def run(
    *,
    mirror: MirrorOption = None,
    once: Annotated[bool, Parameter(name="--once", negative=(), help="End when nothing more can be fetched.")] = False,
    wait: Annotated[float, Parameter(help="With --once: end after so many seconds without a new byte.")] = 30.0,
    json: JsonOption = False,
) -> int:
    """Fetch what was chosen, prove and seed it; follow new releases. Goes on after any stop."""
    from fonoteca.workflows.mirror_start import run_mirror

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: files are closed, the client says what it has
    with opened_mirror(mirror) as opened:
        report = run_mirror(opened, open_progress(), once=once, patience_s=wait)
        emit(report, mirror_words.ran(report), json)
    return 3 if report.has_damage else 0


@mirror_app.command(sort_key=4)
def fetch(
    names: Annotated[tuple[str, ...], Parameter(help="Titles, public ids or ISRCs of albums and tracks, or AACIDs of files.")],
    /,
    *,
    mirror: MirrorOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Fetch single albums or tracks out of containers; the catalogue that the mirror holds says where they are."""
    from fonoteca.workflows.mirror_fetch import fetch_files

    with opened_mirror(mirror, read_only=dry_run) as opened:
        report = fetch_files(opened, names, dry_run=dry_run)
        emit(report, mirror_words.fetched(report, dry_run=dry_run), json)
    return 0


@mirror_app.command(sort_key=5)
def status(*, mirror: MirrorOption = None, json: JsonOption = False) -> int:
    """What is held, what was proved when, and how many others hold it."""
    from fonoteca.workflows.mirror_status import read_status

    with opened_mirror(mirror, read_only=True) as opened:
        report = read_status(opened)
        emit(report, mirror_words.stands(report), json)
    return 3 if report.damaged or report.lost else 0


@mirror_app.command(sort_key=6)
def drop(
    name: Annotated[str, Parameter(help="A container, its infohash, or a source with all of its containers.")],
    /,
    *,
    mirror: MirrorOption = None,
    force: Annotated[bool, Parameter(name="--force", negative=(), help="Even where nobody else is known to have proved it.")] = False,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Let go of a container or a source; refused where this may be the last proved copy."""
    from fonoteca.workflows.mirror_drop import drop as drop_from

    with opened_mirror(mirror, read_only=dry_run) as opened:
        report = drop_from(opened, name, force=force, dry_run=dry_run)
        emit(report, mirror_words.dropped(report, dry_run=dry_run), json)
    return 0
