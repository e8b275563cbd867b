"""Recordings for tests of identity: plain ones, and by hypothesis ones that share much."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fonoteca.ground.recordings import Recording

TITLES = (
    "Yesterday", "Yesterday (Live)", "Yesterday - Remastered 2009", "yesterday (feat. Zoë)",
    "Intro", "Part 1", "Part 2", "???", "夜に駆ける",
    "Tomorrow Never Knows", "Tomorow Never Knows", "Blue (Dave Remix)", "Blue (Ann Remix)", "Blue", "", None,
)  # fmt: skip
ARTISTS = ("The Beatles", "Beatles", "Zoë", "Zoe", "Кино", "Kino", "Various Artists", "A & B", "B", "")


def recording(row: int, title: str | None = "Yesterday", *artists: str, **fields: Any) -> Recording:
    """A recording whose id is its row."""
    return Recording(row=row, id=f"{row:022d}", title=title, artists=tuple((name,) for name in artists), **fields)


def fingerprint_of(seed: int, items: int = 300) -> bytes:
    """Items that are random but the same for the same seed."""
    import random

    return random.Random(seed).randbytes(4 * items)


@st.composite
def alike(draw: st.DrawFn, row: int) -> Recording:
    """One of few titles, artists, durations and numbers, so that any two often agree."""
    return recording(
        row, draw(st.sampled_from(TITLES)), *draw(st.lists(st.sampled_from(ARTISTS), max_size=3)),
        duration_ms=draw(st.sampled_from([None, 0, 180_000, 180_050, 182_000, 190_000, 400_000])),
        isrcs=draw(st.sampled_from([(), ("USRC17607839",), ("GBAYE0601498", "USRC17607839")])),
        recording_mbid=draw(st.sampled_from([None, "a" * 8, "b" * 8])), essences=draw(st.sampled_from([(), (), ("e1",), ("e2",)])),
        fingerprint=draw(st.sampled_from([None, None, fingerprint_of(1), fingerprint_of(2), b"\0" * 400])),
        is_held=draw(st.booleans()), popularity=draw(st.sampled_from([None, 0.0, 50.0])),
        album=draw(st.sampled_from([None, "album"])), number=draw(st.sampled_from([None, 1, 2])),
    )  # fmt: skip


def some_alike(count: int) -> st.SearchStrategy[list[Recording]]:
    """So many recordings with rows 1 to `count`."""
    return st.tuples(*(alike(row) for row in range(1, count + 1))).map(list)
