"""Results of the commands of a mirror, in words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from fonoteca.cli.output import on_one_line, storable, table
from fonoteca.ground.quantities import format_bytes, format_count

if TYPE_CHECKING:
    from fonoteca.workflows.mirror_drop import DropReport
    from fonoteca.workflows.mirror_fetch import FetchReport
    from fonoteca.workflows.mirror_run import RunReport
    from fonoteca.workflows.mirror_sources import Followed
    from fonoteca.workflows.mirror_status import ContainerStatus, MirrorStatus

MOST_LISTED = 40


def added(followed: Followed, folder: Path, *, is_new: bool) -> str:
    """What `mirror add` took."""
    release = f"release {followed.serial}, " if followed.serial else ""
    lines = [f"made a mirror at {folder}; its settings: {folder / 'mirror.toml'}"] if is_new else []
    lines.append(
        f"{followed.source}: {release}{format_count(followed.torrents, 'torrent')}, {format_bytes(followed.bytes)}, at {followed.location}"
    )
    lines += [f"  {note}" for note in followed.notes]
    lines += [f"  {finding.code}: {finding.fact}" for finding in followed.findings]
    lines.append(f"What would be held: fonoteca mirror plan --mirror {folder}\nFetch and seed: fonoteca mirror run --mirror {folder}")
    return storable("\n".join(lines))


def ran(report: RunReport) -> str:
    """What `mirror run` ended with."""
    lines = [f"{format_count(report.held, 'torrent')} held and proved, {format_bytes(report.held_bytes)}"]
    if report.waiting:
        lines.append(f"{format_count(len(report.waiting), 'torrent')} not complete, {format_bytes(report.waiting_bytes)} to come:")
        lines += [f"  {on_one_line(name)}" for name in report.waiting[:MOST_LISTED]]
        lines.append("Nobody who could be reached had more; the same command goes on.")
    lines += [f"dropped: {on_one_line(name)}" for name in report.dropped]
    lines += [f"{finding.code}: {on_one_line(finding.path)}: {finding.fact}\n  {finding.way_out}" for finding in report.findings]
    return storable("\n".join(lines))


def fetched(report: FetchReport, *, dry_run: bool) -> str:
    """What `mirror fetch` asked for."""
    new = [file for file in report.files if file.is_new]
    lines = [f"  {on_one_line(file.name)}  {format_bytes(file.bytes)}" for file in new[:MOST_LISTED]]
    would = "would be wanted" if dry_run else "wanted from now on"
    lines.insert(0, f"{format_count(len(new), 'file')} {would}, {format_bytes(report.new_bytes)}")
    if len(new) < len(report.files):
        lines.append(f"{format_count(len(report.files) - len(new), 'file')} wanted or held already")
    if new and not dry_run:
        lines.append("A run that is under way fetches them now; else: fonoteca mirror run")
    return storable("\n".join(lines))


def dropped(report: DropReport, *, dry_run: bool) -> str:
    """What `mirror drop` let go."""
    rows: list[tuple[str, ...]] = [("container", "size", "proved by others")]
    rows += [(on_one_line(one.container), format_bytes(one.bytes), str(one.copies)) for one in report.dropped]
    listed = table(rows, frozenset({1, 2})) if report.dropped else "nothing of it was held"
    if dry_run:
        return storable(f"{listed}\nThis is what would be dropped.")
    end = "dropped" if report.is_done else "to be dropped: the run that is under way does it within seconds"
    return storable(f"{listed}\n{end}" + ("; the source is forgotten" if report.forgets_source and report.is_done else ""))


def stands(status: MirrorStatus) -> str:
    """The whole of `mirror status`."""
    lines = [f"{on_one_line(status.name)}: {'running' if status.is_running else 'not running'}"]
    budget = f" of {format_bytes(status.budget)}" if status.budget is not None else ""
    lines.append(f"{format_count(status.held_files, 'file')} held and proved, {format_bytes(status.held_bytes)}{budget}")
    if status.oldest_proof is not None:
        lines[-1] += f"; the oldest proof is of {_day(status.oldest_proof)}"
    if status.damaged or status.lost:
        lines.append(f"{status.damaged} damaged, {status.lost} lost: fonoteca heal mends what can be mended")
    lines.append(f"its public key: {status.key}")
    for source in status.sources:
        where = " (in place)" if source.is_in_place else ""
        release = f"release {source.serial}, " if source.serial else ""
        lines.append(f"{source.source}: {release}{format_count(source.torrents, 'torrent')}, {format_bytes(source.bytes)}, "
                     f"at {source.location}{where}, asked {_day(source.followed_at)}")  # fmt: skip
    if status.containers:
        rows: list[tuple[str, ...]] = [("container", "state", "held", "of", "proved", "others")]
        rows += [_row(one) for one in status.containers[:MOST_LISTED]]
        lines += ["", table(rows, frozenset({2, 3, 5}))]
        if len(status.containers) > MOST_LISTED:
            lines.append(f"… and {len(status.containers) - MOST_LISTED} more; --json lists all")
    lines += [f"{finding.code}: {on_one_line(finding.path)}: {finding.fact}" for finding in status.findings[:MOST_LISTED]]
    return storable("\n".join(lines))


def _row(one: ContainerStatus) -> tuple[str, ...]:
    state = one.state + (", obsolete" if one.is_obsolete else "") + (f", {one.damaged_files} damaged" if one.damaged_files else "")
    proved = _day(one.proved_at) if one.proved_at is not None else "-"
    return (on_one_line(one.container), state, format_bytes(one.held_bytes), format_bytes(one.bytes), proved, str(one.copies))


def _day(second: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(second))
