"""One block of lines of the record schema as columns: tracks, the artists, albums and labels that they name, and their links."""

from __future__ import annotations

import gc
import hashlib
import json
import re
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
from fonoteca.catalogue.import_records import AlbumRow, ArtistRow, BadRowError, clean_row, decode_row, settle_row
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.names import LONGEST_TEXT, normal_form
from fonoteca.catalogue.popularity import popularity_of_plays
from fonoteca.catalogue.tables import MetadataRow, fault_of_numbers
from fonoteca.ground.errors import FormatError
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
    "recording_lines": {"seq": LONG, "key": LONG},
}  # fmt: skip
"""Columns of each part file. `seq` is block × 2^32 + line in it; `key` and references are 63 bits of an id or of a name's hash."""


class _Line(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False, tag_field="record", tag="track"):
    """A line of a track, where null is the same as left out; fields as in MetadataRow."""

    path: str | None = None
    id: str | None = None
    isrc: str | None = None
    mbid: str | None = None
    title: str | None = None
    artists: tuple[str, ...] = ()
    artist_mbids: tuple[str, ...] = ()
    album: str | None = None
    album_artists: tuple[str, ...] = ()
    album_mbid: str | None = None
    disc: int | None = None
    number: int | None = None
    date: str | None = None
    isrcs: tuple[str, ...] | None = None
    recording_mbid: str | None = None
    barcode: str | None = None
    label: str | None = None
    genres: tuple[str, ...] = ()
    duration_ms: int | None = None
    explicit: bool | None = None
    popularity: float | None = None
    plays: int | None = None
    artist_popularity: float | None = None
    album_popularity: float | None = None
    followers: int | None = None
    rights: str | None = None
    attribution: str | None = None
    extra: dict[str, msgspec.Raw] | None = None
    line: int = 0


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
    gc.disable()  # nothing here refers to itself, and looking for what does would take a third of the time
    parts = _Parts(block)
    numbers, lines = block.numbers, 0
    for place, content in enumerate(block.content.split(b"\n")):
        if content and not content.isspace():
            parts.take(content, numbers[place] if numbers else block.first_line + place, place)
            lines += 1
    rows = parts.write()
    parts.counts.update(lines=len(set(numbers)) if numbers else lines, tracks=rows["tracks"])
    return ParsedBlock(block.number, rows, parts.counts, parts.findings)


class _Parts:
    def __init__(self, block: Block) -> None:
        self._block = block
        self._base = block.number << 32
        self.columns: dict[str, list[list[Any]]] = {name: [[] for _ in fields] for name, fields in PARTS.items()}
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in PARTS}
        self._digests: dict[str, list[bytes]] = {name: [] for name in ("tracks", "artists", "albums")}
        self._artists: dict[Any, int] = {}
        self._albums: dict[Any, tuple[int, list[tuple[str, str]]]] = {}
        self._names: dict[str, dict[str, int]] = {"labels": {}, "genres": {}}
        self._tracks, self._track_digests = self._rows["tracks"], self._digests["tracks"]
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def take(self, content: bytes, number: int, place: int) -> None:
        """One line; what is plain about most of them is seen first, all else goes the long way."""
        seq = self._base + place
        is_ascii = content.isascii() and b"\\" not in content
        if is_ascii:
            try:
                line = _DECODE(content)
                if _is_plain(line):
                    self._take_track(seq, line, is_ascii)
                    return
            except (msgspec.DecodeError, RecursionError):
                pass
        try:
            row, notes = settle_row(decode_row(content), number, self._block.path)
            row = row if b"\\u" not in content and len(content) <= LONGEST_TEXT else clean_row(row)
        except (BadRowError, FormatError) as error:
            reason = error.message if isinstance(error, FormatError) else error
            self.findings.append(Finding("bad-row", str(self._block.path), f"line {number}: {reason}"))
            self.counts["set-aside"] += 1
            return
        self.findings += notes
        if isinstance(row, MetadataRow):
            told = zip(row.__struct_fields__, msgspec.structs.astuple(row), strict=True)
            self._take_track(seq, _Line(**{name: value for name, value in told if value is not UNSET and value is not None}), is_ascii)
        elif isinstance(row, ArtistRow):
            self.counts["artists"] += 1
            self._take_artist_record(seq, row)
        elif isinstance(row, AlbumRow):
            self.counts["albums"] += 1
            self._take_album_record(seq, row)
        else:
            self.counts[f"{row.__struct_config__.tag} records passed over"] += 1

    def _take_track(self, seq: int, row: _Line, is_ascii: bool) -> None:
        artists, isrcs, explicit, popularity = row.artists, row.isrcs, row.explicit, row.popularity
        told_isrcs = isrcs or ((row.isrc,) if row.isrc else ())
        recording = row.recording_mbid or row.mbid or None
        self._track_digests.append(_track_digest(row, recording, told_isrcs, is_ascii))
        if row.mbid and not (row.id and is_public_id(row.id)):
            self._rows["recording_lines"].append((seq, key_of(self._track_digests[-1])))
        if popularity is None and row.plays is not None:
            popularity = popularity_of_plays(row.plays, *self._block.plays_ends)
        numbers = [isrc_number(isrc) for isrc in (told_isrcs if isrcs is None else isrcs)]
        artist = credit = None
        if artists:
            artist, credit = self._take_artists(seq, row, is_ascii)
        elif row.artist_mbids:
            self._rows["given_forms"].append((seq, "artist_mbids", json.dumps(row.artist_mbids)))
        label = row.label
        self._tracks.append((
            seq, row.title, artist, self._album(seq, row), row.disc, row.number, row.duration_ms,
            None if explicit is None else int(explicit), popularity, numbers[0] if numbers else None, row.plays, row.date,
            None if label is None else self._named("labels", label), recording, credit, row.rights, row.attribution,
        ))  # fmt: skip
        if len(numbers) > 1:
            self._rows["further_isrcs"] += [(seq, position, number) for position, number in enumerate(numbers) if position]
        if row.genres:
            self._rows["track_genres"] += [(seq, position, self._named("genres", genre)) for position, genre in enumerate(row.genres)]

    def _take_artists(self, seq: int, row: _Line, is_ascii: bool) -> tuple[int, str | None]:
        """The first artist, and his name as given where it may be another than his; the others become links."""
        artists, mbids = row.artists, row.artist_mbids
        is_aligned = bool(mbids) and len(mbids) == len(artists) and all(mbids)
        if mbids and not is_aligned:
            self._rows["given_forms"].append((seq, "artist_mbids", json.dumps(mbids)))
        if row.artist_popularity is not None or row.followers is not None:
            told: dict[str, Any] = {"popularity": row.artist_popularity, "followers": row.followers}
            self._add_artist(seq, artists[0], mbids[0] if is_aligned else None, **told)
        if is_ascii and not is_aligned:
            first = self._artist(seq, artists[0], None)
            if len(artists) > 1:
                links = [(seq, position, self._artist(seq, name, None), None) for position, name in enumerate(artists) if position]
                self._rows["further_track_artists"] += links
            return first, None
        keys = [self._artist(seq, name, mbids[place] if is_aligned else None) for place, name in enumerate(artists)]
        credits = [name if is_aligned or name != normal_form(name) else None for name in artists]
        further = zip(range(1, len(keys)), keys[1:], credits[1:], strict=True)
        self._rows["further_track_artists"] += [(seq, *link) for link in further]
        return keys[0], credits[0]

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

    def _album(self, seq: int, row: _Line) -> int | None:
        names = row.album, row.album_artists, row.album_mbid, row.barcode
        key, forms = self._albums.get(names, _NO_ALBUM)
        if key is None or row.album_popularity is not None:
            title, artists, mbid, barcode = names
            if title is None and not artists and mbid is None and barcode is None:
                return None
            key = self._add_album(seq, title, artists, (), mbid, barcode, popularity=row.album_popularity)
            forms = self._albums[names][1]
        if forms:
            self._rows["given_forms"] += [(seq, *form) for form in forms]
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
        self._albums[title, artists, mbid, barcode] = key, _album_forms(title, artists, barcode)
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


_ISRC = re.compile("[A-Z]{2}[A-Z0-9]{3}[0-9]{7}").fullmatch
_MBID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_DECODE = msgspec.json.Decoder(_Line).decode
_NO_ALBUM: tuple[int | None, list[tuple[str, str]]] = (None, [])


def _is_plain(row: _Line) -> bool:
    """Whether settle_row would leave the row as it is; may say no where it would."""
    if not row.title or row.isrc is not None or row.mbid is not None or (row.recording_mbid and not _MBID(row.recording_mbid)):
        return False
    isrcs = row.isrcs
    if isrcs and (not _ISRC(isrcs[0]) if len(isrcs) == 1 else not all(map(_ISRC, isrcs)) or len(set(isrcs)) < len(isrcs)):
        return False
    score, disc, number, duration = row.popularity, row.disc, row.number, row.duration_ms
    if (score and not 0 <= score <= 100) or (disc and not 0 <= disc < _END) or (number and not 0 <= number < _END):
        return False
    if (duration and not 0 <= duration < _END) or row.plays or row.followers or row.artist_popularity or row.album_popularity:
        return fault_of_numbers(row, _SCORES, _COUNTS) is None
    return True


_END = 1 << 63
_SCORES = ("popularity", "artist_popularity", "album_popularity")
_COUNTS = ("disc", "number", "duration_ms", "plays", "followers")


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


def _track_digest(row: _Line, recording: str | None, isrcs: tuple[str, ...], is_ascii: bool) -> bytes:
    foreign_id = row.id or ""
    if foreign_id and is_public_id(foreign_id):
        return digest_of_id(foreign_id)
    if recording:
        return digest_of("recording", [recording])
    if is_ascii:
        isrc, title, album, path = ",".join(isrcs), row.title or "", row.album or "", row.path or ""
        artists = "".join([f"{len(name)}:{name}," for name in row.artists])
        names = f"{len(title)}:{title},{artists}{len(album)}:{album},{len(path)}:{path},{len(foreign_id)}:{foreign_id},"
        text = f"6:wanted,{len(isrc)}:{isrc},{names}"
        return hashlib.sha256(text.encode()).digest()[:16]
    given = (row.title or "", *row.artists, row.album or "", row.path or "", foreign_id)
    return digest_of("wanted", [",".join(isrcs), *(normal_form(name) for name in given)])
