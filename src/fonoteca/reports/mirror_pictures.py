"""What a mirror would hold, as one picture of two: how rare each byte is elsewhere, and how many of all plays it brings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from fonoteca.ground.quantities import format_bytes
from fonoteca.reports.scales import Axis
from fonoteca.reports.svg import WIDTH, Mark, Note, Plot, draw

Part = Literal["held", "fetched", "left"]
COLORS: dict[Part, tuple[str, int]] = {"held": ("held here", 2), "fetched": ("to be fetched", 0), "left": ("left to others", 5)}
ELSEWHERE = 4
SLICES = 110
"""Bars in the upper picture: as many as can be told apart."""


class PlannedContainer(msgspec.Struct, frozen=True):
    """One container: what becomes of it, its bytes, proved copies elsewhere, and its share of all plays, 0 to 1."""

    part: Part
    bytes: int
    copies: int
    plays: float


def draw_mirror_plan(containers: Sequence[PlannedContainer], budget_bytes: int, wanted_copies: int) -> str:
    """An SVG: containers side by side, as wide as they are large, what is held first; rarest first, then most played for their size."""
    order: dict[Part, int] = {"held": 0, "fetched": 1, "left": 2}
    shown = sorted(containers, key=lambda one: (order[one.part], one.copies, -one.plays / max(1, one.bytes)))
    return stack_pictures((_draw_copies(shown, budget_bytes, wanted_copies), _draw_plays(shown)))


def stack_pictures(pictures: Sequence[str]) -> str:
    """One SVG document with others below one another."""
    heights = [float(picture.split('height="', 1)[1].split('"', 1)[0]) for picture in pictures]
    tops = [sum(heights[:number]) for number in range(len(pictures))]
    inner = "".join(picture.strip().replace("<svg ", f'<svg y="{top:g}" ', 1) for picture, top in zip(pictures, tops, strict=True))
    height = sum(heights)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}">{inner}</svg>\n'


def _draw_copies(shown: Sequence[PlannedContainer], budget_bytes: int, wanted_copies: int) -> str:
    whole = sum(one.bytes for one in shown)
    width = max(1, whole) / SLICES
    elsewhere, here = [0.0] * SLICES, {part: [0.0] * SLICES for part in COLORS}
    at = 0.0
    for one in shown:
        for place, share in _slices(at, at + one.bytes, width):
            elsewhere[place] += one.copies * share
            here[one.part][place] += share
        at += one.bytes
    marks = [Mark(kind="bars", name="copies elsewhere", color=ELSEWHERE, width=width, points=_points(elsewhere, width))]
    marks += [Mark(kind="bars", name=COLORS[part][0], color=COLORS[part][1], width=width, points=_points(here[part], width))
              for part in ("held", "fetched") if any(here[part])]  # fmt: skip
    chosen = sum(one.bytes for one in shown if one.part != "left")
    return draw(
        Plot(
            name="mirror-copies", title=f"Copies of each byte: {format_bytes(chosen)} of {format_bytes(budget_bytes)} used",
            description=f"{len(shown)} containers of {format_bytes(whole)} together; wanted are {wanted_copies} copies.",
            x=Axis(title="containers side by side", unit="bytes", low=0, high=max(1, whole)),
            y=Axis(title="proved copies", unit="count", low=0, step=_step(max(elsewhere, default=0))),
            marks=tuple(marks), notes=(Note(whole * 0.86, wanted_copies, f"wanted: {wanted_copies}"),), is_stacked=True,
        )
    )  # fmt: skip


def _draw_plays(shown: Sequence[PlannedContainer]) -> str:
    points: dict[Part, list[tuple[float, float]]] = {part: [] for part in COLORS}
    at = plays = 0.0
    for one in shown:
        points[one.part] = points[one.part] or [(at, plays)]
        at, plays = at + one.bytes, plays + one.plays
        points[one.part].append((at, plays))
    marks = tuple(Mark(kind="area", name=COLORS[part][0], color=COLORS[part][1], points=tuple(thin_out(found)))
                  for part, found in points.items() if found)  # fmt: skip
    covered = sum(one.plays for one in shown if one.part != "left")
    return draw(
        Plot(
            name="mirror-plays", title=f"Plays covered: {covered:.1%} of all plays",
            description="The share of all plays that the containers have, added up from left to right in the same order.",
            x=Axis(title="containers side by side", unit="bytes", low=0, high=max(1, at)),
            y=Axis(title="share of all plays", unit="share", low=0), marks=marks, height=250,
        )
    )  # fmt: skip


def thin_out(points: Sequence[tuple[float, float]], most: int = 400) -> list[tuple[float, float]]:
    """No more points than can be seen; first and last stay."""
    step = max(1, len(points) // most)
    return [*points[:-1:step], *points[-1:]]


def _slices(start: float, end: float, width: float) -> list[tuple[int, float]]:
    """The slices that a container reaches into, and how much of each it fills, 0 to 1."""
    found = []
    for place in range(int(start / width), min(SLICES - 1, int(end / width)) + 1):
        share = (min(end, (place + 1) * width) - max(start, place * width)) / width
        if share > 0:
            found.append((place, share))
    return found


def _points(values: Sequence[float], width: float) -> tuple[tuple[float, float], ...]:
    return tuple((place * width, value) for place, value in enumerate(values))


def _step(most: float) -> float:
    return 1 if most <= 7 else 2 if most <= 15 else 5 if most <= 40 else 20
