"""The one record schema of `catalogue import`: what a line says of a track, artist, album, playlist or sound; docs/formats/metadata.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from fonoteca.catalogue.field_names import suggest_field
from fonoteca.catalogue.identifiers import parse_mbid
from fonoteca.catalogue.names import clean_text
from fonoteca.catalogue.tables import MetadataRow, Number, Score, Text, Texts, fault_of_numbers, fault_of_track, settle_track
from fonoteca.ground.findings import Finding

Extra = dict[str, msgspec.Raw] | UnsetType
Measure = float | None


class ArtistRow(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="record", tag="artist"
):
    """What a line says of an artist: known by `id`, else by `mbid`, else by `name`. Left out: unchanged; null: taken away."""

    name: str
    id: str | None = None
    mbid: str | None = None
    sort_name: Text = UNSET
    country: Text = UNSET
    aliases: Texts = UNSET
    genres: Texts = UNSET
    popularity: Score = UNSET
    followers: Number = UNSET
    extra: Extra = UNSET
    line: int = 0


class AlbumRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="record", tag="album"):
    """What a line says of an album: known by `id`, else by MBID, barcode, title and artists together, as its tracks name it."""

    title: str | None = None
    id: str | None = None
    artists: tuple[str, ...] = ()
    artist_mbids: Texts = UNSET
    date: Text = UNSET
    label: Text = UNSET
    barcode: str | None = None
    mbid: str | None = None
    popularity: Score = UNSET
    extra: Extra = UNSET
    line: int = 0


class PlaylistEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One place of a playlist that does not follow the one before: `track` as in a list of keys, at `position` (from 0)."""

    track: str
    position: int | None = None


class PlaylistRow(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="record", tag="playlist"
):
    """A playlist: its tracks in order, each by public id, by the id that its source gave, or by ISRC."""

    id: str
    title: str | None = None
    owner: str | None = None
    tracks: tuple[str | PlaylistEntry, ...] = ()
    extra: Extra = UNSET
    line: int = 0


class FeaturesRow(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="record", tag="features"
):
    """What was measured of a track's sound. `key` 0 (C) to 11, `mode` 1 major and 0 minor, `tempo` beats a minute, `loudness` dB."""

    track: str
    tempo: Measure = None
    key: int | None = None
    mode: int | None = None
    time_signature: int | None = None
    loudness: Measure = None
    energy: Measure = None
    danceability: Measure = None
    valence: Measure = None
    acousticness: Measure = None
    instrumentalness: Measure = None
    liveness: Measure = None
    speechiness: Measure = None
    extra: Extra = UNSET
    line: int = 0


ImportRow = MetadataRow | ArtistRow | AlbumRow | PlaylistRow | FeaturesRow
ROWS: dict[str, type[msgspec.Struct]] = {
    "track": MetadataRow, "artist": ArtistRow, "album": AlbumRow, "playlist": PlaylistRow, "features": FeaturesRow,
}  # fmt: skip
SHARES = ("energy", "danceability", "valence", "acousticness", "instrumentalness", "liveness", "speechiness")
"""Features that run from 0 to 1."""


class ImportLine(msgspec.Struct, frozen=True, gc=False):
    """One line or row of a file, numbered from 1: what it says, the object itself as JSON, and what was wrong with it."""

    number: int
    rows: tuple[ImportRow, ...]
    content: bytes
    findings: tuple[Finding, ...] = ()


_TRACK = msgspec.json.Decoder(MetadataRow)
_ANY = msgspec.json.Decoder(ImportRow)


_HALF = re.compile(
    rb"(?<!\\)\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})(?!(?:\\(?:u(?:[dD][0-9a-fA-F]{0,2})?)?)?$)"
    rb"|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB]..\\u....))"
)


class BadRowError(ValueError):
    """A line that cannot be used; says why."""


def decode_row(content: bytes) -> ImportRow:
    """The row that one JSON object says; a track where it has no `record`. BadRowError with the reason."""
    decoder: msgspec.json.Decoder[Any] = _ANY if b'"record"' in content else _TRACK
    try:
        try:
            row: ImportRow = decoder.decode(content)
            return row
        except msgspec.ValidationError as error:
            if decoder is _TRACK or "missing required field `record`" not in str(error):
                raise
            return _TRACK.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRowError(suggest_field(fault_of_json(error, content), *_meant(content))) from error


def fault_of_json(error: Exception, content: bytes) -> str:
    """Why a line cannot be decoded. Of half a character the decoder may say that the line is cut, which it is not."""
    half = _HALF.search(content) if re.search("truncated|surrogate", str(error)) else None
    return f"half of a pair of surrogates, {half[0].decode()}" if half else f"{error}"[:300]


def _meant(content: bytes) -> Iterable[type[msgspec.Struct]]:
    """The structs whose fields a line with an unknown field may have meant."""
    try:
        record = msgspec.json.decode(content, type=dict[str, Any]).get("record", "track")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return (ROWS[record],) if isinstance(record, str) and record in ROWS else ROWS.values()


def convert_row(values: dict[str, Any]) -> ImportRow:
    """As decode_row, from values that Parquet or CSV gave."""
    record = values.get("record") or "track"
    if not isinstance(record, str) or record not in ROWS:
        raise BadRowError(f"record is {str(record)[:80]!r}; it is one of {', '.join(ROWS)}")
    try:
        row = msgspec.convert({**values, "record": record}, ROWS[record])
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRowError(suggest_field(f"{error}"[:300], ROWS[record])) from error
    return cast(ImportRow, row)


def settle_row(row: ImportRow, number: int, path: Path) -> tuple[ImportRow, tuple[Finding, ...]]:
    """The row with its line number and its keys in their plain forms, and what was left out of it. BadRowError where it cannot be used."""
    if isinstance(row, MetadataRow):
        if fault := fault_of_track(row):
            raise BadRowError(fault)
        track, bad = settle_track(row, number)
        return track, tuple(Finding("bad-isrc", str(path), f"line {number}: {value[:80]!r} is no ISRC") for value in bad)
    if fault := _fault(row):
        raise BadRowError(fault)
    changes: dict[str, Any] = {"line": number}
    if isinstance(row, ArtistRow | AlbumRow) and row.mbid is not None:
        changes["mbid"] = parse_mbid(row.mbid)
    settled: ImportRow = msgspec.structs.replace(row, **changes)
    return settled, ()


def _fault(row: ArtistRow | AlbumRow | PlaylistRow | FeaturesRow) -> str | None:
    if isinstance(row, ArtistRow):
        return fault_of_numbers(row, ("popularity",), ("followers",)) or (None if row.name else "name is empty")
    if isinstance(row, AlbumRow):
        is_named = row.title is not None or row.artists or row.mbid or row.barcode or row.id
        return fault_of_numbers(row, ("popularity",), ()) or (None if is_named else "no key and no field")
    if isinstance(row, PlaylistRow):
        return _fault_of_playlist(row)
    return _fault_of_features(row)


def _fault_of_playlist(row: PlaylistRow) -> str | None:
    if not row.id:
        return "id is empty"
    positions = [entry.position for entry in row.tracks if isinstance(entry, PlaylistEntry) and entry.position is not None]
    odd = next((position for position in positions if not 0 <= position < 2**31), None)
    return None if odd is None else f"position is {odd}; it is a whole number from 0 to 2^31"


def _fault_of_features(row: FeaturesRow) -> str | None:
    if not row.track:
        return "track is empty"
    for name in SHARES:
        value = getattr(row, name)
        if value is not None and not 0 <= value <= 1:
            return f"{name} is {value}; it runs from 0 to 1"
    if row.tempo is not None and not 0 <= row.tempo < 10_000:
        return f"tempo is {row.tempo}; it is beats a minute"
    if row.loudness is not None and not -1_000 < row.loudness < 1_000:
        return f"loudness is {row.loudness}; it is decibels"
    for name, highest in (("key", 11), ("mode", 1), ("time_signature", 255)):
        value = getattr(row, name)
        if value is not None and not -1 <= value <= highest:
            return f"{name} is {value}; it runs from 0 to {highest}, or is -1 where it is unknown"
    return None


def clean_row(row: ImportRow) -> ImportRow:
    """The row with texts that SQLite can keep, before anything is known by them. FormatError where one is too long."""
    changes: dict[str, Any] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, str):
            changes[name] = clean_text(value)
        elif isinstance(value, tuple) and all(isinstance(one, str) for one in value):
            changes[name] = tuple(clean_text(one) for one in value)
    cleaned: ImportRow = msgspec.structs.replace(row, **changes)
    return cleaned


def bad_line(path: Path, number: int, reason: str, content: bytes = b"") -> ImportLine:
    """A line that is set aside, with the reason."""
    return ImportLine(number, (), content, (Finding("bad-row", str(path), f"line {number}: {reason}"),))


def read_object(path: Path, number: int, content: bytes) -> ImportLine:
    """The line of one JSON object in our own schema."""
    try:
        row, notes = settle_row(decode_row(content), number, path)
    except BadRowError as error:
        return bad_line(path, number, str(error), content)
    return ImportLine(number, (row,), content, notes)
