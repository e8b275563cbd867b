"""`pool plan`: the files of an archive on layouts of disks, as a picture, and as a plan that `pool create` carries out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.ground.errors import PoolPlanError, UsageError
from fonoteca.ground.files import write_atomically
from fonoteca.ground.quantities import format_bytes
from fonoteca.pools.choice import Choice, choose_layout
from fonoteca.pools.dataset_properties import Compression
from fonoteca.pools.disk_choice import DiskChoice
from fonoteca.pools.histogram import GRAIN, SizeHistogram, counted_histogram, workload_histogram
from fonoteca.pools.judging import Judgement, Wanted, judge
from fonoteca.pools.layout import Layout, made_first, parse_layout
from fonoteca.pools.making import store_plan
from fonoteca.pools.plan_file import write_plan
from fonoteca.reports import Axis, Mark, NamedBars, Note, Plot, draw, write_png
from fonoteca.reports.mirror_pictures import stack_pictures
from fonoteca.workflows.pool.disks import pick_disks

if TYPE_CHECKING:
    from fonoteca.workflows.archive import Archive

REFERENCE = 300 * 10**12
_MOST_DRAWN = 16

_SIZES = f"""
    SELECT members.size / {GRAIN}, count(*), sum(members.size) FROM members JOIN containers ON containers.name = members.container
    WHERE containers.state = 'current' AND containers.data_folder IS NOT NULL GROUP BY 1
    UNION ALL SELECT -1, 1, metadata_bytes FROM containers WHERE state = 'current'
"""


class PoolPlanning(msgspec.Struct, frozen=True):
    """What `pool plan` found: whose files were planned for, the layouts that were asked about, and those that hold the files."""

    file_bytes: int
    file_count: int
    file_source: str
    file_bytes_then: int
    fill_limit: float
    asked: tuple[Judgement, ...]
    offered: tuple[Judgement, ...]
    taken: Judgement | None
    why: str
    notes: tuple[str, ...] = ()


def files_of(archive: Archive) -> SizeHistogram:
    """The sizes of an archive's own files, by one pass over its ledger; releases link to the same files. UsageError where it has none."""
    rows = archive.ledger.connection.execute(_SIZES)
    folders = sum(1 for one in archive.ledger.containers(state="current") if one.data_folder)
    found = counted_histogram(((int(grain), int(files), int(size)) for grain, files, size in rows), folders, str(archive.path))
    if not found.sizes:
        raise UsageError(f"{archive.path} has no container yet, so there is nothing to plan for", "Build it, or leave --archive out.")
    return found


def plan_pool(
    files: SizeHistogram | None, asked: Sequence[tuple[Layout, int]], sizes: Sequence[int], wanted: Wanted, *, spares: int = 0
) -> PoolPlanning:
    """Judge what was asked about; with files, offer also what holds them. Without, the layout is filled to the limit.

    `wanted.files` is not looked at.
    """
    if files is None:
        return _judge_alone(asked, wanted)
    wanted = msgspec.structs.replace(wanted, files=files)
    choice = choose_layout(asked, sizes, wanted, spares)
    return _told(tuple(judge(layout, size, wanted) for layout, size in asked), choice, wanted)


def _judge_alone(asked: Sequence[tuple[Layout, int]], wanted: Wanted) -> PoolPlanning:
    """Each layout is filled to its limit with files of the reference workload's sizes; the first tells how many those are."""
    found, files = [], workload_histogram(REFERENCE)
    for layout, size in asked:
        full = judge(layout, size, msgspec.structs.replace(wanted, files=files))
        room = int(REFERENCE * wanted.fill_limit / 100 / full.fill_then * 0.999999)
        fitting = msgspec.structs.replace(wanted, files=files.grown_to(room))
        found.append((judge(layout, size, fitting), fitting))
    if not found:
        raise UsageError("nothing to plan: neither bytes nor a layout are given", "Such as --holds 300TB, or --layout 2xraidz3x10.")
    return _told(tuple(one for one, _ in found), Choice((), None, ""), found[0][1])


def _told(asked: tuple[Judgement, ...], choice: Choice, wanted: Wanted) -> PoolPlanning:
    files = wanted.files
    return PoolPlanning(
        files.bytes, round(files.files), files.source, round(files.bytes * wanted.times), wanted.fill_limit, asked, choice.judged,
        choice.taken, choice.why,
    )  # fmt: skip


def write_pool_plan(
    judgement: Judgement, wanted: Wanted, path: Path, *, name: str, compression: Compression, disks: Sequence[str] = (), picks: bool = False
) -> tuple[str, ...]:
    """Write the plan of one layout for `pool create`; what is to be known about its disks comes back.

    Its places take the disks that are named, or with `picks` any that are free here; else disks are named in the file later.
    """
    layout = parse_layout(judgement.layout)
    if layout.special is not None and not wanted.special_disk_bytes:
        raise PoolPlanError("the size of the special vdev's disks is not known", "Give it with --special-disk 4TB.")
    if any(shape.made_width for shape in layout.vdevs):
        raise PoolPlanError(
            "a RAIDZ is made first and expanded later", f"zpool attach adds a disk to it; plan what is made: {made_first(layout)}."
        )
    plan = store_plan(
        layout, judgement.disk_bytes, name=name, ashift=wanted.ashift, fill_limit=wanted.fill_limit, compression=compression,
        special_disk_bytes=wanted.special_disk_bytes, whole_disks=wanted.whole_disks, record_bytes=wanted.records[0],
        small_blocks=wanted.small_blocks,
    )  # fmt: skip
    chosen = pick_disks(plan, disks) if disks or picks else DiskChoice(plan)
    write_plan(path, chosen.plan)
    return chosen.notes


def write_planning_picture(planning: PoolPlanning, shown: Sequence[Judgement], path: Path) -> None:
    """Write layouts side by side as SVG or PNG, as the ending of `path` says."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"{path} ends neither in .svg nor in .png", "The ending says which picture is written.")
    svg = stack_pictures([_draw_fills(planning, shown[:_MOST_DRAWN]), _draw_risks(planning, shown)])
    write_atomically(path, svg if path.suffix.lower() == ".svg" else write_png(svg), is_ours=False)


def _draw_fills(planning: PoolPlanning, shown: Sequence[Judgement]) -> str:
    named = [(f"{one.layout} · {format_bytes(one.disk_bytes)}", one) for one in shown]
    rows, limit = tuple((name, one.fill_then) for name, one in named), planning.fill_limit / 100
    refused = frozenset(name for name, one in named if not one.is_sound)
    return draw(
        NamedBars(
            name="pool-fill", title=f"How full {format_bytes(planning.file_bytes_then)} make it (limit {planning.fill_limit:g} %)",
            description="Each layout with its kind of disk, and the share of what zfs shows that the files take. "
            "In the second colour: something speaks against it. The line is the limit.",
            rows=rows, unit="share", color=2, other=refused, limit=limit,
        )
    )  # fmt: skip


def _draw_risks(planning: PoolPlanning, shown: Sequence[Judgement]) -> str:
    """Disks to be bought against the chance of loss; what may be taken in one colour, what not in another."""
    parts = (("may be taken", 2, True), ("something speaks against it", 1, False))
    marks = tuple(
        Mark(kind="points", name=name, color=color, points=points) for name, color, is_sound in parts
        if (points := tuple((float(one.disks), max(one.risk.pool_loss, 1e-12)) for one in shown if one.is_sound == is_sound))
    )  # fmt: skip
    taken = planning.taken
    notes = (Note(float(taken.disks), max(taken.risk.pool_loss, 1e-12), taken.layout),) if taken else ()
    return draw(
        Plot(
            name="pool-risk", title="Disks, and the chance that the pool is lost", description="One point a layout; lower is safer.",
            x=Axis(title="disks", unit="count", low=0), y=Axis(title="chance of loss", unit="plain", is_log=True),
            marks=marks, notes=notes,
        )
    )  # fmt: skip
