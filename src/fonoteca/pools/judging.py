"""One layout judged: what it holds, how full these files make it, hours, risk, money, and what speaks against it."""

from __future__ import annotations

from math import log

import msgspec

from fonoteca.ground.quantities import format_bytes
from fonoteca.pools.capacity import Capacity, reckon
from fonoteca.pools.filling import Filling, fill, special_bytes
from fonoteca.pools.histogram import SizeHistogram
from fonoteca.pools.layout import Layout, format_layout
from fonoteca.pools.prices import Prices
from fonoteca.pools.rebuild import Rates, resilver_hours, scrub_hours
from fonoteca.pools.risk import Risk, RiskAssumptions, assess

WIDEST_RAIDZ = 12
"""Disks of one RAIDZ vdev beyond which every read and every resilver waits for too many."""

DRAID_PAYS = 30
"""Disks from which a dRAID's quick rebuild outweighs its full stripes."""

LOSS_BOUND = 1e-5

_HARDLY = 1e-30


class Wanted(msgspec.Struct, frozen=True):
    """What is asked of a pool: files now, their growth a year (a share), percent that may be full, record sizes (the first counts)."""

    files: SizeHistogram
    records: tuple[int, ...] = (1 << 20, 1 << 17)
    fill_limit: float = 80.0
    growth: float = 0.0
    years: float = 0.0
    ashift: int = 12
    is_compressed: bool = True
    whole_disks: bool = True
    small_blocks: int = 0
    special_disk_bytes: int = 0
    loss_bound: float = LOSS_BOUND
    rates: Rates = Rates()
    assumed: RiskAssumptions = RiskAssumptions()
    prices: Prices = Prices()

    @property
    def times(self) -> float:
        """How many times as much there will be in the end."""
        return float((1 + self.growth) ** self.years)


class RecordUse(msgspec.Struct, frozen=True):
    """With one recordsize: bytes of full records that fit, and what these files take, as a share of what zfs shows.

    `plain_fill` is bytes of files against `holds_bytes`; `fill` has tails and metadata in it; `padded_fill` is that without compression.
    `special_bytes` is what each disk of a special mirror takes, or would take.
    """

    record_bytes: int
    holds_bytes: int
    plain_fill: float
    fill: float
    padded_fill: float
    data_bytes: int
    metadata_bytes: int
    special_bytes: int


class Judgement(msgspec.Struct, frozen=True):
    """All that a plan tells of one layout with one kind of disk. Shares are of 1; `fill_then` is after the growth."""

    layout: str
    kind: str
    disk_bytes: int
    disks: int
    raw_bytes: int
    pool_bytes: int
    shown_bytes: int
    held_back_bytes: int
    file_bytes: int
    records: tuple[RecordUse, ...]
    fill: float
    fill_then: float
    years_left: float | None
    fits: bool
    resilver_hours: float
    scrub_hours: float
    risk: Risk
    money: float | None
    currency: str
    against: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether it holds the files and nothing speaks against it."""
        return self.fits and not self.against


def judge(layout: Layout, disk_bytes: int, wanted: Wanted) -> Judgement:
    """The judgement of one layout; UsageError where ZFS would refuse it."""
    capacity = reckon(layout, disk_bytes, wanted.ashift, wanted.whole_disks, special_disk_bytes=wanted.special_disk_bytes)
    records = tuple(_use(capacity, wanted, record) for record in wanted.records)
    share = records[0].fill
    then = share * wanted.times
    in_use = min(1.0, max(then, share))
    hours = max(resilver_hours(vdev, in_use, wanted.rates) for vdev in capacity.vdevs)
    risk = assess(layout, capacity, in_use, wanted.rates, wanted.assumed)
    apart = layout.special.width if layout.special else 0
    disks, raw = layout.disks + apart, layout.disks * disk_bytes + apart * wanted.special_disk_bytes
    fits = then <= wanted.fill_limit / 100
    return Judgement(
        layout=format_layout(layout), kind=kind_of(layout), disk_bytes=disk_bytes, disks=disks, raw_bytes=raw,
        pool_bytes=capacity.pool_bytes, shown_bytes=capacity.shown_bytes, held_back_bytes=capacity.slop_bytes,
        file_bytes=wanted.files.bytes, records=records, fill=share, fill_then=then, years_left=_years_left(share, wanted), fits=fits,
        resilver_hours=hours, scrub_hours=scrub_hours(capacity, in_use, wanted.rates), risk=risk,
        money=wanted.prices.of(layout, disk_bytes), currency=wanted.prices.currency,
        against=tuple(_against(layout, records[0], then, hours, risk, wanted)),
    )  # fmt: skip


def kind_of(layout: Layout) -> str:
    """raidz3, draid2, mirrorx3 … of the vdevs, or mixed."""
    kinds = {f"{one.kind}{one.parity or ''}" if one.kind != "mirror" else f"mirrorx{one.width}" for one in layout.vdevs}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _use(capacity: Capacity, wanted: Wanted, record: int) -> RecordUse:
    taken = _fill(capacity, wanted, record, wanted.is_compressed)
    padded = _fill(capacity, wanted, record, False)
    holds, shown = capacity.holds(record), max(1, capacity.shown_bytes)
    return RecordUse(
        record, holds, wanted.files.bytes / max(1, holds), taken.shown_bytes / shown, padded.shown_bytes / shown, taken.data_bytes,
        taken.metadata_bytes, special_bytes(wanted.files, record, wanted.ashift, wanted.small_blocks),
    )  # fmt: skip


def _fill(capacity: Capacity, wanted: Wanted, record: int, is_compressed: bool) -> Filling:
    return fill(capacity, wanted.files, record, is_compressed=is_compressed, small_blocks=wanted.small_blocks)


def _years_left(share: float, wanted: Wanted) -> float | None:
    """Years of growth until the limit; None without growth, 0 where it is passed already."""
    if wanted.growth <= 0:
        return None
    return max(0.0, log(wanted.fill_limit / 100 / share) / log(1 + wanted.growth)) if share else None


def _against(layout: Layout, use: RecordUse, then: float, hours: float, risk: Risk, wanted: Wanted) -> list[str]:
    return [*_against_room(use, then, wanted), *_against_special(layout, use, wanted), *_against_risk(risk, hours, wanted),
            *_against_shape(layout)]  # fmt: skip


def _against_special(layout: Layout, use: RecordUse, wanted: Wanted) -> list[str]:
    if layout.special is None:
        return []
    if not wanted.special_disk_bytes:
        return ["the size of the special vdev's disks is not known"]
    full = use.special_bytes * wanted.times / wanted.special_disk_bytes
    return [f"its special vdev would be {full:.0%} full; ZFS puts small files elsewhere from 75 % on"] if full > 0.75 else []


def _against_room(use: RecordUse, then: float, wanted: Wanted) -> list[str]:
    if then <= wanted.fill_limit / 100:
        return []
    grown = f", {then:.0%} after {wanted.years:g} years" if wanted.times > 1 else ""
    if use.fill > 1:
        return [f"too small: {format_bytes(wanted.files.bytes)} would fill it to {use.fill:.0%}{grown}"]
    return [f"too full: {format_bytes(wanted.files.bytes)} fill it to {use.fill:.1%}{grown}, and {wanted.fill_limit:g} % is the limit"]


def _against_risk(risk: Risk, hours: float, wanted: Wanted) -> list[str]:
    found = []
    if risk.survives == 0:
        found.append("the first disk that dies takes the pool with it")
    elif risk.survives == 1:
        found.append(f"while one disk is replaced ({hours:.0f} h and more) nothing may go wrong with another")
    if risk.pool_loss > wanted.loss_bound:
        years = f"{wanted.assumed.years:g} years"
        found.append(f"lost within {years} with a chance of {one_in(risk.pool_loss)}; {one_in(wanted.loss_bound)} is the bound")
    return found


def _against_shape(layout: Layout) -> list[str]:
    found = []
    widest = max((one.width for one in layout.vdevs if one.kind == "raidz"), default=0)
    if widest > WIDEST_RAIDZ:
        found.append(f"{widest} disks in one RAIDZ vdev: more than {WIDEST_RAIDZ} make reads and resilvers wait for each other")
    draid = [one for one in layout.vdevs if one.kind == "draid"]
    if draid and sum(one.width for one in draid) < DRAID_PAYS:
        found.append(f"dRAID pays from about {DRAID_PAYS} disks: below, its full stripes cost more than its quick rebuild brings")
    if draid and any(not one.spares for one in draid):
        found.append("a dRAID without distributed spares rebuilds no faster than RAIDZ")
    if len({(one.kind, one.survives, one.group_width) for one in layout.vdevs}) > 1:
        found.append("its vdevs are not alike: the weakest tells how safe the pool is")
    return found


def one_in(chance: float) -> str:
    """A small chance for people: 1 in 12,000,000; 3 % where it is not small."""
    if chance <= 0:
        return "0"
    if chance > 0.02:
        return f"{chance:.0%}"
    if chance < _HARDLY:
        return f"less than 1 in {1 / _HARDLY:.0e}"
    number = 1 / chance
    digits = 10 ** max(0, len(str(int(number))) - 2)
    return f"1 in {round(number / digits) * digits:,}"
