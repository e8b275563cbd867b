"""Money, only where prices were given."""

from __future__ import annotations

import re
from math import inf

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import parse_bytes
from fonoteca.pools.layout import Layout

HOW = "Write one price for all disks (350) or one for each size (22TB=350,24TB=410)."


class Prices(msgspec.Struct, frozen=True):
    """What a disk of each size costs (0: of any size), and a bay with its share of chassis, controller and power supply."""

    disks: tuple[tuple[int, float], ...] = ()
    bay: float = 0.0
    currency: str = ""

    def of(self, layout: Layout, disk_bytes: int) -> float | None:
        """What the disks of a layout and their bays cost; None where no price is known. Special and log vdevs are not in it."""
        by_size = dict(self.disks)
        price = by_size.get(disk_bytes, by_size.get(0))
        return None if price is None else layout.disks * (price + self.bay)


def parse_prices(text: str, bay: float = 0.0, currency: str = "") -> Prices:
    """Prices of disks from "350" or "22TB=350,24TB=410"; nothing is known from an empty text."""
    if not 0 <= bay < inf:
        raise UsageError(f"a bay costs {bay:g}", "Prices are finite and not negative.")
    return Prices(tuple(_parse_one(part) for part in text.split(",") if part.strip()), bay, currency.strip())


def _parse_one(part: str) -> tuple[int, float]:
    match = re.fullmatch(r"\s*(?:([^=]+)=)?\s*([0-9]+(?:\.[0-9]+)?)\s*", part)
    if match is None or len(match[2]) > 12:
        raise UsageError(f"not a price: {part.strip()!r}", HOW)
    return (parse_bytes(match[1]) if match[1] else 0, float(match[2]))
