"""Track records made for tests: from a number, or by hypothesis."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import strategies as st

from fonoteca.catalogue import TrackRecord, track_id_of

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
NUMBER = st.integers(0, 2**63 - 1)
SCORE = st.floats(0, 100)
DIGEST = st.binary(min_size=32, max_size=32).map(bytes.hex)
MBID = st.uuids().map(str)
NAMES = st.lists(TEXT, max_size=4).map(tuple)


def number_id(number: int) -> str:
    """The id of the track that has this number."""
    return track_id_of(hashlib.sha256(b"%d" % number).hexdigest())


def number_record(number: int, **changed: Any) -> TrackRecord:
    """A plausible track."""
    fields: dict[str, Any] = {
        "id": number_id(number),
        "title": f"Song {number}",
        "artists": (f"Artist {number // 20}", "Zoë"),
        "album": f"Album {number // 10}",
        "album_artists": (f"Artist {number // 20}",),
        "number": number % 10 + 1,
        "isrcs": (f"USRC1{number:07d}",),
        "label": f"Label {number % 3}",
        "genres": ("pop", "fado"),
        "duration_ms": 180_000 + number,
        "popularity": float(number % 100),
        "pictures": (hashlib.sha256(b"album %d" % (number // 10)).hexdigest(),),
        "status": "held",
    }
    return TrackRecord(**fields | changed)


@st.composite
def records(draw: st.DrawFn) -> TrackRecord:
    """Any record that a source could give."""
    optional = st.one_of(st.none(), TEXT)
    artists = draw(NAMES)
    return TrackRecord(
        id=draw(DIGEST.map(track_id_of)),
        title=draw(optional),
        artists=artists,
        artist_mbids=draw(
            st.one_of(st.just(()), st.lists(MBID, min_size=len(artists), max_size=len(artists)).map(tuple), st.lists(MBID).map(tuple))
        ),
        album=draw(optional),
        album_artists=draw(NAMES),
        album_mbid=draw(st.one_of(st.none(), MBID)),
        barcode=draw(optional),
        disc=draw(st.one_of(st.none(), NUMBER)),
        number=draw(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
        date=draw(optional),
        isrcs=draw(st.lists(st.integers(0, 9999999).map(lambda n: f"QZ5AB{n:07d}"), max_size=3, unique=True).map(tuple)),
        recording_mbid=draw(st.one_of(st.none(), MBID)),
        label=draw(optional),
        genres=draw(NAMES),
        duration_ms=draw(st.one_of(st.none(), NUMBER)),
        explicit=draw(st.sampled_from([None, True, False])),
        popularity=draw(st.one_of(st.none(), SCORE)),
        plays=draw(st.one_of(st.none(), NUMBER)),
        artist_popularity=draw(SCORE) if artists else None,
        followers=draw(NUMBER) if artists else None,
        rights_uri=draw(optional),
        rights_text=draw(optional),
        rights_from=draw(st.sampled_from([None, "tag", "folder", "sidecar"])),
        attribution=draw(optional),
        pictures=draw(st.lists(DIGEST, max_size=3).map(tuple)),
        status=draw(st.sampled_from(["held", "wanted", "duplicate", "unreadable", "not-kept"])),
        status_reason=draw(optional),
        duplicate_of=draw(optional),
    )
