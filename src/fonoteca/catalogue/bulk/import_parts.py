"""One block of lines of the record schema as columns: tracks, the artists, albums and labels that they name, and their links."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import UNSET

from fonoteca.catalogue.barcodes import gtin_text, parse_gtin
from fonoteca.catalogue.bulk.import_ids import digest_of, digest_of_id, ids_of, key_of, keys_of
from fonoteca.catalogue.identifiers import is_public_id
from fonoteca.catalogue.import_records import AlbumRow, ArtistRow, BadRowError, ImportRow, decode_row, settle_row
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.names import LONGEST_TEXT, clean_text, normal_form
from fonoteca.catalogue.popularity import popularity_of_plays
from fonoteca.catalogue.tables import MetadataRow
from fonoteca.ground.findings import Finding

LONG, TEXT, REAL = pa.int64(), pa.string(), pa.float64()
LINKS = {"seq": LONG, "position": LONG}
PARTS: dict[str, dict[str, pa.DataType]] = {
    "tracks": {
        "seq": LONG, "key": LONG, "id": TEXT, "title": TEXT, "artist": LONG, "album": LONG, "disc": LONG, "number": LONG,
        "duration_ms": LONG, "explicit": LONG, "popularity": REAL, "isrc_number": LONG, "plays": LONG, "date": TEXT, "label": LONG,
        "recording_mbid": TEXT, "credited_as": TEXT, "rights_text": TEXT, "attribution": TEXT,
    },
    "artists": {
        "seq": LONG, "key": LONG, "id": TEXT, "name": TEXT, "mbid": TEXT, "popularity": REAL, "followers": LONG, "is_record": LONG,
        "sort_name": TEXT, "country": TEXT,
    },
    "artist_aliases": {"seq": LONG, "key": LONG, "position": LONG, "alias": TEXT},
    "artist_genres": {"seq": LONG, "key": LONG, "position": LONG, "genre": LONG},
    "albums": {
        "seq": LONG, "key": LONG, "id": TEXT, "title": TEXT, "gtin": LONG, "mbid": TEXT, "popularity": REAL, "is_record": LONG,
        "date": TEXT, "label": LONG,
    },
    "album_artists": {"seq": LONG, "key": LONG, "position": LONG, "artist": LONG},
    "labels": {"key": LONG, "name": TEXT},
    "genres": {"key": LONG, "name": TEXT},
    "further_track_artists": {**LINKS, "artist": LONG, "credited_as": TEXT},
    "further_isrcs": {**LINKS, "isrc_number": LONG},
    "track_genres": {**LINKS, "genre": LONG},
    "given_forms": {"seq": LONG, "field": TEXT, "value": TEXT},
}  # fmt: skip
"""Columns of each part file. `seq` is block × 2^32 + line in it; `key` and references are 63 bits of an id or of a name's hash."""


class Block(msgspec.Struct, frozen=True):
    """Lines for one worker; `first_line` is the number of the first, or `numbers` has the number of each."""

    number: int
    path: Path
    content: bytes
    first_line: int
    numbers: tuple[int, ...] | None
    folder: Path
    plays_ends: tuple[int, int]


class ParsedBlock(msgspec.Struct):
    """What came of a block: how many rows of each table, what was counted, and the findings."""

    number: int
    rows: dict[str, int]
    counts: Counter[str]
    findings: list[Finding]


def parse_block(block: Block) -> ParsedBlock:
    """Read a block and write its part files."""
    parts = _Parts(block)
    numbers = block.numbers
    for place, content in enumerate(block.content.split(b"\n")):
        if content and not content.isspace():
            parts.take(content, numbers[place] if numbers else block.first_line + place, place)
    return ParsedBlock(block.number, parts.write(), parts.counts, parts.findings)


class _Parts:
    def __init__(self, block: Block) -> None:
        self._block = block
        self._base = block.number << 32
        self.columns: dict[str, list[list[Any]]] = {name: [[] for _ in fields] for name, fields in PARTS.items()}
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in PARTS}
        self._digests: dict[str, list[bytes]] = {name: [] for name in ("tracks", "artists", "albums")}
        self._artists: dict[Any, int] = {}
        self._albums: dict[Any, int] = {}
        self._names: dict[str, dict[str, int]] = {"labels": {}, "genres": {}}
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def take(self, content: bytes, number: int, place: int) -> None:
        """One line."""
        self.counts["lines"] += 1
        try:
            row, notes = settle_row(decode_row(content), number, self._block.path)
            is_clean = b"\\u" not in content and len(content) <= LONGEST_TEXT
            row = row if is_clean else _clean_row(row)
        except BadRowError as error:
            self.findings.append(Finding("bad-row", str(self._block.path), f"line {number}: {error}"))
            self.counts["set-aside"] += 1
            return
        self.findings += notes
        seq = self._base + place
        if isinstance(row, MetadataRow):
            self.counts["tracks"] += 1
            self._take_track(seq, row)
        elif isinstance(row, ArtistRow):
            self.counts["artists"] += 1
            self._take_artist_record(seq, row)
        elif isinstance(row, AlbumRow):
            self.counts["albums"] += 1
            self._take_album_record(seq, row)
        else:
            self.counts[f"{row.__struct_config__.tag} records passed over"] += 1

    def _take_track(self, seq: int, row: MetadataRow) -> None:
        given = {name: value for name, value in row.changes().items() if value is not None}
        get = given.get
        isrcs = row.isrcs or ((row.isrc,) if row.isrc else ())
        artists = get("artists", ())
        recording = get("recording_mbid") or row.mbid
        self._digests["tracks"].append(_track_digest(row, recording, isrcs, artists))
        keys, credits = self._credits(seq, row, artists)
        plays, popularity = get("plays"), get("popularity")
        if plays is not None and popularity is None:
            popularity = popularity_of_plays(plays, *self._block.plays_ends)
        numbers = [isrc_number(isrc) for isrc in get("isrcs", isrcs)]
        rights = row.rights if isinstance(row.rights, str) else None
        self._rows["tracks"].append((
            seq, get("title"), keys[0] if keys else None, self._album(seq, row, get), get("disc"), get("number"), get("duration_ms"),
            None if (explicit := get("explicit")) is None else int(explicit), popularity, numbers[0] if numbers else None, plays,
            get("date"), self._named("labels", get("label")), recording, credits[0] if keys else None, rights, get("attribution"),
        ))  # fmt: skip
        if len(keys) > 1:
            further = zip(range(1, len(keys)), keys[1:], credits[1:], strict=True)
            self._rows["further_track_artists"] += [(seq, *link) for link in further]
        if len(numbers) > 1:
            self._rows["further_isrcs"] += [(seq, position, number) for position, number in enumerate(numbers) if position]
        for position, genre in enumerate(get("genres", ())):
            self._rows["track_genres"].append((seq, position, self._named("genres", genre)))

    def _credits(self, seq: int, row: MetadataRow, artists: tuple[str, ...]) -> tuple[list[int], list[str | None]]:
        mbids = row.artist_mbids or ()
        is_aligned = len(mbids) == len(artists) and all(mbids)
        if mbids and not is_aligned:
            self._rows["given_forms"].append((seq, "artist_mbids", json.dumps(mbids)))
        keys, credits = [], []
        for place, name in enumerate(artists):
            key = self._artist(seq, name, mbids[place] if is_aligned else None)
            keys.append(key)
            credits.append(name if is_aligned or name != normal_form(name) else None)
        popularity, followers = row.artist_popularity, row.followers
        if keys and (isinstance(popularity, int | float) or isinstance(followers, int)):
            mbid = mbids[0] if is_aligned else None
            self._add_artist(seq, artists[0], mbid, popularity=None if popularity is UNSET else popularity,
                             followers=None if followers is UNSET else followers)  # fmt: skip
        return keys, credits

    def _artist(self, seq: int, name: str, mbid: str | None) -> int:
        found = self._artists.get((name, mbid))
        return self._add_artist(seq, name, mbid) if found is None else found

    def _add_artist(self, seq: int, name: str, mbid: str | None, public_id: str | None = None, **told: Any) -> int:
        digest = digest_of_id(public_id) if public_id else _artist_digest(name, mbid)
        self._digests["artists"].append(digest)
        fields = ("popularity", "followers", "is_record", "sort_name", "country")
        self._rows["artists"].append((seq, normal_form(name), mbid, *(told.get(field) for field in fields)))
        key = self._artists[name, mbid] = key_of(digest)
        return key

    def _album(self, seq: int, row: MetadataRow, get: Any) -> int | None:
        title, artists, mbid, barcode = get("album"), get("album_artists", ()), get("album_mbid"), get("barcode")
        if not artists and title is None and mbid is None and barcode is None:
            return None
        if title is not None and title != normal_form(title):
            self._rows["given_forms"].append((seq, "album", title))
        if any(name != normal_form(name) for name in artists):
            self._rows["given_forms"].append((seq, "album_artists", json.dumps(artists, ensure_ascii=False)))
        if barcode is not None and ((number := parse_gtin(barcode)) is None or gtin_text(number) != barcode):
            self._rows["given_forms"].append((seq, "barcode", barcode))
        key = self._albums.get((title, artists, mbid, barcode))
        popularity = row.album_popularity
        if key is None or isinstance(popularity, int | float):
            key = self._add_album(seq, title, artists, (), mbid, barcode, popularity=None if popularity is UNSET else popularity)
        return key

    def _add_album(
        self, seq: int, title: str | None, artists: tuple[str, ...], mbids: tuple[str, ...], mbid: str | None, barcode: str | None,
        public_id: str | None = None, **told: Any,
    ) -> int:  # fmt: skip
        digest = digest_of_id(public_id) if public_id else _album_digest(title, artists, mbid, barcode)
        key = key_of(digest)
        self._digests["albums"].append(digest)
        gtin = None if barcode is None else parse_gtin(barcode)
        fields = ("popularity", "is_record", "date", "label")
        self._rows["albums"].append((seq, None if title is None else normal_form(title), gtin, mbid, *(told.get(one) for one in fields)))
        is_aligned = len(mbids) == len(artists)
        for position, name in enumerate(artists):
            artist = self._artist(seq, name, mbids[position] or None if is_aligned else None)
            self._rows["album_artists"].append((seq, key, position, artist))
        self._albums[title, artists, mbid, barcode] = key
        return key

    def _take_artist_record(self, seq: int, row: ArtistRow) -> None:
        told = {name: value for name in ("popularity", "followers", "sort_name", "country") if (value := getattr(row, name)) is not UNSET}
        key = self._add_artist(seq, row.name, row.mbid, row.id if row.id and is_public_id(row.id) else None, is_record=1, **told)
        for position, alias in enumerate(row.aliases or ()):
            self._rows["artist_aliases"].append((seq, key, position, alias))
        for position, genre in enumerate(row.genres or ()):
            self._rows["artist_genres"].append((seq, key, position, self._named("genres", genre)))

    def _take_album_record(self, seq: int, row: AlbumRow) -> None:
        told = {name: value for name in ("popularity", "date") if (value := getattr(row, name)) is not UNSET}
        label = self._named("labels", row.label or None)
        public_id = row.id if row.id and is_public_id(row.id) else None
        self._add_album(
            seq, row.title, row.artists, row.artist_mbids or (), row.mbid, row.barcode, public_id, is_record=1, label=label, **told
        )

    def _named(self, table: str, name: str | None) -> int | None:
        if name is None:
            return None
        names = self._names[table]
        key = names.get(name)
        if key is None:
            key = names[name] = key_of(hashlib.sha256(name.encode("utf-8", "replace")).digest())
        return key

    def write(self) -> dict[str, int]:
        """The part files; gives the rows of each."""
        for table, names in self._names.items():
            self._rows[table] = [(key, name) for name, key in names.items()]
        counts = {}
        for table, fields in PARTS.items():
            rows = self._rows[table]
            counts[table] = len(rows)
            if rows:
                columns = dict(zip((name for name in fields if table not in self._digests or name not in ("key", "id")),
                                   zip(*rows, strict=True), strict=True))  # fmt: skip
                if table in self._digests:
                    digests = b"".join(self._digests[table])
                    columns |= {"key": keys_of(digests), "id": ids_of(digests)}  # type: ignore[dict-item]
                arrays = [pa.array(columns[name], fields[name]) for name in fields]
                path = self._block.folder / f"{table}-{self._block.number:08d}.parquet"
                pq.write_table(pa.table(arrays, list(fields)), path, compression="lz4", use_dictionary=False, write_statistics=False)
        return counts


def _artist_digest(name: str, mbid: str | None) -> bytes:
    return digest_of("artist-mbid", [mbid]) if mbid else digest_of("artist", [normal_form(name)])


def _album_digest(title: str | None, artists: tuple[str, ...], mbid: str | None, barcode: str | None) -> bytes:
    given = ("" if part is None else f"={part}" for part in (mbid, barcode, title))
    return digest_of("album", [normal_form(part) for part in (*given, *artists)])


def _track_digest(row: MetadataRow, recording: str | None, isrcs: tuple[str, ...], artists: tuple[str, ...]) -> bytes:
    if row.id and is_public_id(row.id):
        return digest_of_id(row.id)
    if recording:
        return digest_of("recording", [recording])
    names = (row.title or "", *artists, row.album or "", row.path or "", row.id or "")
    return digest_of("wanted", [",".join(isrcs), *(normal_form(name) for name in names)])


def _clean_row(row: ImportRow) -> ImportRow:
    changes: dict[str, Any] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, str):
            changes[name] = clean_text(value)
        elif isinstance(value, tuple) and all(isinstance(one, str) for one in value):
            changes[name] = tuple(clean_text(one) for one in value)
    cleaned: ImportRow = msgspec.structs.replace(row, **changes)
    return cleaned
