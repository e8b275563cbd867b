"""Pictures and pages: well formed whatever the names, nothing cut or laid over another, the same for the same counts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from counted_made import HOSTILE, Row, workload_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.reports import Axis, Mark, NamedBars, Note, Plot, catalogue_report, draw, write_page, write_png
from fonoteca.reports.catalogue_report import find_peaks
from fonoteca.reports.scales import make_scale, write_value
from fonoteca.reports.svg import WIDTH
from fonoteca.reports.text_widths import FONT, shorten, text_width
from fonoteca.rights import load_table

SVG = "{http://www.w3.org/2000/svg}"
UNITS = ("count", "share", "bytes", "seconds", "plain", "kbits")
SCALES = (1e-7, 1e-4, 1e-3, 1.0)


def _pictures(scale: float) -> list[tuple[str, str]]:
    return [
        (figure.picture.name, draw(figure.picture))
        for section in catalogue_report(workload_rows(scale), 2025)
        for figure in section.figures
    ]


def _texts(svg: str) -> list[tuple[float, float, float, str]]:
    """Left, right and baseline of each word that lies straight."""
    found = []
    for text in ET.fromstring(svg).iter(SVG + "text"):
        if text.get("transform"):
            continue
        words = text.text or ""
        wide = sum(2 if ord(each) > 0x2E7F else 1 for each in words)
        width = wide * (14 if "p-h" in (text.get("class") or "") else FONT) * 0.58
        x = float(text.get("x") or 0)
        left = {"start": x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor") or "start"]
        found.append((left, left + width, float(text.get("y") or 0), words))
    return found


@pytest.mark.parametrize("scale", SCALES)
def test_no_label_leaves_the_picture_or_lies_on_another(scale: float) -> None:
    for name, svg in _pictures(scale):
        texts = _texts(svg)
        height = float(ET.fromstring(svg).get("height") or 0)
        for left, right, y, words in texts:
            assert left >= -1 and right <= WIDTH + 1 and 8 < y <= height, (name, words)
        for number, (left, right, y, words) in enumerate(texts):
            for other_left, other_right, other_y, other_words in texts[number + 1 :]:
                is_apart = right <= other_left or other_right <= left or abs(y - other_y) >= FONT - 2
                assert is_apart, (name, words, other_words)


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_drawn_stays_inside_the_picture(scale: float) -> None:
    for name, svg in _pictures(scale):
        root = ET.fromstring(svg)
        height = float(root.get("height") or 0)
        for path in root.iter(SVG + "path"):
            places = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d") or "")
            assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= height for x, y in places), name
        assert "nan" not in svg and "inf" not in svg


def test_every_picture_says_in_words_what_it_shows() -> None:
    for _, svg in _pictures(1.0):
        root = ET.fromstring(svg)
        title, description = root.find(SVG + "title"), root.find(SVG + "desc")
        assert title is not None and title.text and description is not None and description.text
        assert root.get("role") == "img" and root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_pictures_and_pages_are_the_same_for_the_same_counts() -> None:
    assert _pictures(0.01) == _pictures(0.01)
    pages = {write_page("Test", "today", catalogue_report(workload_rows(0.01), 2025)) for _ in range(2)}
    assert len(pages) == 1


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_a_page_runs_nothing_and_fetches_nothing_whatever_the_names() -> None:
    text = write_page(HOSTILE, HOSTILE, catalogue_report(workload_rows(0.01), 2025))
    page = _Page()
    page.feed(text)
    text.encode("utf-8")
    assert "script" not in page.tags and not {"link", "iframe", "img", "object"} & set(page.tags)
    assert all(re.fullmatch(r"#[a-z-]+|[a-z0-9-]+\.svg", link) for link in page.links), page.links
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)
    assert page.tags.count("figure") == page.tags.count("details") == page.tags.count("svg")


def test_counts_that_say_nothing_make_no_pictures() -> None:
    assert [section.figures for section in catalogue_report([], 2025)] == [()]
    unknown = [Row(report=report, bucket=-1, number=5) for report in ("popularity", "duration", "album_year", "country", "explicit")]
    sections = catalogue_report(unknown, 2025)
    assert [figure for section in sections for figure in section.figures] == []
    write_page("Empty", "", sections)


REPORTS = ("popularity", "rank", "duration", "album_year", "album_size", "songs_per_isrc", "label", "status", "file_kind", "tempo", "key",
           "country")  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(
    st.builds(Row, report=st.sampled_from(REPORTS),
              bucket=st.integers(0, 9999), name=st.none() | st.text(), number=st.integers(1, 10**12), held=st.integers(0, 1),
              plays_by_rank=st.integers(0, 10**15), duration_ms=st.integers(0, 10**15), bytes=st.integers(0, 10**18)),
    max_size=12, unique_by=lambda row: (row.report, row.bucket),
))  # fmt: skip
def test_any_counts_make_well_formed_pictures(rows: list[Row]) -> None:
    for section in catalogue_report(rows, 2025):
        for figure in section.figures:
            ET.fromstring(draw(figure.picture))


def test_peaks_are_found_and_named() -> None:
    rows = {row.bucket: row.number for row in workload_rows(1.0) if row.report == "duration"}
    assert sorted(find_peaks(rows)) == [120, 180, 240]
    assert find_peaks(dict.fromkeys(range(600), 1000)) == []
    section = next(section for section in catalogue_report(workload_rows(1.0), 2025) if section.heading == "Durations")
    assert "Peaks: 2:00, 3:00, 4:00." in section.words
    assert [note.text for note in section.figures[0].picture.notes] == ["2:00", "3:00", "4:00"]  # type: ignore[union-attr]


def test_doubtful_years_are_told_and_kept() -> None:
    section = next(section for section in catalogue_report(workload_rows(1.0), 2025) if section.heading == "Albums")
    assert any("1901" in sentence and "2040 (1)" in sentence for sentence in section.words)
    assert {row[0] for row in section.figures[0].table.rows if row[2] == "doubtful"} == {"1901", "1905", "1912", "1920", "2040"}


def test_estimated_plays_are_called_estimates() -> None:
    counted = [Row(report="popularity", bucket=n, number=10, counted=10, plays=10 * n + 1) for n in range(3)]
    guessed = [Row(report="popularity", bucket=n, number=10, counted=9, plays=10 * n + 1, plays_by_rank=5) for n in range(3)]
    for rows, word in ((counted, "counted plays"), (guessed, "estimates")):
        words = " ".join(sentence for section in catalogue_report(rows, 2025) for sentence in section.words)
        assert word in words


@given(low=st.just(0.0) | st.floats(1e-6, 1e12), span=st.floats(1e-6, 1e15), is_log=st.booleans(), unit=st.sampled_from(UNITS))
def test_an_axis_shows_its_values_between_few_round_ticks(low: float, span: float, is_log: bool, unit: str) -> None:
    values = [low % 1e4, low % 1e4 + span % 1e4 + 1] if unit == "seconds" else [low, low + span]
    scale = make_scale(Axis(title="x", unit=unit, is_log=is_log), values, 0, 100, 6)  # type: ignore[arg-type]
    assert len(scale.ticks) <= 9
    assert all(-1e-6 <= scale.place(value) <= 100 + 1e-6 for value in values)
    assert scale.place(values[1]) >= scale.place(values[0])
    labels = [write_value(tick, unit) for tick in scale.ticks]  # type: ignore[arg-type]
    assert all(len(label) < 16 for label in labels)


@pytest.mark.parametrize(("value", "unit", "text"), [
    (0, "count", "0"), (999, "count", "999"), (1000, "count", "1 k"), (2.5e6, "count", "2.5 M"), (209e6, "count", "209 M"),
    (0.5, "share", "50 %"), (0.9996, "share", "99.96 %"), (1, "share", "100 %"), (0.00001, "share", "0.001 %"), (1e-8, "share", "1e-6 %"),
    (180, "seconds", "3:00"),
    (257e12, "bytes", "257 TB"), (1000, "bytes", "1 kB"), (1990, "plain", "1990"), (75, "kbits", "75 kbit/s"),
])  # fmt: skip
def test_values_are_written_short(value: float, unit: str, text: str) -> None:
    assert write_value(value, unit) == text  # type: ignore[arg-type]


@given(text=st.text(), width=st.integers(20, 400))
def test_a_shortened_name_fits_and_keeps_its_ends(text: str, width: int) -> None:
    short = shorten(text, width)
    assert text_width(short) <= width
    if short != text:
        head, tail = short.split("…", 1) if text.count("…") == 0 else ("", "")
        assert text.startswith(head) and text.endswith(tail)


LICENCES = [f"Creative Commons Attribution{element} {version}" for element in ("", "-ShareAlike", "-NonCommercial-NoDerivatives")
            for version in ("2.0", "3.0 England and Wales", "4.0")]  # fmt: skip


def test_licences_can_be_told_apart() -> None:
    rows = [Row(report="rights", bucket=n, name=name, number=n) for n, name in enumerate(LICENCES, 1)]
    for names in ({}, {name: load_table().short_name(name) or "" for name in LICENCES}):
        (picture,) = (figure for section in catalogue_report(rows, 2025, names) for figure in section.figures)
        shown = {words for *_, words in _texts(draw(picture.picture)) if words.startswith("C")}
        assert len(shown) == len(LICENCES) and (not names or shown == set(names.values()))
        assert {row[0] for row in picture.table.rows} == set(LICENCES)


@pytest.mark.parametrize("name", ["W" * 60, "MÜSIK UND MEDIEN GMBH & CO. " * 2, "株式会社ワーナー" * 5, "ЖШЩЮ" * 15, "🎵" * 40, "x" * 48])
def test_wide_names_stay_inside(name: str) -> None:
    # widths of DejaVu Sans and of square characters, in font sizes
    wide = {"W": 0.99, "M": 0.87, "Ж": 1.08, "Ш": 1.07, "Щ": 1.09, "Ю": 1.08, "x": 0.6, "🎵": 1.25, "…": 1.0}
    svg = draw(NamedBars(name="p", title="t", description="d", rows=((name, 5.0), ("Sony", 12_345.0))))
    for text in ET.fromstring(svg).iter(SVG + "text"):
        words = text.text or ""
        width = FONT * sum(wide.get(each, 1.0 if ord(each) > 0x2E7F else 0.72) for each in words)
        x = float(text.get("x") or 0)
        assert (x - width >= 0) if text.get("text-anchor") == "end" else (x + width <= WIDTH), words
    assert name != "x" * 48 or name in svg


def test_nothing_is_drawn_of_what_is_held_where_only_unknown_popularity_is() -> None:
    rows = [Row(report="popularity", bucket=-1, number=5, held=5), Row(report="popularity", bucket=0, number=5, held=0)]
    names = [figure.picture.name for section in catalogue_report(rows, 2025) for figure in section.figures]
    assert "held-by-popularity" not in names


def test_lines_areas_steps_and_points_are_drawn() -> None:
    points = ((1.0, 1.0), (10.0, 100.0), (1000.0, 3.0))
    for kind in ("line", "area", "step", "points", "bars"):
        for is_log in (True, False):
            plot = Plot(name="p", title="t", description="d", x=Axis(title="x", is_log=is_log), y=Axis(title="y", is_log=is_log),
                        marks=(Mark(kind=kind, points=points, name="one"),), notes=(Note(10, 100, "here"),))  # type: ignore[arg-type] # fmt: skip
            ET.fromstring(draw(plot))
    ET.fromstring(draw(Plot(name="p", title="t", description="d", x=Axis(title="x"), y=Axis(title="y"), marks=())))
    ET.fromstring(draw(NamedBars(name="p", title="t", description="d", rows=())))


def test_png_is_drawn_from_the_same_svg() -> None:
    pytest.importorskip("resvg_py")
    for _, svg in _pictures(0.01)[:4]:
        png = write_png(svg)
        width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
        root = ET.fromstring(svg)
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert (width, height) == (2 * WIDTH, 2 * int(float(root.get("height") or 0)))
        assert len(set(png)) > 50  # not one colour
