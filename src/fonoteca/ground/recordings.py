"""What is known of one recording where recordings are compared, and the evidence that two are the same."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["same", "perhaps", "apart"]
Saying = Literal["same", "apart"]


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One track as evidence sees it. `row` is its number in the catalogue it came from; nothing is decided by it.

    `artists` are the names of each artist: as credited first, then the name, sort name and aliases. `essences` are SHA-256 in hex;
    `album` is a public id; `fingerprint` holds raw Chromaprint items, 32 bits each, little-endian.
    """

    row: int
    id: str
    title: str | None = None
    artists: tuple[tuple[str, ...], ...] = ()
    duration_ms: int | None = None
    isrcs: tuple[str, ...] = ()
    recording_mbid: str | None = None
    essences: tuple[str, ...] = ()
    album: str | None = None
    disc: int | None = None
    number: int | None = None
    is_held: bool = False
    popularity: float | None = None
    fingerprint: bytes | None = None


class EvidencePart(msgspec.Struct, frozen=True):
    """One reason for or against: `score` in bits (each doubles the odds), `shown` says the fact in words."""

    part: str
    score: float
    shown: str


class Judgement(msgspec.Struct, frozen=True):
    """All that is said of one pair. `is_vetoed`: something contradicts, so that not even a chain of others joins the two."""

    score: float
    verdict: Verdict
    is_vetoed: bool
    parts: tuple[EvidencePart, ...]
