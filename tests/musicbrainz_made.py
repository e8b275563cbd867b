"""One artist, one release and one recording in the form of MusicBrainz JSON dumps; nothing in them is anybody's."""

from __future__ import annotations

from typing import Any

ARTIST_ID, OTHER_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
RECORDING_ID = "33333333-3333-4333-8333-333333333333"
CREDIT = [
    {"name": "Zoë & the Others", "joinphrase": "", "artist": {"id": ARTIST_ID, "name": "Zoë", "sort-name": "Zoë", "disambiguation": ""}}
]

ARTIST: dict[str, Any] = {
    "id": ARTIST_ID, "name": "Zoë", "sort-name": "Zoë", "country": "NL", "type": "Person", "disambiguation": "made for a test",
    "aliases": [{"name": "Zoe", "sort-name": "Zoe", "type": None, "primary": None}, {"name": "Zoë", "sort-name": "Zoë"}],
    "genres": [{"name": "pop", "count": 1}, {"name": "folk", "count": 4}], "life-span": {"begin": "1901", "end": None, "ended": False},
}  # fmt: skip
RECORDING: dict[str, Any] = {
    "id": RECORDING_ID, "title": "Winter", "length": 123_000, "video": False, "isrcs": ["NLA507700001"], "first-release-date": "1977",
    "artist-credit": CREDIT, "genres": [{"name": "folk", "count": 2}], "disambiguation": "", "relations": [],
}  # fmt: skip
RELEASE: dict[str, Any] = {
    "id": "44444444-4444-4444-8444-444444444444", "title": "Fixture", "date": "1977-05", "country": "NL", "barcode": "0075678164125",
    "status": "Official", "artist-credit": CREDIT, "release-group": {"id": OTHER_ID, "primary-type": "Album"},
    "label-info": [{"catalog-number": "PR 1", "label": {"id": OTHER_ID, "name": "Paper Records"}}],
    "media": [{"position": 1, "format": "CD", "track-count": 2, "tracks": [
        {"id": "55555555-5555-4555-8555-555555555555", "position": 1, "number": "A1", "title": "Winter", "length": 123_000,
         "artist-credit": CREDIT, "recording": RECORDING},
        {"id": "66666666-6666-4666-8666-666666666666", "position": 2, "number": "A2", "title": "Winter (again)", "length": None,
         "artist-credit": CREDIT, "recording": RECORDING},
    ]}],
}  # fmt: skip
