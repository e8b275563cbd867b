"""The sections of the report on a catalogue, from its counts; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from types import MappingProxyType

from fonoteca.ground.quantities import format_bytes, format_count
from fonoteca.reports.pictures import Counted, Counts, Figure, Section, named_figure, table_of
from fonoteca.reports.popularity_pictures import held_section, popularity_section
from fonoteca.reports.scales import Axis
from fonoteca.reports.svg import Mark, Note, Plot

DEFAULT_YEARS = (1901, 1905, 1912, 1920)
"""Years that programs write where they know none; there are far more of them than records of that age."""
FIRST_YEAR = 1890
_TEN_MINUTES = 600
_ENOUGH_FOR_SECONDS = 20_000
_MOST_TRACKS, _MOST_SONGS = 60, 40
_NO_SHORT_NAMES: Mapping[str, str] = MappingProxyType({})


def catalogue_report(rows: Iterable[Counted], year: int, licences: Mapping[str, str] = _NO_SHORT_NAMES) -> list[Section]:
    """Every section for which there is something to show. `year` is that of the catalogue: later ones are doubtful.

    `licences` gives short names of licences, for pictures.
    """
    counts = Counts(rows)
    sections = [
        _overview(counts), popularity_section(counts), held_section(counts), duration_section(counts), album_section(counts, year),
        isrc_section(counts), genre_section(counts), label_section(counts), file_section(counts, licences), sound_section(counts),
    ]  # fmt: skip
    return [section for section in sections if section.figures or section.words]


def _overview(counts: Counts) -> Section:
    totals = [format_count(counts.total(name), name[:-1]) for name in ("tracks", "albums", "artists")]
    files = f"; {format_count(counts.total('files'), 'file')} of {format_bytes(counts.total('bytes'))}" if counts.total("files") else ""
    words = [f"{', '.join(totals)}, {format_count(counts.total('isrcs'), 'ISRC')}{files}."]
    figures = [
        *_named(counts, "status", "Status", "tracks"),
        *_named(counts, "explicit", "Explicit", "tracks", {-1: "not said", 0: "not explicit", 1: "explicit"}),
    ]
    return Section(heading="In all", words=tuple(words), figures=tuple(figures))


def _named(
    counts: Counts, report: str, title: str, what: str, names: dict[int, str] | None = None, *, in_order: bool = False,
    short_names: Mapping[str, str] = _NO_SHORT_NAMES,
) -> list[Figure]:  # fmt: skip
    rows = counts.every(report)
    if all(row.bucket == -1 or (row.bucket == 0 and report == "rights") for row in rows):
        return []
    named = [((names or {}).get(row.bucket) or row.name or "none known", float(row.number)) for row in rows]
    ordered = named if in_order else sorted(named, key=lambda row: (-row[1], row[0]))
    return named_figure(report.replace("_", "-"), title, what, ordered, "count", lambda value: f"{value:,.0f}", short_names=short_names)


def duration_section(counts: Counts) -> Section:
    """Durations by second, with their peaks."""
    rows = {row.bucket: row.number for row in counts.known("duration") if row.bucket <= _TEN_MINUTES}
    if not rows:
        return Section(heading="Durations")
    longer, unknown = rows.pop(_TEN_MINUTES, 0), counts.unknown("duration")
    peaks = find_peaks(rows)
    width = 1 if sum(rows.values()) >= _ENOUGH_FOR_SECONDS else 10
    bars: dict[int, int] = {}
    for second, number in rows.items():
        bars[second // width * width] = bars.get(second // width * width, 0) + number
    words = [f"{format_count(longer, 'track')} of ten minutes and over{_and_unknown(unknown, 'of unknown length')}."]
    if peaks:
        words.append(f"Peaks: {', '.join(_clock(second) for second in sorted(peaks))}.")
    minutes: dict[int, int] = {}
    for second, number in rows.items():
        minutes[second // 60] = minutes.get(second // 60, 0) + number
    table = [(f"{minute}:00 to {minute}:59", f"{number:,}") for minute, number in sorted(minutes.items())]
    picture = Plot(
        name="durations", title=f"Durations, tracks by {'second' if width == 1 else 'ten seconds'}", description=" ".join(words),
        x=Axis(title="minutes and seconds", unit="seconds", low=0, high=_TEN_MINUTES), y=Axis(title="tracks"),
        marks=(Mark(kind="bars", width=width, points=tuple(sorted((float(s), float(n)) for s, n in bars.items()))),),
        notes=tuple(Note(second + 0.5, bars[second], _clock(second)) for second in sorted(peaks) if width == 1),
    )  # fmt: skip
    figure = Figure(picture, table_of(("length", "tracks"), [*table, ("10:00 and over", f"{longer:,}"), ("unknown", f"{unknown:,}")]))
    return Section(heading="Durations", words=tuple(words), figures=(figure,) if rows else ())


def find_peaks(rows: dict[int, int], most: int = 6) -> list[int]:
    """Seconds at which there are many more tracks than around them, highest excess first, none within 40 s of a higher one."""
    found: list[tuple[float, int]] = []
    for second, number in rows.items():
        before, after = _around(rows, range(second - 8, second)), _around(rows, range(second + 1, second + 9))
        around = max(before, after)  # a step is no peak
        if number >= 50 and number > 1.25 * around and number - around > 5 * around**0.5:
            found.append((number - around, second))
    peaks: list[int] = []
    for _, second in sorted(found, reverse=True):
        if all(abs(second - other) >= 40 for other in peaks):
            peaks.append(second)
    return peaks[:most]


def _around(rows: dict[int, int], seconds: range) -> float:
    return median([rows.get(second, 0) for second in seconds if 0 <= second < _TEN_MINUTES] or [0])


def _and_unknown(number: int, what: str) -> str:
    return f"; {format_count(number, 'track')} {what}" if number else ""


def _clock(second: int) -> str:
    return f"{second // 60}:{second % 60:02d}"


def is_doubtful(album_year: int, year: int) -> bool:
    """Whether a year of release is a default, before all records, or after the catalogue."""
    return album_year in DEFAULT_YEARS or album_year < FIRST_YEAR or album_year > year


def album_section(counts: Counts, year: int) -> Section:
    """Albums per year, doubtful years apart, and how many tracks they have."""
    figures, words = [], []
    years = {row.bucket: row.number for row in counts.known("album_year")}
    if years:
        doubtful = {each: number for each, number in years.items() if is_doubtful(each, year)}
        if unknown := counts.unknown("album_year"):
            words.append(f"{format_count(unknown, 'album')} without a year of its own.")
        if doubtful:
            listed = ", ".join(f"{each} ({number:,})" for each, number in sorted(doubtful.items())[:12])
            words.append(f"Doubtful years, kept as they were given: {listed}{' and more' if len(doubtful) > 12 else ''}.")
        figures.append(_year_figure(years, doubtful, year))
    sizes = {row.bucket: row.number for row in counts.known("album_size")}
    if sizes:
        figures.append(_size_figure("tracks-per-album", "Tracks per album", "tracks", "albums", sizes, _MOST_TRACKS, is_log=False))
    return Section(heading="Albums", words=tuple(words), figures=tuple(figures))


def _year_figure(years: dict[int, int], doubtful: dict[int, int], year: int) -> Figure:
    shown = {each: number for each, number in years.items() if FIRST_YEAR <= each <= year + 20} or {year: 0}
    marks = [
        Mark(kind="bars", points=tuple((each - 0.5, float(n)) for each, n in sorted(shown.items()) if each not in doubtful), name="albums"),
        Mark(kind="bars", points=tuple((each - 0.5, float(n)) for each, n in sorted(shown.items()) if each in doubtful),
             name="doubtful year", color=1),
    ]  # fmt: skip
    first = min(min(shown), max(shown) - 20) - 0.5
    picture = Plot(
        name="albums-per-year", title="Albums by year of release, logarithmic", x=Axis(title="year", unit="plain", low=first),
        y=Axis(title="albums", is_log=True, low=0.7), marks=tuple(mark for mark in marks if mark.points),
        description=f"Albums of {min(years)} to {max(years)}, logarithmic; {sum(doubtful.values()):,} of them in doubtful years.",
    )  # fmt: skip
    rows = [(str(each), f"{number:,}", "doubtful" if each in doubtful else "") for each, number in sorted(years.items())]
    return Figure(picture, table_of(("year", "albums", ""), rows))


def _size_figure(name: str, title: str, what: str, of: str, sizes: dict[int, int], most: int, *, is_log: bool) -> Figure:
    shown: dict[int, int] = {}
    for size, number in sizes.items():
        shown[min(size, most)] = shown.get(min(size, most), 0) + number
    total, more = sum(sizes.values()), max(sizes) > most
    mean = sum(size * number for size, number in sizes.items()) / total
    marks = (Mark(kind="bars", points=tuple((size - 0.5, float(number)) for size, number in sorted(shown.items()))),)
    ends, words = (f"; the last bar is {most} and more", f"{what} ({most}: and more)") if more else ("", what)
    x = Axis(title=words, unit="plain", step=_whole_step(max(shown)), low=min(*shown, 1) - 0.5, high=max(*shown, 10) + 0.5)
    picture = Plot(
        name=name, title=title, description=f"{total:,} {of}, {mean:.2f} {what} each in the mean{ends}.",
        x=x, y=Axis(title=of, is_log=is_log, low=0.7 if is_log else None), marks=marks,
    )  # fmt: skip
    rows = [(f"{size}{' and more' if size == most and more else ''}", f"{number:,}") for size, number in sorted(shown.items())]
    return Figure(picture, table_of((what, of), rows))


def _whole_step(span: int) -> float:
    return next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if span / step <= 8)


def isrc_section(counts: Counts) -> Section:
    """Songs per ISRC and the countries of ISRCs."""
    songs = {row.bucket: row.number for row in counts.known("songs_per_isrc")}
    if not songs:
        return Section(heading="ISRCs")
    shared = sum(number for size, number in songs.items() if size > 1)
    without = _and_unknown(counts.unknown("country"), "without one")
    words = [f"{format_count(sum(songs.values()), 'ISRC')}, of which {shared:,} stand on more than one track{without}."]
    figures = [_size_figure("songs-per-isrc", "Songs per ISRC", "tracks", "ISRCs", songs, _MOST_SONGS, is_log=True)]
    countries = sorted(((row.name or "?", float(row.number)) for row in counts.known("country")), key=lambda row: (-row[1], row[0]))
    figures += named_figure("isrc-countries", "Country code of the ISRC", "tracks", countries, "count", lambda n: f"{n:,.0f}", 20)
    return Section(heading="ISRCs", words=tuple(words), figures=tuple(figures))


def genre_section(counts: Counts) -> Section:
    """The commonest genres of tracks and of artists."""
    figures = []
    for report, what in (("track_genre", "tracks"), ("artist_genre", "artists")):
        rows = sorted(((row.name or "?", float(row.number)) for row in counts.known(report)), key=lambda row: (-row[1], row[0]))
        figures += named_figure(f"genres-of-{what}", f"Genres of {what}", what, rows, "count", lambda n: f"{n:,.0f}", 20)
    return Section(heading="Genres", figures=tuple(figures))


def label_section(counts: Counts) -> Section:
    """Labels by tracks and by plays."""
    named = [row for row in counts.known("label") if row.bucket > 0]
    by_tracks = sorted(((row.name or "?", float(row.number)) for row in named), key=lambda row: (-row[1], row[0]))
    by_plays = sorted(((row.name or "?", counts.share_of_plays(row)) for row in named), key=lambda row: (-row[1], row[0]))
    figures = [
        *named_figure("labels-by-tracks", "Labels by tracks", "tracks", by_tracks, "count", lambda n: f"{n:,.0f}", 20),
        *named_figure("labels-by-plays", "Labels by plays", "share of all plays", by_plays, "share", lambda n: f"{n:.4%}", 20),
    ]
    return Section(heading="Labels", figures=tuple(figures))


def file_section(counts: Counts, licences: Mapping[str, str] = _NO_SHORT_NAMES) -> Section:
    """Files by format and tier, and tracks by rights."""
    sizes: dict[str, list[int]] = {}
    for row in counts.known("file_kind"):
        both = sizes.setdefault(row.name or "?", [0, 0])
        both[0], both[1] = both[0] + row.number, both[1] + row.bytes
    by_size = sorted(((name, float(size)) for name, (_, size) in sizes.items()), key=lambda row: (-row[1], row[0]))
    by_number = sorted(((name, float(number)) for name, (number, _) in sizes.items()), key=lambda row: (-row[1], row[0]))
    figures = [
        *named_figure("formats-by-files", "Format and tier, files", "files", by_number, "count", lambda n: f"{n:,.0f}"),
        *named_figure("formats-by-bytes", "Format and tier, bytes", "bytes", by_size, "bytes", format_bytes),
        *_named(counts, "rights", "Rights", "tracks", short_names=licences),
    ]
    return Section(heading="Files and rights", figures=tuple(figures))


def sound_section(counts: Counts) -> Section:
    """Keys, modes and tempo, where a database of audio features stands beside the catalogue."""
    figures = [*_named(counts, "key", "Key", "tracks", in_order=True), *_named(counts, "mode", "Mode", "tracks")]
    tempo = {row.bucket: row.number for row in counts.known("tempo")}
    if tempo:
        points = tuple((float(each), float(number)) for each, number in sorted(tempo.items()))
        picture = Plot(
            name="tempo", title="Tempo", description=f"Tracks by beats a minute, most at {max(tempo, key=lambda each: tempo[each])}.",
            x=Axis(title="beats a minute", unit="plain"), y=Axis(title="tracks"), marks=(Mark(kind="bars", points=points),),
        )  # fmt: skip
        rows = [(str(each), f"{number:,}") for each, number in sorted(tempo.items())]
        figures.append(Figure(picture, table_of(("beats a minute", "tracks"), rows)))
    return Section(heading="Sound", figures=tuple(figures))
