"""One writer for all pictures: SVG with axes, marks, legend and words for those who cannot see it; the same input, the same bytes.

Colours are plain CSS with a second set for dark surroundings; nothing is fetched and nothing runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Literal

import msgspec

from fonoteca.reports.scales import Axis, Scale, Unit, make_scale, write_value
from fonoteca.reports.text_widths import shorten, text_width

WIDTH = 460
LONGEST_NAME = 208
"""Pixels that names take beside their bars; where one is longer, all stand above them."""
_RIGHT, _TOP, _BOTTOM = 16, 34, 44
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")

STYLE = """\
.p-bg{fill:#fff}.p-t{fill:#1d2126;font:12px system-ui,"DejaVu Sans",sans-serif}.p-h{font-weight:600;font-size:14px}.p-m{fill:#59626e}
.p-g{stroke:#e3e6ea;stroke-width:1}.p-x{stroke:#8a939e;stroke-width:1}
.p-f0{fill:#2a6fb0}.p-f1{fill:#d8690f}.p-f2{fill:#2c8a5a}.p-f3{fill:#8d6cc0}.p-f4{fill:#b0b7c0}.p-f5{fill:#c7a008}
.p-l{fill:none;stroke-width:2;stroke-linejoin:round}.p-s0{stroke:#2a6fb0}.p-s1{stroke:#d8690f}.p-s2{stroke:#2c8a5a}.p-s3{stroke:#8d6cc0}
.p-s4{stroke:#8a939e}.p-s5{stroke:#c7a008}.p-a{opacity:.25}
@media (prefers-color-scheme:dark){.p-bg{fill:#15181c}.p-t{fill:#e8eaed}.p-m{fill:#a4adb8}.p-g{stroke:#2b3037}.p-x{stroke:#6b7480}
.p-f0{fill:#5b9fe0}.p-f1{fill:#f0934a}.p-f2{fill:#55b788}.p-f3{fill:#b296e0}.p-f4{fill:#5c6570}.p-f5{fill:#e0bd3a}
.p-s0{stroke:#5b9fe0}.p-s1{stroke:#f0934a}.p-s2{stroke:#55b788}.p-s3{stroke:#b296e0}.p-s4{stroke:#8a939e}.p-s5{stroke:#e0bd3a}}
"""

MarkKind = Literal["bars", "line", "area", "step", "points"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One series. Bars stand from `x` to `x + width`; a step holds until the next `x`. `name` goes into the legend."""

    kind: MarkKind
    points: tuple[tuple[float, float], ...]
    name: str = ""
    color: int = 0
    width: float = 1.0


class Note(msgspec.Struct, frozen=True):
    """A word above one place of the picture."""

    x: float
    y: float
    text: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """A picture with two axes of numbers. `stacked` puts bars and areas of one `x` upon each other in the order given."""

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    notes: tuple[Note, ...] = ()
    is_stacked: bool = False
    height: int = 280


class NamedBars(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of bars that lie, one a name: names, values and how they are written; those in `other` in another colour.

    `limit` is drawn as a line across them, behind which the values are written.
    """

    name: str
    title: str
    description: str
    rows: tuple[tuple[str, float], ...]
    unit: Unit = "count"
    color: int = 0
    other: frozenset[str] = frozenset()
    other_color: int = 1
    limit: float | None = None


def draw(picture: Plot | NamedBars) -> str:
    """The picture as an SVG document; it can stand inside HTML as it is."""
    if isinstance(picture, NamedBars):
        return _draw_named(picture)
    return _draw_plot(picture)


def clean_words(text: str) -> str:
    """Text without what XML cannot hold or what would turn the line around, escaped."""
    return escape(_UNSAFE.sub("\ufffd", text))


def _document(picture: Plot | NamedBars, height: float, body: Sequence[str]) -> str:
    name, words = escape(picture.name), f"{clean_words(picture.title)}</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img" '
        f'aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{words}<desc id="{name}-d">{clean_words(picture.description)}</desc>'
        f'<style>{STYLE}</style><rect class="p-bg" width="{WIDTH}" height="{height:g}"/>'
        f"{_text(12, 20, picture.title, kind='p-t p-h')}{''.join(body)}</svg>\n"
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "p-t", more: str = "") -> str:
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}"{at}{more}>{clean_words(words)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _draw_plot(plot: Plot) -> str:
    legend = _place_legend([mark for mark in plot.marks if mark.name])
    top, bottom = _TOP + (20 + 18 * legend[-1][2] if legend else 4), plot.height - _BOTTOM
    heights = _stacked_heights(plot) if plot.is_stacked else [y for mark in plot.marks for _, y in mark.points]
    y = make_scale(plot.y, heights, bottom, top + (12 if plot.notes else 0), 7 if plot.y.is_log else 5)
    left = 14 + max(text_width(write_value(tick, plot.y.unit)) for tick in y.ticks) + 16
    places = [each for mark in plot.marks for x, _ in mark.points for each in (x, x + (mark.width if mark.kind == "bars" else 0))]
    most_ticks = 8 if plot.x.unit in ("plain", "count", "seconds") else 5
    x = make_scale(_fitted(plot.x, places), places, left, WIDTH - _RIGHT, most_ticks)
    body = [*_draw_axes(plot, x, y), *_draw_marks(plot, x, y), *(_draw_note(note, x, y) for note in plot.notes), _draw_legend(legend)]
    return _document(plot, plot.height, body)


def _fitted(axis: Axis, places: list[float]) -> Axis:
    """The x axis ends where the values end."""
    if not places or axis.is_log:
        return axis
    low, high = (min(places) if axis.low is None else axis.low), (max(places) if axis.high is None else axis.high)
    return msgspec.structs.replace(axis, low=low, high=high)


def _stacked_heights(plot: Plot) -> list[float]:
    sums: dict[float, float] = {}
    for mark in plot.marks:
        for x, y in mark.points:
            sums[x] = sums.get(x, 0.0) + y
    return list(sums.values())


def _draw_axes(plot: Plot, x: Scale, y: Scale) -> list[str]:
    parts = []
    for tick in y.ticks:
        at = y.place(tick)
        parts.append(f'<path class="p-g" d="M{_n(x.start)} {_n(at)}H{_n(x.end)}"/>')
        parts.append(_text(x.start - 6, at + 4, write_value(tick, plot.y.unit), "end", "p-t p-m"))
    after = -100.0
    for tick in x.ticks:
        at, words = x.place(tick), write_value(tick, plot.x.unit)
        parts.append(f'<path class="p-x" d="M{_n(at)} {_n(y.start)}v4"/>')
        half = text_width(words) / 2
        middle = min(max(at, half + 4), WIDTH - half - 4)
        if middle - half > after + 4:
            parts.append(_text(middle, y.start + 17, words, "middle", "p-t p-m"))
            after = middle + half
    parts.append(f'<path class="p-x" d="M{_n(x.start)} {_n(y.start)}H{_n(x.end)}"/>')
    parts.append(_text((x.start + x.end) / 2, y.start + 35, plot.x.title, "middle"))
    middle = (y.start + y.end) / 2
    parts.append(_text(13, middle, plot.y.title, "middle", more=f' transform="rotate(-90 13 {_n(middle)})"'))
    return parts


def _draw_marks(plot: Plot, x: Scale, y: Scale) -> list[str]:
    below: dict[float, float] = {}
    parts = []
    for mark in plot.marks:
        points = []
        for at, value in mark.points:
            base = below.get(at, 0.0) if plot.is_stacked else 0.0
            points.append((at, base, base + value))
            below[at] = base + value
        parts.append(_draw_mark(mark, points, x, y))
    return parts


def _draw_mark(mark: Mark, points: list[tuple[float, float, float]], x: Scale, y: Scale) -> str:
    shown = [point for point in points if not y.is_log or point[2] > 0]
    if mark.kind == "bars":
        return f'<path class="p-f{mark.color}" d="{"".join(_bar(at, base, top, mark.width, x, y) for at, base, top in shown)}"/>'
    if mark.kind == "points":
        circles = "".join(f'<circle cx="{_n(x.place(at))}" cy="{_n(y.place(top))}" r="3"/>' for at, _, top in shown)
        return f'<g class="p-f{mark.color}">{circles}</g>'
    if mark.kind == "step":
        shown = [each for one, after in zip(shown, [*shown[1:], None], strict=True) for each in _held(one, after, mark)]
    line = "L".join(f"{_n(x.place(at))} {_n(y.place(top))}" for at, _, top in shown)
    drawn = f'<path class="p-l p-s{mark.color}" d="M{line}"/>' if shown else ""
    if mark.kind != "area" or not shown:
        return drawn
    back = "L".join(f"{_n(x.place(at))} {_n(y.place(max(base, y.low)))}" for at, base, _ in reversed(shown))
    return f'<path class="p-a p-f{mark.color}" d="M{line}L{back}Z"/>{drawn}'


def _held(
    one: tuple[float, float, float], after: tuple[float, float, float] | None, mark: Mark
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return one, (one[0] + mark.width if after is None else after[0], one[1], one[2])


def _bar(at: float, base: float, top: float, width: float, x: Scale, y: Scale) -> str:
    left, right = x.place(at), x.place(at + width)
    gap = min(1.0, (right - left) / 6) if right - left >= 2.5 else 0.0
    foot, head = y.place(max(base, y.low)), y.place(top)
    if top > base and foot - head < 0.7 and not base:
        head = foot - 0.7  # what is there is seen
    return f"M{_n(left + gap)} {_n(foot)}V{_n(head)}H{_n(right - gap)}V{_n(foot)}Z"


def _draw_note(note: Note, x: Scale, y: Scale) -> str:
    half = text_width(note.text) / 2
    middle = min(max(x.place(note.x), half + 4), WIDTH - half - 4)
    return _text(middle, y.place(note.y) - 5, note.text, "middle")


def _place_legend(marks: list[Mark]) -> list[tuple[Mark, float, int]]:
    """Each mark with its place from the left and its line."""
    placed, at, line = [], 12.0, 0
    for mark in marks:
        width = 15 + text_width(mark.name) + 12
        if at > 12 and at + width - 12 > WIDTH - 8:
            at, line = 12.0, line + 1
        placed.append((mark, at, line))
        at += width
    return placed


def _draw_legend(placed: list[tuple[Mark, float, int]]) -> str:
    return "".join(
        f'<rect class="p-f{mark.color}" x="{_n(at)}" y="{31 + 18 * line}" width="10" height="10" rx="2"/>'
        f"{_text(at + 15, 40 + 18 * line, mark.name)}"
        for mark, at, line in placed
    )


def _draw_named(bars: NamedBars) -> str:
    """Names stand beside the bars or, where that leaves too little room, above them."""
    widest = max((text_width(name) for name, _ in bars.rows), default=8.0)
    is_above, step = widest > LONGEST_NAME, 36 if widest > LONGEST_NAME else 20
    left = 12 if is_above else 20 + widest
    room = max((text_width(write_value(value, bars.unit)) for _, value in bars.rows), default=0.0) + 10
    most = max((*(value for _, value in bars.rows), bars.limit or 0.0)) or 1.0
    limit = (bars.limit or 0.0) / most * (WIDTH - left - room - _RIGHT)
    parts = []
    for number, (name, value) in enumerate(bars.rows):
        y = _TOP + 8 + number * step
        length = max(value / most * (WIDTH - left - room - _RIGHT), 1.0 if value else 0.0)
        told = f"<title>{clean_words(name)}: {write_value(value, bars.unit)}</title>"
        named = _text(left, y + 11, shorten(name, WIDTH - 24)) if is_above else _text(left - 8, y + 11, name, "end")
        y += 16 if is_above else 0
        color = bars.other_color if name in bars.other else bars.color
        parts.append(
            f"<g>{told}{named}"
            f'<rect class="p-f{color}" x="{_n(left)}" y="{y}" width="{_n(length)}" height="14" rx="2"/>'
            f"{_text(left + max(length, limit) + 6, y + 11, write_value(value, bars.unit), kind='p-t p-m')}</g>"
        )
    if bars.limit is not None:
        parts.append(f'<path class="p-x" d="M{_n(left + limit)} {_TOP + 4}v{len(bars.rows) * step}"/>')
    return _document(bars, _TOP + 14 + len(bars.rows) * step, parts)
