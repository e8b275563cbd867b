"""`fonoteca pool plan`: layouts that hold an archive, side by side; or one layout, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from fonoteca.cli.commands import JsonOption
from fonoteca.cli.output import emit, storable
from fonoteca.cli.pool_app import pool_app
from fonoteca.cli.pool_plan_options import PriceOptions, RiskOptions, parse_growth, parse_size
from fonoteca.ground.errors import UsageError

if TYPE_CHECKING:
    from fonoteca.pools.histogram import SizeHistogram
    from fonoteca.pools.judging import Judgement, Wanted
    from fonoteca.pools.layout import Layout
    from fonoteca.workflows.pool.plan import PoolPlanning

NO_RISK_OPTIONS, NO_PRICES = RiskOptions(), PriceOptions()
USUAL_DISKS = "22TB,24TB"
USUAL_LIMIT = 80.0


@pool_app.command(name="plan", sort_key=2)
def pool_plan(
    *,
    holds: Annotated[str | None, Parameter(help='Bytes of files that it must hold: "300TB".')] = None,
    archive: Annotated[Path | None, Parameter(help="Plan for the files of this archive; else for the reference workload's.")] = None,
    layout: Annotated[
        tuple[str, ...], Parameter(help="A layout to judge: 2xraidz3x10, 3xmirrorx2+1spare, draid3:8d:21c:1s.", negative=())
    ] = (),
    disk: Annotated[str, Parameter(help="Sizes of disks to plan with.")] = USUAL_DISKS,
    recordsize: Annotated[str, Parameter(help="Record sizes to compare; the first counts.")] = "1M,128K",
    fill: Annotated[float | None, Parameter(help="Percent of the pool that may be full; else as archive.toml says, else 80.")] = None,
    growth: Annotated[str, Parameter(help="What is added in a year: 5%/year.")] = "0%",
    years: Annotated[float, Parameter(help="How long it must last with that growth.")] = 5.0,
    spares: Annotated[int, Parameter(help="Hot spares of the layouts that are offered.")] = 0,
    ashift: Annotated[int, Parameter(help="Sectors of 2^ashift bytes.")] = 12,
    compression: Annotated[Literal["zstd", "lz4", "off"], Parameter(help="With off, the last record of every file is padded.")] = "zstd",
    special_disk: Annotated[str | None, Parameter(help="Size of the disks of a special vdev.")] = None,
    small_blocks: Annotated[str, Parameter(help="special_small_blocks: files of up to this size are on the special vdev.")] = "0",
    risk: RiskOptions = NO_RISK_OPTIONS,
    prices: PriceOptions = NO_PRICES,
    picture: Annotated[Path | None, Parameter(help="Write the layouts as a picture, .svg or .png.")] = None,
    write: Annotated[Path | None, Parameter(help="Write the plan of the layout for pool create.")] = None,
    name: Annotated[str, Parameter(help="Name of the pool in that plan.")] = "tank",
    pick: Annotated[bool, Parameter(negative=(), help="Put free disks of this machine into that plan.")] = False,
    disks: Annotated[tuple[str, ...], Parameter(help="Put these disks into it, by any of their names.", negative=())] = (),
    json: JsonOption = False,
) -> int:
    """Tell which layouts of disks hold an archive: bytes, hours, risk, cost, which to take and why. Or judge one, to the byte."""
    from fonoteca.pools.choice import Choice, select_shown
    from fonoteca.pools.layout import parse_layout
    from fonoteca.workflows.pool.plan import plan_pool, write_planning_picture, write_pool_plan

    if (pick or disks) and write is None:
        raise UsageError("disks are put into a plan, and none is written", "Name its file too: --write plan.toml.")
    files, limit = _files(archive, holds, fill)
    wanted = _wanted(recordsize, limit, growth, years, ashift, compression != "off", special_disk, small_blocks, risk, prices)
    sizes = list(dict.fromkeys(parse_size(size, "disks of") for size in disk.split(",") if size.strip()))
    asked = _asked([parse_layout(text) for text in layout], sizes, disk)
    if not 0 <= spares <= 20:
        raise UsageError(f"{spares} spares", "One or two are usual.")
    planning = plan_pool(files, asked, sizes, wanted, spares=spares)
    planning = msgspec.structs.replace(planning, notes=_notes(disk))
    shown = select_shown(Choice(planning.offered, planning.taken, ""), [(one.layout, one.disk_bytes) for one in planning.asked])
    if picture is not None:
        write_planning_picture(planning, shown or list(planning.asked), picture)
    if write is not None:
        if compression == "off":
            raise UsageError("a plan with compression=off pads the last record of every file", "Write it with zstd or lz4.")
        notes = write_pool_plan(_chosen(planning), wanted, write, name=name, compression=compression, disks=disks, picks=pick)
        planning = msgspec.structs.replace(planning, notes=(*planning.notes, *notes))
    emit(planning, storable(_said(planning, shown, picture, write)), json)
    return 0


def _files(archive: Path | None, holds: str | None, fill: float | None) -> tuple[SizeHistogram | None, float]:
    """Whose files are planned for, if any, and the percent that may be full."""
    from fonoteca.pools.histogram import workload_histogram

    files, limit = None, fill
    if archive is not None:
        from fonoteca.cli.commands import opened_archive
        from fonoteca.workflows.pool.plan import files_of

        with opened_archive(archive, "pool plan", read_only=True) as opened:
            files = files_of(opened)
            limit = fill if fill is not None else opened.settings.pool.fill_limit
    if holds is not None:
        size = parse_size(holds, "files of")
        files = files.grown_to(size) if files is not None else workload_histogram(size)
    limit = USUAL_LIMIT if limit is None else limit
    if not 1 <= limit <= 100:
        raise UsageError(f"a fill limit of {limit:g} %", "80 is usual; above 90 ZFS becomes slow.")
    return files, limit


def _wanted(
    recordsize: str, limit: float, growth: str, years: float, ashift: int, is_compressed: bool, special_disk: str | None,
    small_blocks: str, risk: RiskOptions, prices: PriceOptions,
) -> Wanted:  # fmt: skip
    from fonoteca.pools.capacity import check_ashift
    from fonoteca.pools.filling import parse_record
    from fonoteca.pools.histogram import workload_histogram
    from fonoteca.pools.judging import Wanted

    check_ashift(ashift)
    if not 0 <= years <= 50:
        raise UsageError(f"growth over {years:g} years", "0 to 50 are planned for.")
    return Wanted(
        files=workload_histogram(1), records=tuple(parse_record(one) for one in recordsize.split(",")), fill_limit=limit,
        growth=parse_growth(growth), years=years, ashift=ashift, is_compressed=is_compressed,
        special_disk_bytes=parse_size(special_disk, "disks of") if special_disk else 0,
        small_blocks=parse_record(small_blocks) if small_blocks != "0" else 0, loss_bound=risk.loss_bound, rates=risk.rates(),
        assumed=risk.assumed(), prices=prices.prices(),
    )  # fmt: skip


def _asked(layouts: list[Layout], sizes: list[int], disk: str) -> list[tuple[Layout, int]]:
    """Each layout that was named, with each size of disk; without a size the first of the usual ones."""
    if not sizes:
        raise UsageError("no size of disk is given", "Such as --disk 22TB.")
    return [(layout, size) for layout in layouts for size in (sizes[:1] if disk == USUAL_DISKS else sizes)]


def _chosen(planning: PoolPlanning) -> Judgement:
    """The layout to write: the one that was named, else the one to take."""
    if len(planning.asked) > 1:
        raise UsageError("several layouts are named, so it is not known which to write", "Name one with --layout and --disk.")
    if chosen := planning.asked[0] if planning.asked else planning.taken:
        return chosen
    raise UsageError("no layout will do, so there is no plan to write", "Name one all the same with --layout and --disk.")


def _notes(disk: str) -> tuple[str, ...]:
    if "iB" in disk:
        return ("Disks are sold in TB (10^12 bytes); sizes given in TiB (2^40) are 10 % more.",)
    return ()


def _said(planning: PoolPlanning, shown: list[Judgement], picture: Path | None, write: Path | None) -> str:
    from fonoteca.cli.pool_plan_words import describe

    paths = [str(path) for path in (picture, write) if path is not None]
    return "\n\n".join([describe(planning, shown), *paths])
