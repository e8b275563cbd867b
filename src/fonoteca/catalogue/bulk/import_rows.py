"""Lines that go the long way, one by one: rows of the record schema as rows of the part files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from fonoteca.catalogue.barcodes import gtin_text, parse_gtin
from fonoteca.catalogue.bulk.import_ids import digest_of, digest_of_id, key_of
from fonoteca.catalogue.identifiers import is_public_id
from fonoteca.catalogue.import_records import (
    AlbumRow,
    ArtistRow,
    BadRowError,
    FeaturesRow,
    ImportRow,
    PlaylistRow,
    clean_row,
    decode_row,
    settle_row,
)  # fmt: skip
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.names import LONGEST_TEXT, normal_form
from fonoteca.catalogue.popularity import popularity_of_plays
from fonoteca.catalogue.tables import MetadataRow
from fonoteca.ground.errors import FormatError
from fonoteca.ground.findings import Finding

DIGESTS = ("tracks", "artists", "albums")
TOLD = (
    "path", "id", "isrc", "mbid", "title", "album", "album_mbid", "date", "recording_mbid", "barcode", "label", "rights", "attribution",
    "artists", "artist_mbids", "album_artists", "isrcs", "genres", "disc", "number", "duration_ms", "plays", "followers", "popularity",
    "artist_popularity", "album_popularity", "explicit",
)  # fmt: skip
"""A field's place is its bit in `told` of a track: whether its line says anything of it, be it null."""
ARTIST_TOLD = ("popularity", "followers", "sort_name", "country", "aliases", "genres")
ALBUM_TOLD = ("popularity", "date", "label")
_KEYS = 0b1111  # path, id, isrc, mbid say which track is meant, and nothing of it
_BITS = {name: 1 << bit for bit, name in enumerate(TOLD)}


def _told(row: msgspec.Struct, names: tuple[str, ...]) -> int:
    return sum(1 << bit for bit, name in enumerate(names) if getattr(row, name) is not UNSET)


class RowTaker:
    """Gathers rows and digests of each table; `plays_ends` are the counts of plays that make popularity 1 and 100."""

    def __init__(self, tables: tuple[str, ...], path: Path, base: int, plays_ends: tuple[int, int]) -> None:
        self._path, self._base, self._plays_ends = path, base, plays_ends
        self.rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in tables}
        self.digests: dict[str, list[bytes]] = {name: [] for name in DIGESTS}
        self._artists: dict[Any, int] = {}
        self._albums: dict[Any, tuple[int, list[tuple[str, str]]]] = {}
        self._names: dict[str, dict[str, int]] = {"labels": {}, "genres": {}}
        self.used: list[int] = []
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def take(self, content: bytes, number: int, place: int) -> None:
        """One JSON object from line `number` of its file, at `place` of its block."""
        try:
            row, notes = settle_row(decode_row(content), number, self._path)
            row = row if b"\\u" not in content and len(content) <= LONGEST_TEXT else clean_row(row)
        except (BadRowError, FormatError) as error:
            reason = error.message if isinstance(error, FormatError) else error
            self.findings.append(Finding("bad-row", str(self._path), f"line {number}: {reason}"))
            self.counts["set-aside"] += 1
            return
        self.findings += notes
        self.take_row(row, self._base + place)

    def take_row(self, row: ImportRow, seq: int) -> None:
        """A row that is settled."""
        self.used.append(seq)
        if isinstance(row, MetadataRow):
            self._take_track(seq, row)
        elif isinstance(row, ArtistRow):
            self.counts["artists"] += 1
            self._take_artist_record(seq, row)
        elif isinstance(row, AlbumRow):
            self.counts["albums"] += 1
            self._take_album_record(seq, row)
        elif isinstance(row, PlaylistRow):
            self.rows["playlists"].append((seq, row.id, _encode(row)))
        else:
            self.rows["features"].append((seq, _encode(row)))

    def _take_track(self, seq: int, row: MetadataRow) -> None:
        artists, isrcs = row.artists or (), row.isrcs or ()
        told_isrcs = isrcs or ((row.isrc,) if row.isrc else ())
        recording = row.recording_mbid or row.mbid or None
        digest = _track_digest(row, recording, told_isrcs)
        is_public = bool(row.id) and is_public_id(row.id or "")
        self.digests["tracks"].append(digest)
        if row.mbid and not is_public:
            self.rows["recording_lines"].append((seq, key_of(digest)))
        if row.id and not is_public:
            self.rows["foreign_ids"].append((seq, key_of(digest), row.id))
        told = _told(row, TOLD) & ~_KEYS
        popularity = row.popularity or (0.0 if row.popularity == 0 else None)
        if popularity is None and isinstance(row.plays, int):
            popularity = popularity_of_plays(row.plays, *self._plays_ends)
            told |= _BITS["popularity"]
        numbers = [isrc_number(isrc) for isrc in (told_isrcs if row.isrcs is UNSET else isrcs)]
        artist = credit = None
        mbids = row.artist_mbids or ()
        if artists:
            artist, credit = self._take_artists(seq, row, artists, mbids)
        elif mbids:
            self.rows["given_forms"].append((seq, "artist_mbids", json.dumps(mbids)))
        explicit, label = _or_none(row.explicit), _or_none(row.label)
        self.rows["tracks"].append((
            seq, _or_none(row.title), artist, self._album(seq, row), _or_none(row.disc), _or_none(row.number), _or_none(row.duration_ms),
            None if explicit is None else int(explicit), popularity, numbers[0] if numbers else None, _or_none(row.plays),
            _or_none(row.date), self._named("labels", label), recording, credit, _or_none(row.rights), _or_none(row.attribution), told,
        ))  # fmt: skip
        self.rows["further_isrcs"] += [(seq, position, number) for position, number in enumerate(numbers) if position]
        self.rows["track_genres"] += [(seq, position, self._named("genres", genre)) for position, genre in enumerate(row.genres or ())]

    def _take_artists(self, seq: int, row: MetadataRow, artists: tuple[str, ...], mbids: tuple[str, ...]) -> tuple[int, str | None]:
        """The first artist, and his name as given where it may be another than his; the others become links."""
        is_aligned = bool(mbids) and len(mbids) == len(artists) and all(mbids)
        if mbids and not is_aligned:
            self.rows["given_forms"].append((seq, "artist_mbids", json.dumps(mbids)))
        given = {"popularity": _or_none(row.artist_popularity), "followers": _or_none(row.followers)}
        if any(value is not None for value in given.values()):
            told = sum(1 << bit for bit, value in enumerate(given.values()) if value is not None)
            self._add_artist(seq, artists[0], mbids[0] if is_aligned else None, told=told, **given)
        keys = [self._artist(seq, name, mbids[place] if is_aligned else None) for place, name in enumerate(artists)]
        credits = [name if is_aligned or name != normal_form(name) else None for name in artists]
        self.rows["further_track_artists"] += [(seq, place, keys[place], credits[place]) for place in range(1, len(keys))]
        return keys[0], credits[0]

    def _artist(self, seq: int, name: str, mbid: str | None) -> int:
        found = self._artists.get((name, mbid))
        return self._add_artist(seq, name, mbid) if found is None else found

    def _add_artist(self, seq: int, name: str, mbid: str | None, public_id: str | None = None, told: int = 0, **values: Any) -> int:
        digest = digest_of_id(public_id) if public_id else _artist_digest(name, mbid)
        self.digests["artists"].append(digest)
        fields = ("popularity", "followers", "is_record", "sort_name", "country")
        self.rows["artists"].append((seq, normal_form(name), mbid, *(values.get(field) for field in fields), told))
        key = self._artists[name, mbid] = key_of(digest)
        return key

    def _album(self, seq: int, row: MetadataRow) -> int | None:
        title, artists, mbid = _or_none(row.album), row.album_artists or (), _or_none(row.album_mbid)
        names = title, artists, mbid, _or_none(row.barcode)
        if not artists and all(name is None for name in (title, mbid, names[3])):
            return None
        popularity = _or_none(row.album_popularity)
        if names not in self._albums or popularity is not None:
            self._add_album(seq, *names, popularity=popularity, told=int(popularity is not None))
        key, forms = self._albums[names]
        self.rows["given_forms"] += [(seq, *form) for form in forms]
        return key

    def _add_album(
        self, seq: int, title: str | None, artists: tuple[str, ...], mbid: str | None, barcode: str | None, mbids: tuple[str, ...] = (),
        public_id: str | None = None, told: int = 0, **values: Any,
    ) -> None:  # fmt: skip
        digest = digest_of_id(public_id) if public_id else _album_digest(title, artists, mbid, barcode)
        key = key_of(digest)
        self.digests["albums"].append(digest)
        gtin = None if barcode is None else parse_gtin(barcode)
        fields = ("popularity", "is_record", "date", "label")
        named = None if title is None else normal_form(title)
        self.rows["albums"].append((seq, named, gtin, mbid, *(values.get(one) for one in fields), told))
        is_aligned = len(mbids) == len(artists)
        for position, name in enumerate(artists):
            artist = self._artist(seq, name, mbids[position] or None if is_aligned else None)
            self.rows["album_artists"].append((seq, key, position, artist))
        self._albums[title, artists, mbid, barcode] = key, _album_forms(title, artists, barcode)

    def _take_artist_record(self, seq: int, row: ArtistRow) -> None:
        values = {name: _or_none(getattr(row, name)) for name in ARTIST_TOLD[:4]}
        public_id = row.id if row.id and is_public_id(row.id) else None
        key = self._add_artist(seq, row.name, row.mbid, public_id, _told(row, ARTIST_TOLD), is_record=1, **values)
        self.rows["artist_aliases"] += [(seq, key, position, alias) for position, alias in enumerate(row.aliases or ())]
        genres = enumerate(row.genres or ())
        self.rows["artist_genres"] += [(seq, key, position, self._named("genres", genre)) for position, genre in genres]

    def _take_album_record(self, seq: int, row: AlbumRow) -> None:
        public_id = row.id if row.id and is_public_id(row.id) else None
        values = {"popularity": _or_none(row.popularity), "date": _or_none(row.date), "label": self._named("labels", row.label or None)}
        names = row.title, row.artists, row.mbid, row.barcode
        self._add_album(seq, *names, row.artist_mbids or (), public_id, _told(row, ALBUM_TOLD), is_record=1, **values)

    def _named(self, table: str, name: str | None) -> int | None:
        if name is None:
            return None
        names = self._names[table]
        key = names.get(name)
        if key is None:
            key = names[name] = key_of(hashlib.sha256(name.encode("utf-8", "replace")).digest())
            self.rows[table].append((key, name))
        return key


def _encode(row: PlaylistRow | FeaturesRow) -> str:
    return msgspec.json.encode(msgspec.structs.replace(row, extra=UNSET)).decode()


def _or_none(value: Any) -> Any:
    return None if value is UNSET else value


def _album_forms(title: str | None, artists: tuple[str, ...], barcode: str | None) -> list[tuple[str, str]]:
    """What of an album's names the tables would not give back as it came."""
    forms = []
    if title is not None and title != normal_form(title):
        forms.append(("album", title))
    if any(name != normal_form(name) for name in artists):
        forms.append(("album_artists", json.dumps(artists, ensure_ascii=False)))
    if barcode is not None and ((number := parse_gtin(barcode)) is None or gtin_text(number) != barcode):
        forms.append(("barcode", barcode))
    return forms


def _artist_digest(name: str, mbid: str | None) -> bytes:
    return digest_of("artist-mbid", [mbid]) if mbid else digest_of("artist", [normal_form(name)])


def _album_digest(title: str | None, artists: tuple[str, ...], mbid: str | None, barcode: str | None) -> bytes:
    given = ("" if part is None else f"={part}" for part in (mbid, barcode, title))
    return digest_of("album", [normal_form(part) for part in (*given, *artists)])


def _track_digest(row: MetadataRow, recording: str | None, isrcs: tuple[str, ...]) -> bytes:
    if row.id and is_public_id(row.id):
        return digest_of_id(row.id)
    if recording:
        return digest_of("recording", [recording])
    given = (row.title or "", *(row.artists or ()), row.album or "", row.path or "", row.id or "")
    return digest_of("wanted", [",".join(isrcs), *(normal_form(name) for name in given)])
