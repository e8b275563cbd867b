"""Metadata files of containers: of their records those about recordings say something of a track; docs/formats/records.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.catalogue.import_lines import lines_after
from fonoteca.catalogue.import_records import BadRowError, ImportLine, bad_line, convert_row, fault_of_json, settle_row

FIELDS = (
    "id", "title", "artists", "artist_mbids", "album", "album_artists", "album_mbid", "disc", "number", "date", "isrcs", "recording_mbid",
    "barcode", "label", "genres", "duration_ms", "explicit", "popularity",
)  # fmt: skip
"""What a record says in the words of the record schema."""
_OTHERS = {"mime", "patch", "member"}
"""A field that only covers and patches have."""


class _Record(msgspec.Struct, frozen=True):
    aacid: str
    metadata: dict[str, Any]


_DECODER = msgspec.json.Decoder(_Record)


def read_aac(path: Path, after: int = 0) -> Iterator[ImportLine]:
    """The lines behind number `after`; streams. Records of covers and patches, and those that say nothing of a track, have no rows."""
    for line in lines_after(path, after):
        if line.fault:
            yield bad_line(path, line.number, line.fault)
        elif line.content.strip():
            yield _read_line(path, line.number, line.content)


def _read_line(path: Path, number: int, content: bytes) -> ImportLine:
    try:
        metadata = _DECODER.decode(content).metadata
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return bad_line(path, number, f"no record of a container: {fault_of_json(error, content)}"[:300], content)
    values = {name: metadata[name] for name in FIELDS if metadata.get(name) not in (None, "", [])}
    if _OTHERS & set(metadata) or not set(values) - {"id"}:
        return ImportLine(number, (), content)
    values.update(_rights_of(metadata))
    try:
        row, notes = settle_row(convert_row(values), number, path)
    except BadRowError as error:
        return bad_line(path, number, str(error), content)
    return ImportLine(number, (row,), content, notes)


def _rights_of(metadata: dict[str, Any]) -> dict[str, Any]:
    rights = metadata.get("rights")
    if not isinstance(rights, dict):
        return {}
    told = {"rights": rights.get("uri") or rights.get("statement"), "attribution": rights.get("attribution")}
    return {name: value for name, value in told.items() if value is not None}
