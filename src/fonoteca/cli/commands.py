"""The commands; each opens the archive, calls one workflow and shows what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

import fonoteca
from fonoteca.cli import show
from fonoteca.cli.budget import NO_BUDGET, BudgetOptions, plan_for_budget
from fonoteca.cli.output import emit, emit_listed, storable
from fonoteca.cli.progress_bar import open_progress
from fonoteca.cli.proving import (
    DaysOption,
    ForeverOption,
    HoursOption,
    RateOption,
    ReportOption,
    ScheduleOption,
    is_mirror,
    refuse_without_schedule,
    verify_on_schedule,
)
from fonoteca.ground.errors import UsageError
from fonoteca.ground.settings import find_archive

if TYPE_CHECKING:
    from fonoteca.workflows.archive import Archive

INTRODUCTION = """\
Fonoteca keeps all the music one may lawfully keep: it catalogues, stores, packs, publishes and verifies it.

Start with a folder of music:

  fonoteca init my-archive
  cd my-archive
  fonoteca add ~/Music --rights https://creativecommons.org/licenses/by-sa/4.0/
  fonoteca plan          what will be done, and what other settings would cost
  fonoteca build         tags, encodes and packs; can be stopped and run again
  fonoteca publish       a folder that anyone can mirror and check
  fonoteca verify        proves every byte

fonoteca -h lists all commands, fonoteca COMMAND -h tells how to use one.\
"""

app = App(
    name="fonoteca", help="Keep, pack, publish and verify all the music one may lawfully keep.", version=fonoteca.__version__,
    version_flags=["--version"], help_flags=["--help", "-h"], help_format="plaintext",
    suppress_keyboard_interrupt=False,  # run() says what comes next
    default_parameter=Parameter(show_default=lambda value: value or None),
)  # fmt: skip

ArchiveOption = Annotated[Path | None, Parameter(name="--archive", help="The archive; else the nearest one from here upwards.")]
JsonOption = Annotated[bool, Parameter(name="--json", negative=(), help="The result as JSON on stdout.")]
DryRunOption = Annotated[bool, Parameter(name="--dry-run", negative=(), help="Say what would be done, and stop.")]


@contextmanager
def opened_archive(archive: Path | None, purpose: str, *, read_only: bool = False) -> Iterator[Archive]:
    """The archive that a command works in: the one named, else the nearest from here upwards."""
    from fonoteca.workflows.archive import open_archive

    with open_archive(archive if archive is not None else find_archive(Path.cwd()), purpose, read_only=read_only) as opened:
        yield opened


@app.default
def introduce() -> int:
    """Say what this is and what to type first."""
    print(INTRODUCTION)
    return 0


@app.command(sort_key=1)
def init(
    directory: Annotated[Path, Parameter(help="A folder that is new or empty.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What the archive is called; else the folder's name.")] = None,
    release: Annotated[Path | None, Parameter(name="--from", help="A release folder to make the archive from, where it was lost.")] = None,
    key: Annotated[Path | None, Parameter(help="The public key to hold that release to (minisign.pub or allowed_signers).")] = None,
    signing_key: Annotated[Path | None, Parameter(help="The saved secret key of the archive that was lost.")] = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Make an archive: archive.toml with comments, an empty catalogue, a signing key; or all of one again from a release."""
    from fonoteca.workflows.archive import init_archive

    if release is not None:
        return _restore(release, directory, name, key, signing_key, json, dry_run)
    if key is not None or signing_key is not None:
        raise UsageError("--key and --signing-key belong to --from", "Name the release folder with --from.")
    path = init_archive(directory, name, dry_run=dry_run)
    words = f"would make an archive at {path}" if dry_run else (
        f"made {path}\nIts settings: {path / 'archive.toml'}. Keep a copy of its key in a safe: {path / 'signing' / 'release.key'}.\n"
        f"Add music: fonoteca add FOLDER --archive {path}"
    )  # fmt: skip
    emit({"path": storable(str(path)), "is_done": not dry_run}, storable(words), json)
    return 0


def _restore(
    release: Path, directory: Path, name: str | None, key: Path | None, signing_key: Path | None, json: bool, dry_run: bool
) -> int:
    from fonoteca.integrity import read_public_key
    from fonoteca.workflows.restore_archive import restore_archive

    if name is not None or dry_run:
        raise UsageError("--from takes no --name and no --dry-run", "Its release tells the name; nothing in the release is changed.")
    trusted = read_public_key(key.read_text("utf-8", "replace")) if key else None
    report = restore_archive(release, directory, open_progress(), trusted=trusted, signing_key=signing_key)
    emit_listed(report.verified, "listed", "" if json else show.restored(report), json)
    return 3 if report.verified.has_damage else 0


@app.command(sort_key=2)
def add(
    sources: Annotated[tuple[Path, ...], Parameter(help="Folders and files. They are read and never changed.")] = (),
    /,
    *,
    archive: ArchiveOption = None,
    plays: Annotated[Path | None, Parameter(help="A CSV with path, id, isrc or mbid, and plays or popularity.")] = None,
    metadata: Annotated[Path | None, Parameter(help="JSON lines (.jsonl or .jsonl.zst); docs/formats/metadata.md.")] = None,
    rights: Annotated[str | None, Parameter(help="A licence (URI, SPDX id or name) for what brings no statement of its own.")] = None,
    check: Annotated[
        Literal["full", "structure"], Parameter(help="full decodes every file; structure leaves that for a later add.")
    ] = "full",
    keep_originals: Annotated[
        bool, Parameter(name="--keep-originals", negative=(), help="Copy (or reflink) every source into originals/.")
    ] = False,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Read files once and record what they are; bad ones are set aside and listed (exit status 3)."""
    from fonoteca.workflows.ingest import AddOptions, AddReport, add_files
    from fonoteca.workflows.ingest_tables import add_metadata, add_plays, check_plays
    from fonoteca.workflows.rights_policy import check_option
    from fonoteca.workflows.source_files import count_source_files

    if not sources and plays is None and metadata is None:
        raise UsageError("there is nothing to add", "Name folders or files, or give --plays or --metadata.")
    for table in (plays, metadata):
        if table is not None and not table.is_file():
            raise UsageError(f"{table} is no file", "Check the path.")
    if plays is not None:
        check_plays(plays)
    if rights is not None:
        check_option(rights)
    with opened_archive(archive, "add", read_only=dry_run) as opened:
        progress = open_progress(lambda: count_source_files(sources, opened.path))
        options = AddOptions(rights=rights, decode=check == "full", keep_originals=keep_originals, dry_run=dry_run)
        report = add_files(opened, sources, options, progress) if sources else AddReport()
        if metadata is not None:
            add_metadata(opened, metadata, report, progress, dry_run=dry_run)
        if plays is not None:
            add_plays(opened, plays, report, progress, dry_run=dry_run)
    emit(report, show.added(report), json)
    return 3 if report.has_damage else 0


@app.command(sort_key=3)
def plan(*, options: BudgetOptions = NO_BUDGET, archive: ArchiveOption = None, json: JsonOption = False) -> int:
    """What build will do (files, bytes, hours), and what other tiers would cost; or the best use of a budget. Changes nothing."""
    if (request := options.request()) is not None:
        return plan_for_budget(options, request, opened_archive, archive, json)
    from fonoteca.workflows.plan_costs import make_plan

    with opened_archive(archive, "plan", read_only=True) as opened:
        report = make_plan(opened)
    emit(report, show.planned(report), json)
    return 0


@app.command(sort_key=4)
def build(*, archive: ArchiveOption = None, json: JsonOption = False, dry_run: DryRunOption = False) -> int:
    """Tag, encode and pack what was added. Can be stopped at any moment; the next run goes on."""
    if dry_run:
        return plan(archive=archive, json=json)
    from fonoteca.workflows.build import build as build_archive

    with opened_archive(archive, "build") as opened:
        report = build_archive(opened, open_progress())
    emit(report, show.built(report), json)
    return 3 if report.has_damage else 0


@app.command(sort_key=5)
def publish(*, archive: ArchiveOption = None, json: JsonOption = False, dry_run: DryRunOption = False) -> int:
    """Make the release folder: torrents, torrents.json, feed, catalogue, SHA256SUMS, signatures."""
    from fonoteca.workflows.publish import publish as publish_archive

    with opened_archive(archive, "publish", read_only=dry_run) as opened:
        report = publish_archive(opened, open_progress(), dry_run=dry_run)
    emit(report, show.published(report, dry_run), json)
    return 0


@app.command(sort_key=6)
def verify(
    path: Annotated[Path | None, Parameter(help="A release folder, an edition, a container, or an archive; else the archive here.")] = None,
    /,
    *,
    key: Annotated[Path | None, Parameter(help="The public key to hold a release to (minisign.pub or allowed_signers).")] = None,
    serial: Annotated[int | None, Parameter(help="The highest serial number seen so far; an older release is a finding.")] = None,
    schedule: ScheduleOption = False,
    days: DaysOption = None,
    rate: RateOption = None,
    hours: HoursOption = None,
    report: ReportOption = None,
    forever: ForeverOption = False,
    mirror: Annotated[Path | None, Parameter(name="--mirror", help="The mirror to prove.")] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """Read every byte and prove it; findings and exit status 3 where it cannot."""
    path = next((given for given in (path, mirror, archive) if given is not None), None)
    if schedule:
        return verify_on_schedule(path, days=days, rate=rate, hours=hours, report_file=report, forever=forever, json=json)
    refuse_without_schedule(days=days, rate=rate, hours=hours, report=report, forever=forever)
    if mirror is not None or (path is not None and is_mirror(path)):
        return verify_on_schedule(path, json=json, reads_all=True)
    found = _verify(path, key, serial)
    emit_listed(found, "listed", "" if json else show.verified(found), json)
    return 3 if found.has_damage else 0


def _verify(path: Path | None, key: Path | None, serial: int | None) -> Any:
    from fonoteca.integrity import read_public_key
    from fonoteca.workflows.verify import what_is_at
    from fonoteca.workflows.verify_archive import verify_archive_at
    from fonoteca.workflows.verify_container import verify_container, verify_containers
    from fonoteca.workflows.verify_edition import verify_edition
    from fonoteca.workflows.verify_release import verify_release

    progress = open_progress()
    path = find_archive(Path.cwd()) if path is None else Path(path)
    what = what_is_at(path.resolve())
    if what == "archive":
        return verify_archive_at(path, progress)
    if what == "release":
        trusted = read_public_key(key.read_text()) if key else None
        return verify_release(path, progress, trusted=trusted, last_serial=serial)
    if what == "edition":
        return verify_edition(path, progress)
    if what == "container":
        return verify_container(path.resolve(), progress)
    return verify_containers(path, progress)


@app.command(sort_key=7)
def status(*, archive: ArchiveOption = None, json: JsonOption = False) -> int:
    """Count what there is: tracks, rights, containers, findings."""
    from fonoteca.workflows.lookup import read_status

    with opened_archive(archive, "status", read_only=True) as opened:
        report = read_status(opened)
    emit(report, show.counted(report), json)
    return 0


@app.command(name="show", sort_key=8)
def show_command(
    name: Annotated[str, Parameter(help="A title, artist, id, ISRC, UPC, MBID, AACID, SHA-256, container, or the path it came from.")],
    /,
    *,
    edition: Annotated[Path | None, Parameter(help="A published catalogue to read instead of an archive.")] = None,
    archive: ArchiveOption = None,
    json: JsonOption = False,
) -> int:
    """Everything that is known of one track, album, artist or container."""
    from fonoteca.workflows.show import show_in_archive, show_in_edition

    if edition is not None and archive is not None:
        raise UsageError("--edition and --archive name two catalogues", "Give one of them.")
    if edition is not None:
        report = show_in_edition(edition, name)
    else:
        with opened_archive(archive, "show", read_only=True) as opened:
            report = show_in_archive(opened, name)
    emit(report, show.track(report), json)
    return 0


@app.command(sort_key=9)
def get(
    track: Annotated[str, Parameter(help="A title, id, ISRC, MBID, AACID, SHA-256, or the path it came from.")],
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="A file or folder; else a file here.")] = None,
    original: Annotated[bool, Parameter(negative=(), help="The file as it came, byte for byte.")] = False,
    yes: Annotated[bool, Parameter(negative=(), help="Replace the file where there is one.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Write one track as a file, its cover embedded."""
    from fonoteca.workflows.get import get_track

    with opened_archive(archive, "get", read_only=True) as opened:
        path = get_track(opened, track, output, original=original, may_replace=yes, dry_run=dry_run)
    words = f"would write {path}" if dry_run else str(path)
    emit({"path": storable(str(path)), "is_done": not dry_run}, storable(words), json)
    return 0


@app.command(sort_key=10)
def withdraw(
    track: Annotated[str, Parameter(help="A title, id, ISRC, MBID, AACID, SHA-256, or the path it came from.")],
    /,
    *,
    reason: Annotated[
        str,
        Parameter(
            help='"CODE", "CODE: words" or free words. rights-holder, licence-error, error and other keep the bytes in the dark;'
            " court-order, illegal and privacy delete them. Your words are published, but with illegal and privacy, where releases tell"
            " no more than the code's meaning."
        ),
    ],
    yes: Annotated[bool, Parameter(negative=(), help="Do it, where the reason deletes the bytes.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Withdraw a track for good: a tombstone now, its containers issued again by the next build."""
    from fonoteca.workflows.withdraw import withdraw_track

    with opened_archive(archive, "withdraw", read_only=dry_run) as opened:
        report = withdraw_track(opened, track, reason, dry_run=True)
        if not dry_run and report.fate == "delete" and not report.stood_before and not yes:
            emit(report, show.withdrawn(report), json)
            raise UsageError("this reason deletes the bytes, which cannot be undone", "Run it again with --yes.")
        if not dry_run:
            report = withdraw_track(opened, track, reason)
    emit(report, show.withdrawn(report), json)
    return 0
