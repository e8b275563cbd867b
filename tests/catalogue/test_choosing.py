"""Tiers, tails and what they cost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records_made import number_id, number_record
from test_working_catalogue import file_row

from fonoteca.catalogue import (
    Catalogue,
    ClassCounter,
    SelectionRow,
    TrackClass,
    choose_files,
    choose_in_tail,
    choose_tier,
    compare_tiers,
    plan_each_tier,
    plan_tiers,
    second_score,
)
from fonoteca.catalogue.planner import plays_up_to_rank, shares_of_plays
from fonoteca.ground.errors import SettingsError
from fonoteca.ground.things import Tier

ORIGINAL = Tier("original", 1, takes_unknown=True)
TAIL = Tier("tail", 0, 75, cut_off=0.351, one_per_isrc=True)
TIERS = (ORIGINAL, TAIL)
TOTAL = 256_039_007


def tail_row(name: str, artist: float | None, isrcs: tuple[str, ...] = ()) -> SelectionRow:
    return SelectionRow(name, "held", 0.0, 0, artist, 0.0, 0, 1000, None, isrcs)


def test_unknown_popularity_belongs_to_the_original_tier() -> None:
    assert choose_tier(None, TIERS) is ORIGINAL
    assert choose_tier(None, (TAIL, Tier("best", 50))).name == "best"
    assert choose_tier(0, TIERS) is TAIL
    assert choose_tier(1, TIERS) is choose_tier(100, TIERS[::-1]) is ORIGINAL
    with pytest.raises(SettingsError):
        choose_tier(1, ())


def test_only_what_is_surely_below_the_cut_off_is_left_out() -> None:
    assert choose_in_tail(tail_row("a", 35.0), TAIL, set()).reason == "below-cut-off"
    assert choose_in_tail(tail_row("a", 35.1), TAIL, set()).is_kept
    assert choose_in_tail(tail_row("a", None), TAIL, set()).is_kept


def test_one_file_per_isrc_and_the_first_is_the_best() -> None:
    taken: set[str] = {"B"}
    choices = [
        choose_in_tail(row, TAIL, taken) for row in (tail_row("1", 90, ("A",)), tail_row("2", 80, ("A",)), tail_row("3", 70, ("B",)))
    ]
    assert [choice.reason for choice in choices] == ["kept", "same-isrc", "same-isrc"]
    assert choices[1].score is not None and choices[1].score.high < -9


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 100), st.sets(st.sampled_from("ABCD"), max_size=2), st.sampled_from([None, 0.0, 5.0])),
        max_size=12,
    ),
    st.randoms(),
)
def test_choice_is_that_of_the_rule_in_any_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, tracks: list[tuple[int | None, set[str], float | None]], chance: random.Random
) -> None:
    path = tmp_path_factory.mktemp("choices") / "c.sqlite3"
    numbers = list(range(len(tracks)))
    chance.shuffle(numbers)
    with Catalogue.create(path) as catalogue:
        with catalogue.transaction():
            for number in numbers:
                artist, isrcs, popularity = tracks[number]
                catalogue.put_track(
                    number_record(
                        number,
                        artists=(f"Solo {number}",),
                        album=None,
                        album_artists=(),
                        popularity=popularity,
                        followers=0,
                        artist_popularity=artist,
                        isrcs=tuple(f"USRC1000000{'ABCD'.index(isrc)}" for isrc in sorted(isrcs)),
                    )
                )
        chosen = {row.id: choice.reason for row, choice in choose_files(catalogue, TIERS)}
    assert chosen == _by_the_rule(tracks)


def _by_the_rule(tracks: list[tuple[int | None, set[str], float | None]]) -> dict[str, str]:
    reasons = {number_id(n): "kept" for n, track in enumerate(tracks) if track[2] != 0}
    taken = set().union(*(isrcs for _, isrcs, popularity in tracks if popularity != 0))
    tail = [(n, *track[:2]) for n, track in enumerate(tracks) if track[2] == 0]
    for number, artist, isrcs in sorted(tail, key=lambda one: (-(one[1] or 0) / 100, number_id(one[0]))):
        if isrcs & taken:
            reasons[number_id(number)] = "same-isrc"
        elif second_score(artist, None, 0).high < 0.351:
            reasons[number_id(number)] = "below-cut-off"
        else:
            reasons[number_id(number)] = "kept"
            taken |= isrcs
    return reasons


def test_packed_files_keep_their_place_and_their_isrc(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        for number in (1, 2):
            catalogue.put_track(number_record(number, popularity=0.0, isrcs=("USRC10000001",), artist_popularity=99.0))
        catalogue.put_track(number_record(3, popularity=50.0, isrcs=("USRC10000001",)))
        catalogue.put_track(number_record(4, status="wanted"))
        catalogue.put_file(number_id(1), file_row(1))
        reasons = {row.id: choice.reason for row, choice in choose_files(catalogue, TIERS)}
        assert reasons == {number_id(2): "same-isrc", number_id(3): "kept"}
    with Catalogue.open(tmp_path / "c.sqlite3", read_only=True) as reader:
        assert len(list(choose_files(reader, TIERS))) == 2


def reference_classes() -> list[TrackClass]:
    """The shape of the reference workload: 47 M played tracks of 4.0 MB, 39 M of 209 M unplayed ones above the cut-off."""
    played, kept = 47_000_000, 39_000_000
    rest = TOTAL - played - kept
    return [
        TrackClass(popularity=30, tracks=played, bytes=played * 4_000_000, duration_ms=played * 200_000),
        TrackClass(popularity=0, second_score=0.351, tracks=kept, bytes=kept * 3_780_000, duration_ms=kept * 189_000),
        TrackClass(popularity=0, second_score=0.35, tracks=rest, bytes=rest * 4_200_000, duration_ms=rest * 210_000),
    ]


def test_reference_release_comes_out_as_it_was() -> None:
    plan = plan_tiers("as set", reference_classes(), TIERS, cores=2)
    assert plan.files == 86_000_000
    assert plan.terabytes == pytest.approx(257, rel=0.03)
    assert plan.share_of_plays == pytest.approx(0.996, abs=0.0005)
    assert plan.core_hours / 24 == pytest.approx(850, rel=0.01)
    assert plan.hours == plan.core_hours / 2
    parts = plan_each_tier(reference_classes(), TIERS)
    assert [row.files for row in parts] == [47_000_000, 39_000_000]
    assert [row.terabytes for row in parts] == [pytest.approx(188, rel=0.01), pytest.approx(69, rel=0.01)]
    assert sum(row.share_of_plays for row in parts) == pytest.approx(plan.share_of_plays)


def test_alternatives_cost_more_at_higher_rates_and_less_at_higher_cut_offs() -> None:
    rows = {row.name: row for row in compare_tiers(reference_classes(), TIERS)}
    assert rows["encoded at 48 kbit/s"].bytes < rows["as set"].bytes < rows["encoded at 128 kbit/s"].bytes
    assert rows["cut-off at 0.5"].files < rows["as set"].files < rows["no cut-off"].files == TOTAL
    assert rows["without the tail"].files == 47_000_000 and rows["without the tail"].core_hours == 0
    assert rows["all as it came"].encoded_files == 0
    assert rows["no cut-off"].share_of_plays == pytest.approx(1)


def test_sum_over_ranks_is_the_plain_sum() -> None:
    for rank in (0, 1, 5, 1000, 1001, 200_000):
        assert plays_up_to_rank(rank) == pytest.approx(sum(r**-1.211 for r in range(1, rank + 1)), rel=1e-11)


def test_counted_plays_go_before_the_law() -> None:
    counted = [TrackClass(popularity=p, tracks=1, bytes=1, duration_ms=1, plays=plays) for p, plays in ((1, 10), (90, 30))]
    assert shares_of_plays(counted) == [0.25, 0.75]
    mixed = [*counted, TrackClass(popularity=None, tracks=10, bytes=1, duration_ms=1)]
    shares = shares_of_plays(mixed)
    assert sum(shares) == pytest.approx(1) and shares[1] == pytest.approx(3 * shares[0]) and shares[2] > 0
    assert shares_of_plays([]) == []


def test_source_at_or_below_the_rate_is_kept_as_it_came() -> None:
    low = TrackClass(popularity=0, tracks=10, bytes=10 * 9375, duration_ms=10_000)
    plan = plan_tiers("x", [low], TIERS)
    assert (plan.encoded_files, plan.bytes) == (0, 93_750)


def test_counted_classes_plan_like_their_tracks() -> None:
    chance = random.Random(5)
    tiers = (Tier("original", 1, takes_unknown=True), Tier("tail", 0, 80, cut_off=0.4, one_per_isrc=True))
    counter, tracks = ClassCounter(tiers), []
    for _ in range(2000):
        popularity, score = chance.choice([None, 0.0, 0.0, 3.5]), chance.random()
        size, duration, repeats = chance.choice([None, chance.randrange(5000, 40000)]), chance.randrange(500, 2000), chance.random() < 0.1
        counter.add(popularity, score, size, duration, None, repeats)
        tracks.append(
            TrackClass(
                popularity=popularity,
                tracks=1,
                bytes=size or 0,
                duration_ms=duration,
                second_score=score,
                repeats_isrc=repeats,
                has_file=size is not None,
            )
        )
    whole, single = compare_tiers(counter.classes(), tiers), compare_tiers(tracks, tiers)
    assert len(counter.classes()) < 200
    for one, other in zip(whole, single, strict=True):
        assert (one.files, one.encoded_files, one.core_hours) == (other.files, other.encoded_files, pytest.approx(other.core_hours))
        assert one.bytes == pytest.approx(other.bytes, rel=1e-4)
