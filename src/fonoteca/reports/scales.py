"""Axes: where a value lies, which values get a tick, and how a tick is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from fonoteca.ground.quantities import format_bytes

Unit = Literal["count", "share", "bytes", "seconds", "plain", "kbits"]
"""How values are written: 12 M, 40 %, 3 TB, 3:00, as they are, 96 kbit/s."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One axis. `low` and `high` None: from the values. A logarithmic axis shows only what is above 0."""

    title: str
    unit: Unit = "count"
    is_log: bool = False
    low: float | None = None
    high: float | None = None
    step: float | None = None


class Scale(msgspec.Struct, frozen=True):
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """The pixel of a value; what lies outside is put on the edge."""
        value = min(max(value, self.low), self.high)
        if self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * share


def make_scale(axis: Axis, values: list[float], start: float, end: float, most_ticks: int) -> Scale:
    """A scale that shows all values: round limits for what the axis leaves open."""
    if axis.is_log:
        return _log_scale(axis, [value for value in values if value > 0], start, end, most_ticks)
    low = axis.low if axis.low is not None else min(0.0, *values, 0.0)
    high = axis.high if axis.high is not None else max([*values, low])
    high = high if high > low else low + 1
    step = axis.step or round_step((high - low) / most_ticks, axis.unit)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if axis.high is None and last * step < high * (1 - 1e-9):
        last += 1
        high = last * step
    return Scale(low, high, start, end, False, tuple(number * step for number in range(first, last + 1)))


_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


def round_step(least: float, unit: Unit) -> float:
    """The smallest round step that is not below `least`: 1, 2 or 5 times a power of ten; for seconds, parts of a minute."""
    if unit == "seconds":
        return next((step for step in _CLOCK_STEPS if step >= least), math.ceil(least / 3600) * 3600)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
    return max(1.0, step) if unit == "count" else step


def _log_scale(axis: Axis, values: list[float], start: float, end: float, most_ticks: int) -> Scale:
    least, most = (min(values), max(values)) if values else (1.0, 10.0)
    low_power = math.floor(math.log10(axis.low if axis.low is not None else least) + 1e-9)
    high_power = math.ceil(math.log10(axis.high if axis.high is not None else most) - 1e-9)
    high_power = max(high_power, low_power + 1)
    every = math.ceil((high_power - low_power + 1) / most_ticks)
    ticks = tuple(10.0**power for power in range(low_power, high_power + 1) if power % every == 0)
    low = axis.low if axis.low is not None else 10.0**low_power
    high = axis.high if axis.high is not None else 10.0**high_power
    return Scale(low, high, start, end, True, tuple(tick for tick in ticks if low <= tick <= high))


def write_value(value: float, unit: Unit) -> str:
    """A value as it stands at a tick or a bar: short, and never more exact than three figures."""
    return _WRITERS[unit](value)


def _write_count(value: float) -> str:
    for size, word in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{word}"
    return f"{value:.3g}"


def _write_share(value: float) -> str:
    percent = value * 100
    if 0 < percent < 0.0001:
        return f"{percent:.0e} %".replace("e-0", "e-")
    return f"{percent:.3g} %" if percent < 99.95 or percent >= 100 else f"{percent:.2f} %"


def _write_seconds(value: float) -> str:
    return f"{int(value) // 60}:{int(value) % 60:02d}"


def _write_bytes(value: float) -> str:
    number, unit = format_bytes(value).split()
    return f"{float(number):g} {unit}"


_WRITERS: dict[Unit, Callable[[float], str]] = {
    "count": _write_count,
    "share": _write_share,
    "bytes": _write_bytes,
    "seconds": _write_seconds,
    "plain": lambda value: f"{value:g}",
    "kbits": lambda value: f"{value:g} kbit/s",
}
