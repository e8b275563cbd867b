"""Which recordings are compared at all: those that share a key, so that work grows with the catalogue and not with its square."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from fonoteca.ground.recordings import Recording
from fonoteca.identity.fingerprints import sample_items
from fonoteca.identity.folding import fold_name
from fonoteca.identity.name_evidence import credited_artists, folded_artists
from fonoteca.identity.titles import read_title

ARTISTS_KEYED = 6
FINGERPRINT_ITEMS = 20
WHOLE_BLOCK = 24  # members of a block that are all compared with each other; in larger ones each with those next to it
NEIGHBOURS = 12


class BlockMember(msgspec.Struct, frozen=True):
    """One recording in a block, with what larger blocks are sorted by."""

    row: int
    id: str
    duration_ms: int | None = None


def block_keys(recording: Recording) -> set[int]:
    """64-bit keys: essences, recording MBID, ISRCs, bare title with each artist, and the smallest items of the fingerprint."""
    texts = [f"essence {essence}" for essence in recording.essences]
    texts += [f"isrc {isrc}" for isrc in recording.isrcs]
    if recording.recording_mbid:
        texts.append(f"mbid {recording.recording_mbid}")
    if recording.title and (bare := read_title(recording.title).bare or fold_name(recording.title)):
        artists = sorted(credited_artists(recording).union(*folded_artists(recording)))[:ARTISTS_KEYED]
        texts += [f"name {bare}\n{artist}" for artist in artists]
    if recording.fingerprint:
        texts += [f"sound {item}" for item in sample_items(recording.fingerprint, FINGERPRINT_ITEMS)]
    return {_key_of(text) for text in texts}


def _key_of(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def pairs_of_block(members: Sequence[BlockMember]) -> Iterator[tuple[int, int]]:
    """The rows to compare: all with all in a small block, else each with its neighbours by duration and id.

    The order of arrival decides nothing.
    """
    if len(members) <= WHOLE_BLOCK:
        window = WHOLE_BLOCK
    else:
        window = NEIGHBOURS
    ordered = sorted(members, key=lambda one: (one.duration_ms is None, one.duration_ms or 0, one.id))
    for place, one in enumerate(ordered):
        for other in ordered[place + 1 : place + 1 + window]:
            yield (one.row, other.row) if one.row < other.row else (other.row, one.row)
