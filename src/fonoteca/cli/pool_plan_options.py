"""The options of `pool plan`: what disks do, how likely they die, what they cost."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import parse_bytes

if TYPE_CHECKING:
    from fonoteca.pools.prices import Prices
    from fonoteca.pools.rebuild import Rates
    from fonoteca.pools.risk import RiskAssumptions

LEAST_SIZE = 10**9


@Parameter(name="*")
@dataclass(frozen=True)
class RiskOptions:
    """What the model of risk is told."""

    yearly_failures: Annotated[str, Parameter(help="Share of disks that die in a year.")] = "1.5%"
    replace_hours: Annotated[float, Parameter(help="Hours until a dead disk's successor is in its place, without a spare.")] = 72.0
    neighbours: Annotated[float, Parameter(help="So many times likelier a disk dies while another of its vdev is dead.")] = 2.0
    bit_errors: Annotated[float, Parameter(help="Unreadable bits of bits read, as the disk's data sheet says.")] = 1e-15
    risk_years: Annotated[float, Parameter(help="The time that chances are told for.")] = 10.0
    loss_bound: Annotated[float, Parameter(help="A likelier loss of the pool within that time speaks against a layout.")] = 1e-5
    disk_rate: Annotated[str, Parameter(help="Bytes a second that a disk sustains while it is resilvered or scrubbed.")] = "130MB"
    machine_rate: Annotated[str, Parameter(help="Bytes a second that all disks together get through controller and processor.")] = "4GB"

    def assumed(self) -> RiskAssumptions:
        """What the chain is made of."""
        from fonoteca.pools.risk import RiskAssumptions, check_assumptions

        assumed = RiskAssumptions(
            yearly_failures=parse_share(self.yearly_failures), replace_hours=self.replace_hours, neighbours=self.neighbours,
            bit_errors=self.bit_errors, years=self.risk_years,
        )  # fmt: skip
        if not all(map(math.isfinite, (self.replace_hours, self.neighbours, self.bit_errors, self.risk_years, self.loss_bound))):
            raise UsageError("a number of the model of risk is not finite", "docs/pool-model.md tells what each means.")
        if not 0 <= self.loss_bound <= 1:
            raise UsageError(f"a chance of {self.loss_bound:g} is the bound", "Chances are from 0 to 1: 1e-5 is one in 100,000.")
        check_assumptions(assumed)
        return assumed

    def rates(self) -> Rates:
        """What is sustained, in bytes a second."""
        from fonoteca.pools.rebuild import Rates

        disk, machine = parse_bytes(self.disk_rate), parse_bytes(self.machine_rate)
        if min(disk, machine) < 1000:
            raise UsageError("a rate below 1 kB a second", 'Write it as "130MB".')
        return Rates(disk, machine)


@Parameter(name="*")
@dataclass(frozen=True)
class PriceOptions:
    """Money, told only where a price of disks is given."""

    price_disk: Annotated[str, Parameter(help="Price of a disk: 350, or of each size: 22TB=350,24TB=410.")] = ""
    price_bay: Annotated[float, Parameter(help="Price of a bay: its share of chassis, controller and power supply.")] = 0.0
    currency: Annotated[str, Parameter(help="What the prices are in: EUR.")] = ""

    def prices(self) -> Prices:
        """The prices given."""
        from fonoteca.pools.prices import parse_prices

        return parse_prices(self.price_disk, self.price_bay, self.currency)


def parse_share(text: str) -> float:
    """A share of 1 from "1.5%" or "0.015"."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,12})?|\.\d{1,12})\s*(%?)\s*", text, re.ASCII)
    if match is None:
        raise UsageError(f"not a share: {text!r}", "Write 1.5% or 0.015.")
    return float(match[1]) / (100 if match[2] else 1)


def parse_growth(text: str) -> float:
    """The share by which the files grow in a year, from "5%/year", "5%" or "0.05"."""
    growth = parse_share(re.sub(r"\s*/\s*(year|a|y)\s*$", "", text))
    if growth > 10:
        raise UsageError(f"growth of {growth:.0%} a year", "5% is 0.05.")
    return growth


def parse_size(text: str, what: str) -> int:
    """Bytes of a disk or an archive; a number without its unit is not taken for bytes silently."""
    size = parse_bytes(text)
    if size < LEAST_SIZE:
        raise UsageError(f"{what} {text!r} are {size:,} bytes", 'Was the unit left out? Write "22TB" (10^12 bytes) or "20TiB" (2^40).')
    if size > 10**18:
        raise UsageError(f"{what} {text!r} are {size:,} bytes", "That is more than is planned for.")
    return size
