"""Ids, ISRCs and popularity."""

from __future__ import annotations

import hashlib
import math
import uuid

import pytest
import shortuuid
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue import (
    PLAYS_AT_1,
    PLAYS_AT_100,
    album_id_of,
    artist_id_of,
    is_public_id,
    parse_isrc,
    parse_isrcs,
    parse_mbid,
    path_track_id_of,
    popularity_of_plays,
    second_score,
    track_id_of,
)
from fonoteca.ground.errors import UsageError


@given(st.binary(min_size=32, max_size=32))
def test_track_id_can_be_computed_back_to_half_the_hash(digest: bytes) -> None:
    track_id = track_id_of(digest.hex())
    assert is_public_id(track_id)
    assert shortuuid.decode(track_id) == uuid.UUID(bytes=digest[:16])


def test_ids_of_different_things_differ() -> None:
    ids = {
        artist_id_of("a"),
        artist_id_of("A"),
        artist_id_of("a", "m"),
        album_id_of("a", ()),
        album_id_of("a", ("b",)),
        album_id_of(None, ("a", "b")),
        album_id_of("", ()),
        album_id_of(None, ()),
        album_id_of("a", (), None, "b"),
        album_id_of("a", (), "b"),
        path_track_id_of("a"),
        path_track_id_of("\udcff"),
    }
    assert len(ids) == 12 and all(is_public_id(text) for text in ids)


def test_artist_with_an_mbid_is_one_under_any_name() -> None:
    assert artist_id_of("a", "m") == artist_id_of("b", "m")
    assert artist_id_of("é") == artist_id_of("e\u0301")


@pytest.mark.parametrize(
    "text", ["USRC17607839", "us-rc1-76-07839", "ISRC US-RC1-76-07839", "isrc:USRC17607839", " US RC1 76 07839 ", "US‐RC1‐76‐07839"]
)
def test_isrc_is_normalised(text: str) -> None:
    assert parse_isrc(text) == "USRC17607839"


@pytest.mark.parametrize(
    "text", ["", "USRC1760783", "USRC176078399", "1SRC17607839", "USRC1760783A", "ＵSRC17607839", "x" * 10**6, "ISRC", "\0" * 12]
)
def test_what_is_no_isrc_is_none(text: str) -> None:
    assert parse_isrc(text) is None


def test_several_isrcs_in_one_value_are_told_apart() -> None:
    assert parse_isrcs(("USRC17607839, usrc17607840/USRC17607839", "junk", "")) == (("USRC17607839", "USRC17607840"), ("junk",))


def test_unknown_prefix_is_no_refusal() -> None:
    assert parse_isrc("XX0010000001") == "XX0010000001"


def test_mbid_is_found_in_an_address() -> None:
    mbid = "aaaaaaaa-0000-4000-8000-000000000000"
    assert parse_mbid(f"https://musicbrainz.org/recording/{mbid.upper()}/") == mbid
    assert parse_mbid("aaaaaaaa") is None


def test_popularity_is_fixed_by_its_two_points() -> None:
    assert popularity_of_plays(PLAYS_AT_1 - 1) == 0
    assert popularity_of_plays(PLAYS_AT_1) == 1
    assert popularity_of_plays(PLAYS_AT_100) == 100
    assert popularity_of_plays(10 * PLAYS_AT_100) == 100
    assert popularity_of_plays(round(math.sqrt(PLAYS_AT_1 * PLAYS_AT_100))) == pytest.approx(50.5, abs=1e-6)
    with pytest.raises(UsageError):
        popularity_of_plays(5, 100, 100)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_more_plays_never_score_less(plays: int, more: int) -> None:
    assert 0 <= popularity_of_plays(plays) <= popularity_of_plays(plays + more) <= 100


def test_second_score_follows_its_definition() -> None:
    score = second_score(30, 20, 999)
    assert score.low == score.high == pytest.approx(0.3 + 0.2 + 3 / 8)
    assert second_score(100, 100, 10**12).high == 3
    assert second_score(30, 20, 999, has_other_held=True).high == pytest.approx(score.high - 10)


@given(st.none() | st.floats(0, 100), st.none() | st.floats(0, 100), st.none() | st.integers(0, 10**10))
def test_unknown_is_not_zero(artist: float | None, album: float | None, followers: int | None) -> None:
    score = second_score(artist, album, followers)
    filled = second_score(100 if artist is None else artist, 100 if album is None else album, 10**10 if followers is None else followers)
    assert score.high == pytest.approx(filled.low)
    assert score.low == pytest.approx(second_score(artist or 0, album or 0, followers or 0).low)


def test_id_does_not_depend_on_the_run() -> None:
    assert track_id_of(hashlib.sha256(b"").hexdigest()) == shortuuid.encode(uuid.UUID("e3b0c442-98fc-1c14-9afb-f4c8996fb924"))
