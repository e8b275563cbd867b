"""Public ids: 22 base-57 characters derived from what a thing is, so that every archive gives the same thing the same id."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence

from fonoteca.catalogue.names import normal_form

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_SHORT_ID = re.compile("[2-9A-HJ-NP-Za-km-z]{22}")
_MBID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_public_id(text: str) -> bool:
    """Whether `text` has the form of a public id; says nothing about whether it is known."""
    return _SHORT_ID.fullmatch(text) is not None


def parse_mbid(text: str) -> str | None:
    """The MusicBrainz id in lower case, also out of a musicbrainz.org address; None where there is none."""
    candidate = text.strip().rstrip("/").rsplit("/", 1)[-1].lower()
    return candidate if _MBID.fullmatch(candidate) else None


@functools.lru_cache(maxsize=4096)  # asked for several times a file, and for every artist again
def track_id_of(sha256: str) -> str:
    """The id of a track from the SHA-256 (hex) of its sound; of its file where no sound can be told.

    The first 16 bytes as a number in base 57, padded to 22 characters (as PyPI shortuuid writes a UUID).
    """
    return id_of_digest(bytes.fromhex(sha256))


def id_of_digest(digest: bytes) -> str:
    """The public id whose number is the first 16 bytes, the highest digit first."""
    high, low = divmod(int.from_bytes(digest[:16]), 57**10)
    middle, high = high % 57**10, high // 57**10
    return _PAIRS[high] + _ten_digits(middle) + _ten_digits(low)


def _ten_digits(number: int) -> str:
    number, e = divmod(number, 3249)
    number, d = divmod(number, 3249)
    number, c = divmod(number, 3249)
    a, b = divmod(number, 3249)
    return _PAIRS[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _PAIRS[e]


def _id_from(kind: str, parts: Sequence[str]) -> str:
    lines = "".join([f"{len(part) if part.isascii() else len(part.encode('utf-8', 'replace'))}:{part}," for part in (kind, *parts)])
    return id_of_digest(hashlib.sha256(lines.encode("utf-8", "replace")).digest())


def path_track_id_of(path: str) -> str:
    """The id of a known track of which not even a file hash is known, from the path as given."""
    return _id_from("path", [path])


def picture_id_of(sha256: str) -> str:
    """The id of a picture from the SHA-256 (hex) of its bytes."""
    return _id_from("picture", [sha256])


def wanted_track_id_of(recording_mbid: str | None, isrcs: Sequence[str], names: Sequence[str]) -> str:
    """The id of a track known by metadata alone: from its recording MBID, else from ISRCs and names together."""
    if recording_mbid:
        return _id_from("recording", [recording_mbid])
    return _id_from("wanted", [",".join(isrcs), *(normal_form(name) for name in names)])


def artist_id_of(name: str, mbid: str | None = None) -> str:
    """The id of an artist: from the MBID where there is one, else from the name in NFC."""
    return _id_from("artist-mbid", [mbid]) if mbid else _id_from("artist", [normal_form(name)])


def album_id_of(title: str | None, album_artists: Sequence[str], mbid: str | None = None, barcode: str | None = None) -> str:
    """The id of an album as given: from MBID, barcode, title and album artists together (NFC).

    Tracks that agree in all four share an album; a differing one is an album of its own, joined by MBID or barcode later.
    """
    given = ("" if part is None else f"={part}" for part in (mbid, barcode, title))
    return _id_from("album", [normal_form(part) for part in (*given, *album_artists)])
