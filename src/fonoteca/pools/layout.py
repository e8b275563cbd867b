"""The shape of a pool in words: 2xraidz3x10, 3xmirrorx2+1spare, draid3:8d:21c:1s, and what ZFS allows of it."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Literal

import msgspec

from fonoteca.ground.errors import UsageError

VdevShapeKind = Literal["raidz", "mirror", "draid", "stripe"]

MOST_CHILDREN = 255
"""Disks of one RAIDZ, dRAID or mirror that ZFS takes."""

MOST_DISKS = 5000
"""Disks of a pool that are planned for."""

HOW = 'Such as "2xraidz3x10", "3xmirrorx2+1spare", "draid3:8d:21c:1s" or "2xraidz3x10+2spares+special:mirrorx3".'

_VDEV = re.compile(
    r"(?:(?P<count>\d+)x)?(?:raidz(?P<parity>[1-9]?)x(?P<raidz>\d+)(?:to(?P<grown>\d+))?|mirrorx(?P<mirror>\d+)"
    r"|(?:stripe|disk)x(?P<stripe>\d+)|draid(?P<draid>[1-9]?):(?P<data>\d+)d:(?P<children>\d+)c(?::(?P<spares>\d+)s)?)",
    re.ASCII,
)


class VdevShape(msgspec.Struct, frozen=True):
    """One vdev. `width` counts its disks, those of distributed spares too; `data` and `spares` are of dRAID alone.

    `made_width` is that of a RAIDZ before disks were added to it (`raidz3x10to12`), else 0.
    """

    kind: VdevShapeKind
    parity: int
    width: int
    data: int = 0
    spares: int = 0
    made_width: int = 0

    @property
    def survives(self) -> int:
        """Disks that may die at once with nothing lost, whichever they are."""
        return self.width - 1 if self.kind == "mirror" else self.parity

    @property
    def group_width(self) -> int:
        """Disks over which one block spreads at most."""
        return self.data + self.parity if self.kind == "draid" else self.width


class Layout(msgspec.Struct, frozen=True):
    """A whole pool: vdevs for data, hot spares, and the vdevs that ZFS keeps apart."""

    vdevs: tuple[VdevShape, ...]
    spares: int = 0
    special: VdevShape | None = None
    log: VdevShape | None = None

    @property
    def data_disks(self) -> int:
        """Disks of the data vdevs, parity and distributed spares among them."""
        return sum(vdev.width for vdev in self.vdevs)

    @property
    def disks(self) -> int:
        """Disks for data and hot spares; what stands apart (special, log) is of another kind."""
        return self.data_disks + self.spares

    @property
    def survives(self) -> int:
        """Disks that may die at once with nothing lost, whichever they are."""
        return min(vdev.survives for vdev in self.vdevs_and_special)

    @property
    def vdevs_and_special(self) -> tuple[VdevShape, ...]:
        """All that the pool dies with."""
        return (*self.vdevs, *([self.special] if self.special else []))


def parse_layout(text: str) -> Layout:
    """A layout from words; UsageError says what ZFS would refuse and why."""
    vdevs: list[VdevShape] = []
    spares, apart = 0, {}
    for part in re.sub(r"\s", "", text.lower()).split("+"):
        if match := re.fullmatch(r"([0-9]+)spares?", part):
            spares += _count(match[1], "spares", least=0)
        elif match := re.fullmatch(r"(special|log):(.+)", part):
            apart[match[1]] = _one_apart(match[1], match[2], match[1] in apart)
        else:
            vdevs += _parse_vdevs(part)
        _check_disks(sum(vdev.width for vdev in vdevs) + spares)
    if not vdevs:
        raise UsageError(f"no vdev holds data in {text!r}", HOW)
    return Layout(tuple(vdevs), spares, apart.get("special"), apart.get("log"))


def format_layout(layout: Layout) -> str:
    """The words that parse_layout reads back to the same layout."""
    parts = []
    for shape, alike in groupby(layout.vdevs):
        count = len(list(alike))
        parts.append(_format_shape(shape, count))
    if layout.spares:
        parts.append(f"{layout.spares}spare{'s' if layout.spares > 1 else ''}")
    parts += [f"{name}:{_format_shape(shape, 1)}" for name, shape in (("special", layout.special), ("log", layout.log)) if shape]
    return "+".join(parts)


def made_first(layout: Layout) -> str:
    """The layout before its RAIDZ vdevs were expanded, in words."""
    made = tuple(msgspec.structs.replace(one, width=one.made_width, made_width=0) if one.made_width else one for one in layout.vdevs)
    return format_layout(msgspec.structs.replace(layout, vdevs=made))


def check_shape(shape: VdevShape) -> VdevShape:
    """The shape itself where ZFS takes it, else UsageError with the reason."""
    if shape.width > MOST_CHILDREN:
        raise UsageError(f"a {shape.kind} of {shape.width:,} disks: ZFS takes {MOST_CHILDREN} at most", "Make several vdevs of them.")
    if shape.kind != "stripe":
        {"raidz": _check_raidz, "draid": _check_draid, "mirror": _check_mirror}[shape.kind](shape)
    return shape


def _parse_vdevs(part: str) -> list[VdevShape]:
    match = _VDEV.fullmatch(part)
    if match is None:
        raise UsageError(f"not a layout: {part!r}", HOW)
    count = _count(match["count"] or "1", "vdevs", least=1)
    if match["stripe"]:
        return [VdevShape("stripe", 0, 1)] * (count * _count(match["stripe"], "disks", least=1))
    return [check_shape(_parse_shape(match))] * count


def _parse_shape(match: re.Match[str]) -> VdevShape:
    if match["raidz"]:
        made, grown = _count(match["raidz"], "disks", least=1), _count(match["grown"] or "1", "disks", least=1)
        return VdevShape("raidz", int(match["parity"] or 1), grown if match["grown"] else made, made_width=made if match["grown"] else 0)
    if match["mirror"]:
        return VdevShape("mirror", 0, _count(match["mirror"], "disks", least=1))
    width = _count(match["children"], "disks", least=1)
    data, spares = _count(match["data"], "disks of data", least=1), _count(match["spares"] or "0", "spares", least=0)
    return VdevShape("draid", int(match["draid"] or 1), width, data, spares)


def _one_apart(name: str, text: str, is_there: bool) -> VdevShape:
    shapes = _parse_vdevs(text)
    if is_there or len(shapes) != 1:
        raise UsageError(f"more than one {name} vdev", f"One is planned for: {name}:mirrorx3.")
    if name == "special" and shapes[0].kind != "mirror":
        raise UsageError("a special vdev that is no mirror", "Without it the whole pool is lost: special:mirrorx3, or none.")
    return shapes[0]


def _count(digits: str, what: str, least: int) -> int:
    number = int(digits) if len(digits) < 10 else 10**9
    if number < least:
        raise UsageError(f"{number} {what}: at least {least} is needed", HOW)
    _check_disks(number)
    return number


def _check_disks(number: int) -> None:
    if number > MOST_DISKS:
        raise UsageError(f"more than {MOST_DISKS:,} disks in one pool", "Such a store is several pools.")


def _check_raidz(shape: VdevShape) -> None:
    if shape.parity > 3:
        raise UsageError(f"raidz{shape.parity}: ZFS has raidz1, raidz2 and raidz3", HOW)
    if shape.made_width >= shape.width:
        raise UsageError(f"a RAIDZ of {shape.made_width} disks expanded to {shape.width}", "Disks are only added: raidz3x10to12.")
    if (shape.made_width or shape.width) <= shape.parity:
        raise UsageError(f"raidz{shape.parity} of {shape.width} disks: at least {shape.parity + 1} are needed, one for data", HOW)


def _check_mirror(shape: VdevShape) -> None:
    if shape.width < 2:
        raise UsageError("a mirror of 1 disk mirrors nothing", "mirrorx2 or more; a single disk is stripex1.")


def _check_draid(shape: VdevShape) -> None:
    if shape.parity > 3:
        raise UsageError(f"draid{shape.parity}: ZFS has draid1, draid2 and draid3", HOW)
    needed = shape.group_width + shape.spares
    if shape.width < needed:
        told = f"{shape.data} of data + {shape.parity} of parity + {shape.spares} of spares"
        raise UsageError(f"draid{shape.parity} of {shape.width} disks: {told} need {needed}", "Give more disks (…c) or less data (…d).")


def _format_shape(shape: VdevShape, count: int) -> str:
    times = f"{count}x" if count > 1 else ""
    if shape.kind == "stripe":
        return f"stripex{count}"
    if shape.kind == "draid":
        return f"{times}draid{shape.parity}:{shape.data}d:{shape.width}c:{shape.spares}s"
    width = f"{shape.made_width}to{shape.width}" if shape.made_width else shape.width
    return f"{times}{shape.kind}{shape.parity or ''}x{width}"
