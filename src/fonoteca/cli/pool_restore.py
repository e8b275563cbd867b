"""`fonoteca pool restore`: a file, a track, an album, a dataset or the whole pool, from a snapshot or a replica."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption, opened_archive
from fonoteca.cli.output import emit, on_one_line, storable
from fonoteca.cli.pool_app import pool_app
from fonoteca.cli.pool_replace import numbered
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import NotAnArchiveError, UsageError
from fonoteca.ground.quantities import format_bytes, format_count
from fonoteca.ground.settings import find_archive

if TYPE_CHECKING:
    from fonoteca.workflows.pool.restore_dataset import RestoredDataset
    from fonoteca.workflows.pool.restore_files import RestoredFiles
    from fonoteca.workflows.pool.restore_pool import RestoredStore, StoreRestorer

_LISTED = 20
_RESULTS = {
    "restored": "restored", "planned": "would be restored", "good": "whole already", "absent": "not in the snapshot",
    "unrecorded": "left out, since nobody recorded what it should be (--into FOLDER brings it beside)",
    "damaged": "damaged in the snapshot too", "in-the-way": "left alone, since another file is in the way",
}  # fmt: skip


@pool_app.command(name="restore", sort_key=10)
def pool_restore(
    origin: Annotated[str, Parameter(help="A snapshot (tank/fonoteca/archive@NAME, @NAME), a dataset, ssh://…, or a replica by its name.")],
    what: Annotated[
        str | None, Parameter(help="A path in the archive, a track, an album or a container; without it the whole dataset.")
    ] = None,
    /,
    *,
    into: Annotated[str | None, Parameter(help="A folder for files, or a new dataset; else files go where they belong.")] = None,
    plan: Annotated[Path | None, Parameter(help="The plan of a new pool: the whole store is brought back to it from a replica.")] = None,
    yes: Annotated[bool, Parameter(negative=(), help="With --plan: do it; what is on the disks of the plan is lost.")] = False,
    allow: Annotated[tuple[str, ...], Parameter(negative=(), help="With --plan: as of pool create.")] = (),
    key: Annotated[Path | None, Parameter(help="The SSH key to use.")] = None,
    first: Annotated[bool, Parameter(negative=(), help="Believe and remember the host key of a host that is not known yet.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Bring back what is lost or damaged. Nothing that is good is overwritten; what comes back is proved before it takes its place."""
    from fonoteca.pools import Zfs
    from fonoteca.pools.transport import SshOptions
    from fonoteca.workflows.pool.restore import read_origin, restore_dataset, restore_into_archive, restorer_of

    zfs = Zfs()
    if what is not None:
        named = archive if archive is not None else find_archive(Path.cwd())
        folder = Path(into) if into is not None else None
        with opened_archive(named, "pool restore", read_only=dry_run or folder is not None) as opened:
            files = restore_into_archive(zfs, read_origin(zfs, origin, opened.path), what, folder, opened, open_progress(), dry_run=dry_run)
        emit(files, storable(_files(files)), json)
        return 0 if files.is_whole else 3
    found, options = read_origin(zfs, origin, _archive_here(archive)), SshOptions(str(key or ""), first)
    if plan is not None:
        restorer = restorer_of(zfs, found, plan, allow, options, open_progress())
        return _restore_store(restorer, yes=yes, dry_run=dry_run, json=json)
    restored = restore_dataset(zfs, found, into, options, open_progress(), dry_run=dry_run)
    emit(restored, storable(_dataset(restored)), json)
    return 0


def _restore_store(restorer: StoreRestorer, *, yes: bool, dry_run: bool, json: bool) -> int:
    prepared = restorer.prepare()
    if dry_run or not yes:
        emit(prepared, storable(_store(prepared)), json)
        if dry_run:
            return 0
        raise UsageError("nothing was done: making the pool changes disks", "Read the commands above; with --yes they are run.")
    restored = restorer.carry_out(prepared)
    emit(restored, storable(_store(restored)), json)
    return 3 if restored.proved == "not-the-same" else 0


def _store(restored: RestoredStore) -> str:
    if not restored.is_done:
        commands = [f"  {step.line}" + (f"   # destroys {step.destroys}" if step.destroys else "") for step in restored.commands]
        size = f", {format_bytes(restored.bytes)}" if restored.bytes is not None else ""
        first = f"would bring {format_count(len(restored.datasets), 'dataset')} of {restored.origin} to {restored.dataset}{size}"
        return "\n".join(map(on_one_line, [first, *commands]))
    told = {
        "same": "the same snapshots by their guid, the same SHA256SUMS, and every listed file read",
        "no-release": "the same snapshots by their guid; no snapshot holds a release, so no file could be proved",
        "not-the-same": f"NOT the same: {restored.mismatch}",
        "earlier": "",
        None: "",
    }[restored.proved]
    lines = [f"{restored.origin} is back as {restored.dataset}: {told}"]
    if restored.restored_at is not None:
        day = time.strftime("%Y-%m-%d", time.localtime(restored.restored_at))
        lines = [f"{restored.dataset} was restored on {day}; nothing was received or read now"]
    return "\n".join([*map(on_one_line, lines), *numbered(restored.next_steps)])


def _archive_here(archive: Path | None) -> Path | None:
    """An archive is of use for names of replicas, and may be just what is lost."""
    try:
        return archive if archive is not None else find_archive(Path.cwd())
    except NotAnArchiveError:
        return None


def _files(restored: RestoredFiles) -> str:
    counts = Counter(file.result for file in restored.files)
    told = [f"{format_count(count, 'file')} {_RESULTS[result]}" for result, count in counts.items()]
    size = sum(file.bytes for file in restored.files if file.result in ("restored", "planned"))
    wrong = [f"  {on_one_line(file.name)}: {_RESULTS[file.result]}" for file in restored.files
             if file.result not in ("restored", "planned", "good")]  # fmt: skip
    more = [f"  … and {len(wrong) - _LISTED} more"] if len(wrong) > _LISTED else []
    first = f"from {on_one_line(restored.snapshot)} into {on_one_line(restored.into)}: {', '.join(told)} ({format_bytes(size)})"
    return "\n".join([first, *wrong[:_LISTED], *more])


def _dataset(restored: RestoredDataset) -> str:
    verb = "is back" if restored.is_done else "would come back"
    commands = [f"  {on_one_line(shlex.join(command))}" for command in restored.commands]
    lines = [on_one_line(f"{restored.snapshot} {verb} as {restored.dataset}"), *commands, "", "To put it in the place of the live one:"]
    return "\n".join([*lines, *numbered(restored.next_steps)])
