"""What `pool plan` says: one layout to the byte, layouts side by side, and which to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fonoteca.cli.output import table
from fonoteca.ground.quantities import format_bytes, format_count

if TYPE_CHECKING:
    from fonoteca.pools.judging import Judgement, RecordUse
    from fonoteca.workflows.pool.plan import PoolPlanning


_CAVEAT = "Chances are of the model in docs/pool-model.md; fire, theft and mistakes are not in it: a second copy elsewhere is for those."


def both_units(size: float) -> str:
    """Decimal and binary, told apart: 292.89 TB = 266.39 TiB."""
    if size < 10**12:
        return f"{size / 1e9:,.2f} GB = {size / 2**30:,.2f} GiB"
    return f"{size / 1e12:,.2f} TB = {size / 2**40:,.2f} TiB"


def describe(planning: PoolPlanning, shown: Sequence[Judgement]) -> str:
    """All of it."""
    parts = [_files(planning)]
    parts += [_judgement(one) for one in planning.asked]
    if planning.offered:
        parts += [_side_by_side(shown, planning), _verdict(planning, shown)]
    return "\n\n".join([*parts, *planning.notes])


def _files(planning: PoolPlanning) -> str:
    told = f"{both_units(planning.file_bytes)} in {planning.file_count:,} files ({planning.file_source})"
    if planning.file_bytes_then > planning.file_bytes:
        told += f", growing to {both_units(planning.file_bytes_then)}"
    return f"{told}; at most {planning.fill_limit:g} % of the pool may be full."


def _judgement(one: Judgement) -> str:
    lines = [f"{one.layout} of {format_bytes(one.disk_bytes)} disks: {one.disks} disks, {both_units(one.raw_bytes)} bought"]
    lines += [
        f"  zpool list will show  {one.pool_bytes:>23,} bytes   {both_units(one.pool_bytes)}",
        f"  zfs list will show    {one.shown_bytes:>23,} bytes   {both_units(one.shown_bytes)}",
        f"  held back by ZFS      {one.held_back_bytes:>23,} bytes   {both_units(one.held_back_bytes)}",
    ]
    lines += [_indented(table(_record_rows(one), frozenset({1, 2, 3, 4}))), *_room(one), *_safety(one)]
    lines += [f"  against it: {reason}" for reason in one.against] or ["  nothing speaks against it"]
    return "\n".join(lines)


def _record_rows(one: Judgement) -> list[tuple[str, ...]]:
    from fonoteca.pools.filling import format_record

    rows: list[tuple[str, ...]] = [("recordsize", "full records", "files alone", "with metadata", "not compressed")]
    rows += [(format_record(use.record_bytes), f"{use.holds_bytes / 1e12:,.2f} TB", f"{use.plain_fill:.1%}", f"{use.fill:.1%}",
              f"{use.padded_fill:.1%}") for use in one.records]  # fmt: skip
    return rows


def _room(one: Judgement) -> list[str]:
    lines = [f"  {_fits(one, use)}" for use in one.records]
    if one.years_left is not None:
        lines.append(f"  the limit is reached in {one.years_left:.1f} years")
    verb = "the special vdev takes" if "special:" in one.layout else "a special mirror for metadata would take"
    lines.append(f"  {verb} {both_units(one.records[0].special_bytes)} on each of its disks, a quarter more to be kept free")
    return lines


def _fits(one: Judgement, use: RecordUse) -> str:
    from fonoteca.pools.filling import format_record

    files, record, holds = format_bytes(one.file_bytes), format_record(use.record_bytes), f"{use.holds_bytes / 1e12:,.0f} TB"
    if use.plain_fill > 1:
        return f"at {record} {files} does not fit: about {holds} do"
    return f"at {record} {files} fills it to {use.plain_fill:.0%} of the {holds} that fit"


def _safety(one: Judgement) -> list[str]:
    from fonoteca.pools.judging import one_in

    risk = one.risk
    more = f"one more at random: {risk.survives_one_more:.2%} whole, two more: {risk.survives_two_more:.2%}"
    lines = [f"  survives any {format_count(risk.survives, 'disk')}; {more}"]
    if one.resilver_hours:
        lines.append(f"  {one.resilver_hours:.0f} h to resilver a disk, {one.scrub_hours:.0f} h to scrub")
    lines.append(f"  chance to lose the pool {one_in(risk.pool_loss)}, at least one file {one_in(risk.file_loss)}, by dying disks alone")
    if one.money is not None:
        lines.append(f"  {_money(one)}")
    return lines


def _side_by_side(shown: Sequence[Judgement], planning: PoolPlanning) -> str:
    from fonoteca.pools.judging import one_in

    has_money = any(one.money is not None for one in shown)
    rows: list[tuple[str, ...]] = [
        ("layout", "disk", "disks", "zfs shows", "full", "survives", "resilver", "scrub", "loss", *(["cost"] * has_money))
    ]
    for one in shown:
        row = (
            one.layout, format_bytes(one.disk_bytes), str(one.disks), f"{one.shown_bytes / 1e12:,.1f} TB", f"{one.fill_then:.1%}",
            str(one.risk.survives), f"{one.resilver_hours:.0f} h", f"{one.scrub_hours:.0f} h", one_in(one.risk.pool_loss),
        )  # fmt: skip
        rows.append((*row, *([_money(one)] * has_money)))
    return table(rows, frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9}))


def _verdict(planning: PoolPlanning, shown: Sequence[Judgement]) -> str:
    lines = []
    if taken := planning.taken:
        lines.append(f"Take {taken.layout} with disks of {format_bytes(taken.disk_bytes)}: {planning.why}.")
        lines.append(f'  fonoteca pool plan --layout "{taken.layout}" --disk {_typed(taken.disk_bytes)} --write plan.toml')
    else:
        lines.append(f"Take none of them: {planning.why}.")
    others = [one for one in shown if one != planning.taken]
    if others:
        lines += ["", "Why not the others:", *(f"  {one.layout} of {format_bytes(one.disk_bytes)}: {_refusal(one)}" for one in others)]
    return "\n".join([*lines, "", _CAVEAT])


def _refusal(one: Judgement) -> str:
    cost = f", {_money(one)}" if one.money is not None else ""
    return "; ".join(one.against) or f"holds them too, with {one.disks} disks of {format_bytes(one.raw_bytes)} together{cost}"


def _money(one: Judgement) -> str:
    if one.money is None:
        return "-"
    apart = " and ".join(name for name in ("special", "log") if f"{name}:" in one.layout)
    return f"{one.money:,.0f} {one.currency}".rstrip() + (f" without the disks of its {apart} vdev" if apart else "")


def _typed(size: int) -> str:
    return f"{size // 10**12}TB" if size % 10**12 == 0 else f"{size}B"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
