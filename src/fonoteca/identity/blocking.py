"""Which recordings are compared at all: those that share a key, so that work grows with the catalogue and not with its square."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator

from fonoteca.ground.recordings import Recording
from fonoteca.identity.fingerprints import sample_items
from fonoteca.identity.folding import fold_name
from fonoteca.identity.name_evidence import credited_artists, folded_artists
from fonoteca.identity.titles import read_title

ARTISTS_KEYED = 6
ARTISTS_KEYED_BY_LENGTH, LENGTH_MS = 2, 2_000
FINGERPRINT_ITEMS = 20
WINDOW = 24  # how many neighbours in its block each is compared with


def block_keys(recording: Recording) -> set[int]:
    """64-bit keys: essences, recording MBID, ISRCs, bare title with each artist, duration with artists, items of the fingerprint."""
    texts = [f"essence {essence}" for essence in recording.essences]
    texts += [f"isrc {isrc}" for isrc in recording.isrcs]
    if recording.recording_mbid:
        texts.append(f"mbid {recording.recording_mbid}")
    if recording.title and (bare := read_title(recording.title).bare or fold_name(recording.title)):
        artists = sorted(credited_artists(recording) | folded_artists(recording))[:ARTISTS_KEYED]
        texts += [f"name {bare}\n{artist}" for artist in artists]
        if recording.duration_ms is not None:
            texts += [f"length {recording.duration_ms // LENGTH_MS}\n{artist}" for artist in artists[:ARTISTS_KEYED_BY_LENGTH]]
    if recording.fingerprint:
        texts += [f"sound {item}" for item in sample_items(recording.fingerprint, FINGERPRINT_ITEMS)]
    return {_key_of(text) for text in texts}


def _key_of(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def place_in_block(recording: Recording) -> int:
    """By what the members of a block are sorted: duration, then a hash of the id; the order of arrival decides nothing."""
    duration = 2**31 - 1 if recording.duration_ms is None else min(max(recording.duration_ms, 0), 2**31 - 2)
    return duration << 32 | _key_of(recording.id) & 0xFFFFFFFF


def pairs_in_order(members: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The rows to compare, the lower first, of (key, row) sorted by key and place in block; streams.

    All of a block of up to 25 are compared with each other, in larger ones each with the 24 next to it.
    """
    key: int | None = None
    before: deque[int] = deque(maxlen=WINDOW)
    for one_key, row in members:
        if one_key != key:
            key = one_key
            before.clear()
        for other in before:
            yield (row, other) if row < other else (other, row)
        before.append(row)


def place_of_pair(one: Recording, other: Recording) -> int:
    """By what pairs of one score are sorted: a hash of both ids, in any order."""
    return _key_of(f"{min(one.id, other.id)} {max(one.id, other.id)}")
