"""Pairs judged by evidence."""

from __future__ import annotations

import random

import pytest
from hypothesis import given

from fonoteca.ground.recordings import Recording
from fonoteca.identity import judge
from recordings_made import fingerprint_of, recording, some_alike

ISRC = ("USRC17607839",)


def verdict(one: Recording, other: Recording) -> str:
    return judge(one, other).verdict


def beatles(row: int, title: str = "Yesterday", **fields: object) -> Recording:
    return recording(row, title, "The Beatles", **({"duration_ms": 125_300} | fields))


@given(some_alike(2))
def test_judgement_is_symmetric(pair: list[Recording]) -> None:
    assert judge(*pair) == judge(*reversed(pair))


@given(some_alike(2))
def test_every_judgement_shows_its_parts(pair: list[Recording]) -> None:
    judgement = judge(*pair)
    assert judgement.score == pytest.approx(-10 + sum(part.score for part in judgement.parts), abs=0.02)
    assert all(part.shown for part in judgement.parts)
    assert not (judgement.is_vetoed and judgement.verdict == "same")


def test_same_names_and_duration_are_the_same() -> None:
    assert verdict(beatles(1), beatles(2)) == "same"
    assert verdict(beatles(1), recording(2, "YESTERDAY (Remastered 2009)", "Beatles", duration_ms=125_310)) == "same"


@pytest.mark.parametrize(
    "title",
    ["Yesterday (Live)", "Yesterday - Dave Remix", "Yesterday (Karaoke)", "Yesterday [Demo]", "Yesterday (Acoustic)", "Yesterday (Cover)"],
)
def test_another_version_is_apart_even_with_isrc_and_duration(title: str) -> None:
    judgement = judge(beatles(1, isrcs=ISRC), beatles(2, title, isrcs=ISRC))
    assert judgement.verdict == "apart"
    assert judgement.is_vetoed


def test_two_remixes_are_two_recordings() -> None:
    assert judge(beatles(1, "Blue (Dave Remix)"), beatles(2, "Blue (Ann Remix)")).is_vetoed
    assert verdict(beatles(1, "Help Me Now (Dave Remix)"), beatles(2, "Help Me Now - Dave Remix")) == "same"


def test_isrc_alone_joins_nothing() -> None:
    bare = recording(1, None, isrcs=ISRC), recording(2, None, isrcs=ISRC)
    assert verdict(*bare) == "apart"
    assert verdict(beatles(1, isrcs=ISRC), beatles(2, "Something Else", isrcs=ISRC)) == "apart"
    assert verdict(beatles(1, isrcs=ISRC), beatles(2, isrcs=ISRC, duration_ms=165_000)) == "apart"
    part = next(part for part in judge(beatles(1, isrcs=ISRC), beatles(2, isrcs=ISRC, duration_ms=165_000)).parts if part.part == "ISRC")
    assert part.score == 0


def test_isrc_helps_where_title_and_duration_agree() -> None:
    far = {"duration_ms": 127_900}
    assert verdict(beatles(1), beatles(2, **far)) == "perhaps"
    assert verdict(beatles(1, isrcs=ISRC), beatles(2, isrcs=ISRC, **far)) == "same"


def test_same_essence_decides_against_any_names() -> None:
    assert verdict(beatles(1, essences=("e",)), recording(2, "Else", "Other", essences=("e",), duration_ms=9)) == "same"


def test_other_mbids_with_durations_far_apart_contradict() -> None:
    judgement = judge(beatles(1, recording_mbid="a", isrcs=ISRC), beatles(2, recording_mbid="b", duration_ms=165_000, isrcs=ISRC))
    assert judgement.is_vetoed
    assert not judge(beatles(1, recording_mbid="a"), beatles(2, recording_mbid="b")).is_vetoed


def test_same_mbid_joins_under_another_title() -> None:
    assert verdict(beatles(1, recording_mbid="a"), beatles(2, "Gestern", recording_mbid="a")) == "same"


def test_sound_far_apart_contradicts_all_names() -> None:
    one, other = beatles(1, fingerprint=fingerprint_of(1), isrcs=ISRC), beatles(2, fingerprint=fingerprint_of(2), isrcs=ISRC)
    assert judge(one, other).is_vetoed


def test_same_sound_joins_without_names_and_outweighs_marks() -> None:
    sound = fingerprint_of(1)
    assert verdict(recording(1, None, fingerprint=sound), recording(2, None, fingerprint=sound)) == "same"
    assert verdict(beatles(1, fingerprint=sound), beatles(2, "Yesterday (Live)", fingerprint=sound)) == "same"


def test_silence_says_nothing() -> None:
    quiet = b"\x12\x34\x56\x78" * 300
    assert not any(part.part == "fingerprint" for part in judge(beatles(1, fingerprint=quiet), beatles(2, fingerprint=quiet)).parts)


def test_artists_count_in_any_order_and_under_aliases() -> None:
    one = recording(1, "Duet in the Night", "Ann", "Bob", duration_ms=200_123)
    assert verdict(one, recording(2, "Duet in the Night", "Bob", "Ann", duration_ms=200_123)) == "same"
    assert verdict(one, recording(2, "Duet in the Night", "Bob & Ann", duration_ms=200_123)) == "same"
    assert verdict(one, recording(2, "Duet in the Night (feat. Bob)", "Ann", duration_ms=200_123)) == "same"
    alias = Recording(row=3, id="3" * 22, title="Duet in the Night", artists=(("Anouk", "Ann"),), duration_ms=200_123)
    assert verdict(one, alias) == "same"
    assert verdict(one, recording(4, "Duet in the Night", "Carl", duration_ms=200_123)) == "apart"


def test_transliterated_names_agree() -> None:
    assert (
        verdict(recording(1, "Группа крови", "Кино", duration_ms=285_010), recording(2, "Gruppa krovi", "Kino", duration_ms=285_010))
        != "apart"
    )


def test_various_artists_are_nobody() -> None:
    parts = judge(recording(1, "Yesterday", "Various Artists"), beatles(2)).parts
    assert not any(part.part == "artists" for part in parts)


def test_two_places_of_one_album_are_seldom_one() -> None:
    places = [beatles(row, "Intro", album="a", number=row) for row in (1, 2)]
    assert verdict(*places) != "same"


def test_parts_of_a_work_are_apart() -> None:
    assert judge(beatles(1, "Sonata No. 1", isrcs=ISRC), beatles(2, "Sonata No. 2", isrcs=ISRC)).is_vetoed


def test_short_titles_tell_less() -> None:
    far = {"duration_ms": 125_900}
    assert judge(beatles(1, "Go"), beatles(2, "Go", **far)).score < judge(beatles(1, "Yesterday"), beatles(2, "Yesterday", **far)).score


def test_what_a_person_says_goes_before_all_else() -> None:
    one, other = beatles(1, essences=("e",)), beatles(2, essences=("e",))
    apart = judge(one, other, {(one.id, other.id): "apart"})
    assert (apart.verdict, apart.is_vetoed) == ("apart", True)
    odd = recording(3, "Else", "Other", duration_ms=1)
    assert judge(odd, one, {(one.id, odd.id): "same"}).verdict == "same"


def test_random_pairs_never_raise() -> None:
    chance = random.Random(1)
    for _ in range(200):
        texts = [
            "".join(chr(chance.choice([0, 32, 40, 41, 45, 0x202E, 0x661, 0x4E00, 0x1F600, 0xD7A3])) for _ in range(12)) for _ in range(4)
        ]
        judge(recording(1, texts[0], texts[1]), recording(2, texts[2], texts[3]))
