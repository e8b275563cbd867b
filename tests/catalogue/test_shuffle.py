"""Shuffles of catalogues: every track that passes once, resumed anywhere the same, weighted exactly; cursors that refuse other editions."""

from __future__ import annotations

import itertools
import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import apsw
import numpy as np
import pytest
from chi_square import KEYS, MOST_DEVIATION, deviation
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.catalogue.filters import TrackFilter
from fonoteca.catalogue.popularity_ranges import popularity_ranges
from fonoteca.catalogue.random_words import key_of_seed
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.shuffle import Shuffle, resume_shuffle, start_shuffle
from fonoteca.catalogue.shuffle_cursor import Cursor, read_cursor, write_cursor
from fonoteca.catalogue.shuffle_members import MemberSlice, RowBitmap, RowList, RowRange, collect_members
from fonoteca.catalogue.shuffle_order import UniformOrder, WeightedOrder
from fonoteca.catalogue.shuffle_rows import ALL, SHOWN, choose_members, rows_that_pass
from fonoteca.catalogue.statistics import count_statistics
from fonoteca.ground.errors import UsageError
from made_editions import MadeCatalogue, Shape, opened, write_catalogue

WITHDRAWN = STATES.index("withdrawn")
SMALL, LARGE = 600, 70_000  # below and above what is shuffled exactly
FILTERS = [
    TrackFilter(),
    TrackFilter(is_held=True),
    TrackFilter(is_missing=True),
    TrackFilter(artist="Artist 3"),
    TrackFilter(album="Album 12"),
    TrackFilter(label="Label 03"),
    TrackFilter(isrc="SE1AB00"),
    TrackFilter(isrc="JP"),
    TrackFilter(country="SE", year_from=1970, year_to=1979),
    TrackFilter(popularity_from=40, popularity_to=60),
    TrackFilter(popularity_to=0, is_held=True),
    TrackFilter(artist="nobody"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shuffled")
    write_catalogue(made / "small", SMALL)
    write_catalogue(made / "large", LARGE)
    write_catalogue(made / "working", SMALL, is_edition=False)
    write_catalogue(made / "later", SMALL + 1, date="2026-12-01")
    connection = sqlite3.connect(made / "working")
    connection.execute("DELETE FROM tracks WHERE track % 10 IN (2, 3, 4)")  # gaps
    connection.commit()
    connection.close()
    return made


@pytest.fixture(params=["small", "large", "working"])
def catalogue(folder: Path, request: pytest.FixtureRequest) -> Iterator[MadeCatalogue]:
    with opened(folder / request.param, is_edition=request.param != "working") as found:
        yield found


@pytest.fixture
def small(folder: Path) -> Iterator[MadeCatalogue]:
    with opened(folder / "small") as found:
        yield found


def ids_that_pass(catalogue: MadeCatalogue, track_filter: TrackFilter, more: str = "1") -> list[str]:
    sql, values = track_filter.condition(catalogue.is_edition)
    return sorted(row[0] for row in catalogue.statements.rows(f"SELECT t.id FROM tracks t WHERE {sql} AND {more}", values))


@pytest.mark.parametrize("is_weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("is_edition", [True, False], ids=["edition", "working"])
@pytest.mark.parametrize("has_statistics", [True, False])
def test_withdrawn_tracks_come_only_when_asked_for(tmp_path: Path, is_edition: bool, is_weighted: bool, has_statistics: bool) -> None:
    write_catalogue(tmp_path / "c", 200, is_edition=is_edition, shape=Shape(state=lambda track: WITHDRAWN if track % 5 == 0 else 0))
    if has_statistics and is_edition:
        count_statistics(apsw.Connection(str(tmp_path / "c")))
    with opened(tmp_path / "c", is_edition=is_edition) as catalogue:
        for wanted in (TrackFilter(), TrackFilter(artist="Artist 3"), TrackFilter(popularity_from=20)):
            found = list(start_shuffle(catalogue, wanted, "x", is_weighted=is_weighted))
            assert sorted(track.id for track in found) == ids_that_pass(catalogue, wanted, "t.state <> 5")
            head = start_shuffle(catalogue, wanted, "x", is_weighted=is_weighted)
            first = list(itertools.islice(head, 7))
            assert first + list(resume_shuffle(catalogue, head.cursor())) == found
        asked = TrackFilter(status="withdrawn")
        found = list(start_shuffle(catalogue, asked, "x", is_weighted=is_weighted))
        assert len(found) == 40 and {track.status for track in found} == {"withdrawn"}


@pytest.mark.parametrize("is_weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("track_filter", FILTERS, ids=lambda found: found.key)
def test_every_track_that_passes_comes_once(catalogue: MadeCatalogue, track_filter: TrackFilter, is_weighted: bool) -> None:
    shuffle = start_shuffle(catalogue, track_filter, "a", is_weighted=is_weighted)
    found = [track.id for track in shuffle]
    assert sorted(found) == ids_that_pass(catalogue, track_filter)
    assert shuffle.is_finished
    assert not list(resume_shuffle(catalogue, shuffle.cursor()))


def test_the_same_seed_gives_the_same_order_and_another_seed_another(small: MadeCatalogue) -> None:
    orders = [[track.id for track in start_shuffle(small, TrackFilter(), seed)] for seed in ("a", "a", "b")]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("is_weighted", [False, True], ids=["even", "weighted"])
@pytest.mark.parametrize("track_filter", [TrackFilter(), TrackFilter(is_held=True), TrackFilter(label="Label 03")], ids=lambda f: f.key)
def test_a_shuffle_resumed_at_any_place_goes_on_the_same(folder: Path, track_filter: TrackFilter, is_weighted: bool) -> None:
    for name, is_edition in (("small", True), ("working", False)):
        with opened(folder / name, is_edition=is_edition) as catalogue:
            shuffle = start_shuffle(catalogue, track_filter, "å", is_weighted=is_weighted)
            cursors, order = [shuffle.cursor()], []
            for track in shuffle:
                order.append(track.id)
                cursors.append(shuffle.cursor())
            for place in {*range(0, len(cursors), 23), *range(10), len(cursors) - 1}:
                assert [track.id for track in resume_shuffle(catalogue, cursors[place])] == order[place:]


def test_what_is_told_of_a_track_is_what_the_catalogue_has(small: MadeCatalogue) -> None:
    names = "id, title, artists, album, date, duration_ms, popularity, isrcs, status"
    known = {row[0]: row for row in small.statements.rows(f"SELECT {names} FROM tracks_with_artists")}
    for track in start_shuffle(small, TrackFilter(), "a"):
        found = (
            track.id,
            track.title,
            track.artists,
            track.album,
            track.date,
            track.duration_ms,
            track.popularity,
            track.isrc,
            track.status,
        )
        assert found == known[track.id]


def test_common_filters_are_met_on_the_way_and_rare_ones_listed(folder: Path) -> None:
    with opened(folder / "large") as large:

        def chosen(track_filter: TrackFilter) -> tuple[type, bool]:
            members, condition = choose_members(large.statements, True, track_filter)
            return type(members), condition in (ALL, SHOWN)

        assert chosen(TrackFilter(is_held=True)) == (RowRange, False)
        assert chosen(TrackFilter(popularity_from=3)) == (RowRange, True)
        assert chosen(TrackFilter(artist="Artist 3")) == (RowList, True)
        assert chosen(TrackFilter(isrc="SE1AB00400")) == (RowList, True)  # fmt: skip


def test_tracks_deleted_and_changed_on_the_way_neither_stop_nor_repeat_others(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "c", 500, is_edition=False)
    with opened(tmp_path / "c", is_edition=False) as catalogue:
        shuffle = start_shuffle(catalogue, TrackFilter(), "a")
        head = [track.id for track in itertools.islice(shuffle, 100)]
        with sqlite3.connect(tmp_path / "c") as writer:
            writer.execute("DELETE FROM tracks WHERE track BETWEEN 100 AND 199")
        rest = [track.id for track in resume_shuffle(catalogue, shuffle.cursor())]
        assert len({*head, *rest}) == len(head) + len(rest)
        assert {*head, *rest} >= set(ids_that_pass(catalogue, TrackFilter()))


def test_a_long_walk_takes_no_more_memory_than_a_short_one(folder: Path) -> None:
    peaks = []
    for count in (3_000, LARGE):
        with opened(folder / "large") as large:
            shuffle = start_shuffle(large, TrackFilter(), "a")
            tracemalloc.start()
            assert sum(1 for _ in itertools.islice(shuffle, count)) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 100_000


@pytest.mark.parametrize("track_filter", FILTERS, ids=lambda found: found.key)
def test_rows_are_looked_up_by_their_numbers_whatever_is_asked_of_them(folder: Path, track_filter: TrackFilter) -> None:
    condition, values = track_filter.condition(True)
    with opened(folder / "large") as large:
        seen: list[str] = []
        large.statements.connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: seen.append(str(event["sql"])))
        list(rows_that_pass(large.statements, "j.key", np.arange(1, 5), (condition, values)))
        large.statements.connection.trace_v2(0)
        asked = next(sql for sql in seen if "json_each" in sql)
        plan = [str(row[3]) for row in large.statements.rows(f"EXPLAIN QUERY PLAN {asked}", ("[1]", *values))]
    assert plan[:2] == ["SCAN j VIRTUAL TABLE INDEX 1:", "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)"]
    assert not any(step.startswith("SCAN t") for step in plan)


# rows


@given(st.sets(st.integers(1, 5000)), st.booleans())
def test_lists_and_bitmaps_hold_the_same_rows(rows: set[int], as_bitmap: bool) -> None:
    members: RowList | RowBitmap = collect_members([(row,) for row in rows], 1, 5000)
    ordered = sorted(rows)
    if as_bitmap:
        bits = np.zeros(5001, dtype=np.uint8)
        bits[ordered] = 1
        members = RowBitmap(1, np.packbits(bits[1:], bitorder="little"))
    assert members.size == len(rows)
    assert members.select(np.arange(len(rows))).tolist() == ordered
    for row in (0, 1, 77, 2500, 5000, 5001, 9000):
        assert members.rank(row) == sum(one < row for one in ordered)
    half = MemberSlice(members, len(rows) // 2, len(rows) - len(rows) // 2)
    assert half.select(np.arange(half.size)).tolist() == ordered[len(rows) // 2 :]


def test_a_list_that_would_take_more_room_than_a_bitmap_becomes_one() -> None:
    rows = [(row,) for row in range(1, 300_000, 3)]
    found = collect_members(reversed(rows), 1, 300_000)
    assert isinstance(found, RowBitmap)
    assert found.select(np.arange(found.size)).tolist() == [row for (row,) in rows]
    assert isinstance(collect_members(rows[:1000], 1, 10**9), RowList)


@pytest.mark.parametrize(
    "shape", [Shape(), Shape(popularity=lambda track, count: None), Shape(popularity=lambda track, count: 99.5 - track / 7)]
)
def test_classes_of_popularity_are_found_by_halving_as_the_statistics_have_them(tmp_path: Path, shape: Shape) -> None:
    write_catalogue(tmp_path / "e", 400, shape=shape)
    with opened(tmp_path / "e") as edition:
        query = "SELECT coalesce(CAST(popularity AS INTEGER), -1), min(track), max(track) FROM tracks GROUP BY 1 ORDER BY 1 DESC"
        assert [(found, rows.first, rows.last) for found, rows in popularity_ranges(edition.statements)] == list(
            edition.statements.rows(query)
        )


# weights


def test_weighted_orders_have_exactly_their_probabilities() -> None:
    weights = {1: 1, 2: 1, 3: 2, 4: 5, 5: 5}  # row → weight
    classes = [(5, RowRange(4, 5)), (2, RowRange(3, 3)), (1, RowRange(1, 2))]
    expected = {}
    for order in itertools.permutations(weights):
        left, chance = sum(weights.values()), 1.0
        for row in order:
            chance *= weights[row] / left
            left -= weights[row]
        expected[order] = chance
    found = Counter(tuple(WeightedOrder(classes, key).take(5).tolist()) for key in KEYS)
    assert abs(deviation([found[order] for order in expected], [chance * len(KEYS) for chance in expected.values()])) < MOST_DEVIATION
    even = [len(KEYS) / len(expected)] * len(expected)
    assert deviation([found[order] for order in expected], even) > 5 * MOST_DEVIATION


def test_members_of_a_filter_keep_their_weights_among_themselves() -> None:
    # walking on over those that do not pass: rows 2 and 4 of classes 1 to 5
    classes = [(5, RowRange(4, 5)), (2, RowRange(3, 3)), (1, RowRange(1, 2))]
    keys = KEYS[:6000]
    first = sum(next(row for row in WeightedOrder(classes, key).take(5).tolist() if row in (2, 4)) == 4 for key in keys)
    assert abs(deviation([first, len(keys) - first], [len(keys) * 5 / 6, len(keys) / 6])) < MOST_DEVIATION


@pytest.mark.parametrize("is_edition", [True, False])
def test_popularity_plus_one_is_the_weight(tmp_path: Path, is_edition: bool) -> None:
    # 3 of popularity 9, 30 of popularity 0 or unknown: both classes weigh 30, so each comes first as often
    shape = Shape(popularity=lambda track, count: 9.0 if track <= 3 else 0.0 if track <= 20 else None)
    write_catalogue(tmp_path / "e", 33, shape=shape, is_edition=is_edition)
    with opened(tmp_path / "e", is_edition=is_edition) as edition:
        firsts = Counter(next(iter(Shuffle(edition, TrackFilter(), key, is_weighted=True))).popularity for key in KEYS[:600])
    assert abs(deviation([firsts[9.0], firsts[0.0], firsts[None]], [300, 170, 130])) < MOST_DEVIATION


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 101), st.integers(1, 50)), min_size=1, max_size=8, unique_by=lambda one: one[0]), st.integers(0, 400)
)
def test_a_weighted_order_taken_in_any_pieces_is_the_same(sizes: list[tuple[int, int]], cut: int) -> None:
    classes, first = [], 1
    for weight, size in sizes:
        classes.append((weight, RowRange(first, first + size - 1)))
        first += size
    whole = WeightedOrder(classes, KEYS[1]).take(first).tolist()
    assert sorted(whole) == list(range(1, first))
    order = WeightedOrder(classes, KEYS[1])
    head = order.take(cut).tolist()
    again = WeightedOrder(classes, KEYS[1], order.state_after(len(head)))
    assert head + again.take(first).tolist() == whole
    assert UniformOrder(RowRange(1, first - 1), KEYS[1]).take(first).tolist() != []


# cursors


CURSORS = st.builds(
    Cursor, key=st.binary(min_size=16, max_size=16), mark=st.binary(min_size=8, max_size=8), described=st.text(max_size=40),
    filter=st.text(max_size=40), is_weighted=st.booleans(),
    state=st.lists(st.integers(0, 2**40), max_size=101).map(lambda state: (*state, 1)),
)  # fmt: skip


@given(CURSORS)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    text = write_cursor(cursor)
    assert text.isalnum() and text.isascii()
    assert read_cursor(f" {text}\n") == cursor


@given(st.text(max_size=60))
def test_any_other_text_is_no_cursor(text: str) -> None:
    for candidate in (text, "s" + text):
        with pytest.raises(UsageError):
            read_cursor(candidate)


def test_a_wrong_missing_or_added_character_is_noticed(small: MadeCatalogue) -> None:
    text = start_shuffle(small, TrackFilter(), "a").cursor()
    changed = [text[:place] + ("2" if text[place] != "2" else "3") + text[place + 1 :] for place in range(1, len(text))]
    for wrong in [*changed, text[:-1], text + "2", text[1:], "", "s", "s2", "z" * 200_000]:
        with pytest.raises(UsageError):
            resume_shuffle(small, wrong)


def test_a_cursor_of_another_edition_is_refused_and_both_are_named(folder: Path, small: MadeCatalogue) -> None:
    with opened(folder / "later") as later, pytest.raises(UsageError) as refused:
        resume_shuffle(later, start_shuffle(small, TrackFilter(), "a").cursor())
    assert "2026-11-22" in refused.value.message and "2026-12-01" in refused.value.message
    assert "600 rows" in refused.value.message and "601 rows" in refused.value.message
    assert "--edition" in refused.value.hint


def test_a_cursor_carries_its_filter_and_refuses_another(small: MadeCatalogue) -> None:
    cursor = start_shuffle(small, TrackFilter(artist="Artist 3"), "a").cursor()
    assert {track.artists for track in resume_shuffle(small, cursor)} == {"Artist 3"}
    assert len(list(resume_shuffle(small, cursor, TrackFilter(artist="Artist 3")))) == 20
    with pytest.raises(UsageError) as refused:
        resume_shuffle(small, cursor, TrackFilter(artist="Artist 4"))
    assert "Artist 3" in refused.value.message and "Artist 4" in refused.value.message


def test_a_working_catalogue_that_grew_or_lists_others_refuses_the_cursor(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "c", 300, is_edition=False)
    with opened(tmp_path / "c", is_edition=False) as catalogue:
        whole = start_shuffle(catalogue, TrackFilter(), "a").cursor()
        listed = start_shuffle(catalogue, TrackFilter(artist="Artist 3"), "a").cursor()
        with sqlite3.connect(tmp_path / "c") as writer:
            writer.execute("UPDATE tracks SET artist = 3 WHERE track = 7")
        assert len(list(resume_shuffle(catalogue, whole))) == 300
        with pytest.raises(UsageError, match="the tracks themselves have changed"):
            resume_shuffle(catalogue, listed)
        with sqlite3.connect(tmp_path / "c") as writer:
            writer.execute("INSERT INTO tracks (id, state) VALUES ('x', 0)")
        with pytest.raises(UsageError, match="300 rows, here is a working catalogue with 301 rows"):
            resume_shuffle(catalogue, whole)


def test_a_catalogue_without_tracks_gives_none(tmp_path: Path) -> None:
    for is_edition, is_weighted in itertools.product((True, False), repeat=2):
        write_catalogue(tmp_path / f"{is_edition}{is_weighted}", 0, is_edition=is_edition)
        with opened(tmp_path / f"{is_edition}{is_weighted}", is_edition=is_edition) as catalogue:
            assert list(start_shuffle(catalogue, TrackFilter(), "a", is_weighted=is_weighted)) == []
            assert key_of_seed("a") != key_of_seed("b")
