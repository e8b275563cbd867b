"""Pictures by popularity and by rank: tracks, plays, what is held, and how much of all plays so many bytes cover."""

from __future__ import annotations

from fonoteca.ground.quantities import format_bytes, format_count
from fonoteca.reports.pictures import Counted, Counts, Figure, Section, Table, table_of
from fonoteca.reports.scales import Axis
from fonoteca.reports.svg import Mark, MarkKind, Plot

_BY_RANK = ("Plays are not counted for all tracks here, so their shares are estimates: plays ~ rank^−1.211 over all tracks in the order of "
            "popularity, as docs/popularity.md says.")  # fmt: skip
_COUNTED = "Shares of plays are from counted plays."
_SUPPOSED_KBITS = 160.0
"""The rate of what is not held, where nothing comparable is: that of the reference workload."""


def popularity_section(counts: Counts) -> Section:
    """Tracks and plays by popularity, linear and logarithmic."""
    classes = counts.known("popularity")
    if not classes:
        return Section(heading="Popularity")
    words = [_COUNTED if counts.is_counted else _BY_RANK]
    if unknown := counts.unknown("popularity"):
        words.append(f"The popularity of {format_count(unknown, 'track')} is not known.")
    tracks = tuple((row.bucket - 0.5, float(row.number)) for row in classes)
    plays = tuple((row.bucket - 0.5, counts.share_of_plays(row)) for row in classes)
    table, told = _table(counts, classes), _told(counts, classes)
    share = "share of all plays"
    pictures = (
        _by_popularity("tracks-by-popularity", "Tracks by popularity", told, Axis(title="tracks"), tracks),
        _by_popularity(
            "tracks-by-popularity-log", "Tracks by popularity, logarithmic", told, Axis(title="tracks", is_log=True, low=0.7), tracks
        ),
        _by_popularity("plays-by-popularity", "Plays by popularity", told, Axis(title=share, unit="share"), plays),
        _by_popularity(
            "plays-by-popularity-log", "Plays by popularity, logarithmic", told, Axis(title=share, unit="share", is_log=True), plays
        ),
    )
    figures = (Figure(picture, table) for picture in pictures)
    return Section(heading="Popularity", words=tuple(words), figures=tuple(figures))


def _by_popularity(name: str, title: str, told: str, y: Axis, points: tuple[tuple[float, float], ...]) -> Plot:
    x = Axis(title="popularity", unit="plain", low=-0.5, high=100.5, step=10)
    color = 1 if "plays" in name else 0
    return Plot(name=name, title=title, description=told, x=x, y=y, marks=(Mark(kind="bars", points=points, color=color),))


def _told(counts: Counts, classes: list[Counted]) -> str:
    above = [row for row in classes if row.bucket > 0]
    share = sum(counts.share_of_plays(row) for row in above)
    number = sum(row.number for row in above)
    return f"{format_count(number, 'track')} of {counts.tracks:,} have a popularity of 1 and more, and {share:.1%} of all plays."


def _table(counts: Counts, classes: list[Counted]) -> Table:
    rows = [
        (str(row.bucket), f"{row.number:,}", f"{row.held:,}", f"{counts.share_of_plays(row):.4%}", format_bytes(row.bytes))
        for row in reversed(classes)
    ]
    return table_of(("popularity", "tracks", "held", "of plays", "files"), rows)


def held_section(counts: Counts) -> Section:
    """The share held by popularity, and coverage of plays against bytes."""
    classes = counts.known("popularity")
    held = sum(row.held for row in counts.every("popularity"))
    if not held:
        return Section(heading="What is held", words=("Nothing is held yet.",) if counts.tracks else ())
    covered = sum(_covered(counts, row) for row in counts.every("rank"))
    words = (f"{format_count(held, 'track')} of {counts.tracks:,} are held; they have {covered:.1%} of all plays.",)
    return Section(heading="What is held", words=words, figures=(*_held_figure(classes), *_coverage_figure(counts)))


def _held_figure(classes: list[Counted]) -> tuple[Figure, ...]:
    if not any(row.held for row in classes):
        return ()
    points = tuple((row.bucket - 0.5, row.held / row.number) for row in classes)
    picture = Plot(
        name="held-by-popularity", title="Share held by popularity", description="The share of tracks that are held, by whole popularity.",
        x=Axis(title="popularity", unit="plain", low=-0.5, high=100.5, step=10),
        y=Axis(title="held", unit="share", low=0, high=1, step=0.2), marks=(Mark(kind="bars", points=points, color=2),),
    )  # fmt: skip
    rows = [(str(row.bucket), f"{row.number:,}", f"{row.held:,}", f"{row.held / row.number:.1%}") for row in reversed(classes)]
    return (Figure(picture, table_of(("popularity", "tracks", "held", "share"), rows)),)


def _covered(counts: Counts, row: Counted) -> float:
    return counts.share_of_plays(row) * row.held / row.number


def _coverage_figure(counts: Counts) -> tuple[Figure, ...]:
    """Most played first: the bytes of all files so far, and the plays they cover."""
    curve, whole, rows = [], [], []
    size = share = whole_size = whole_share = rank = 0.0
    for row in counts.every("rank"):
        size, share, rank = size + row.bytes, share + _covered(counts, row), rank + row.number
        whole_size, whole_share = whole_size + _size_of_all(counts, row), whole_share + counts.share_of_plays(row)
        curve.append((float(size), share))
        whole.append((float(whole_size), whole_share))
        rows.append((f"{rank:,.0f}", format_bytes(size), f"{share:.2%}", format_bytes(whole_size), f"{whole_share:.2%}"))
    if not size:
        return ()
    kind: MarkKind = "line" if sum(size > 0 for size, _ in curve) > 1 else "points"
    held = Mark(kind=kind, points=tuple(point for point in curve if point[0]), name="held", color=2)
    known = Mark(kind=kind, points=tuple(point for point in whole if point[0]), name="all that is known, at the same rates", color=4)
    marks = [known, held] if whole_size > size * 1.001 else [held]
    picture = Plot(
        name="coverage", title="Coverage of plays against bytes", x=Axis(title="bytes, most played first", unit="bytes", is_log=True),
        y=Axis(title="share of all plays", unit="share", low=0, high=1, step=0.2), marks=tuple(marks),
        description=f"{format_bytes(size)} cover {share:.2%} of all plays; all that is known would take about {format_bytes(whole_size)}.",
    )  # fmt: skip
    headings = ("most played tracks", "files held", "plays covered", "files, were all held", "their plays")
    return (Figure(picture, table_of(headings, rows)),)


def _size_of_all(counts: Counts, row: Counted) -> float:
    """What the files of a bucket would take if all its tracks were held."""
    missing_ms = row.duration_ms - row.held_ms
    kbits = row.bytes * 8 / row.held_ms if row.bytes and row.held_ms else _SUPPOSED_KBITS
    return row.bytes + missing_ms * kbits / 8
