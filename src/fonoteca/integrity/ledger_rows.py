"""The rows of the ledger as values, and how they get into its tables and out again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import apsw
import msgspec

from fonoteca.ground.errors import DatabaseError

Row = TypeVar("Row", bound=msgspec.Struct)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One file that came. `path` is bytes, as the file system gives it; times are Unix seconds."""

    path: bytes
    size: int
    mtime_ns: int
    sha256: str
    state: str
    essence_sha256: str | None = None
    track_id: str | None = None
    format: str | None = None
    sample_rate: int = 0
    channels: int = 0
    samples: int | None = None
    bits_per_second: int | None = None
    loudness_lufs: float | None = None
    sample_peak: float | None = None
    can_be_retagged: bool = False
    tags: dict[str, tuple[str, ...]] = {}
    comment_packet: bytes | None = None
    pictures: tuple[str, ...] = ()
    original: str | None = None
    added_at: int = 0
    decoded_at: int | None = None
    picture_bytes: int = 0
    rights_values: tuple[str, ...] = ()
    rights_from: str | None = None
    attribution: str | None = None

    @property
    def shown_path(self) -> str:
        """The path for people and messages."""
        return show_path(self.path)

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds, rounded to the nearest."""
        return round(self.samples * 1000 / self.sample_rate) if self.samples and self.sample_rate else None

    @property
    def sound_bytes(self) -> int:
        """Its size without its pictures: what a rate is told by."""
        return max(0, self.size - self.picture_bytes)


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable container. Its piece hashes, half a megabyte, are rows of their own."""

    name: str
    collection: str
    content: str
    tier: str
    is_public: bool
    second: int
    data_folder: str | None
    metadata_file: str
    member_count: int
    data_bytes: int
    metadata_bytes: int
    metadata_sha256: str
    data_piece_length: int | None
    metadata_piece_length: int
    state: str = "current"
    obsolete_reason: str | None = None
    metadata_proved_at: int = 0


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """The hashes of one container that were made while it was written, for its torrents: SHA-1 of each piece, and a BEP 52 tree."""

    data_pieces: bytes | None
    metadata_pieces: bytes
    metadata_pieces_root: bytes
    metadata_piece_layer: bytes


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a container; `size` and `sha256` are of its file, or 0 and '' for a record without one."""

    aacid: str
    container: str
    content: str
    id: str
    size: int
    sha256: str
    action: str
    source_sha256: str | None = None
    essence_sha256: str | None = None
    patch: bytes | None = None
    encoder: str | None = None
    samples: int | None = None
    loudness_lufs: float | None = None
    proved_at: int = 0


class Release(msgspec.Struct, frozen=True):
    """One release: its number, when it was begun (Unix seconds), and digests of what it lists."""

    serial: int
    second: int
    content_sha256: str
    checksums_sha256: str = ""
    state: str = "making"


class PublishedTorrent(msgspec.Struct, frozen=True, kw_only=True):
    """One .torrent that a release holds or held; `infohash` is v1 in hex, sizes in bytes, `added_on` YYYY-MM-DD."""

    infohash: str
    name: str
    container: str
    collection: str
    added_on: str
    is_metadata: bool
    torrent_size: int
    num_files: int
    data_size: int
    sha256: str
    options_sha256: str


class PlannedContainer(msgspec.Struct, frozen=True, kw_only=True):
    """One container that a build will make."""

    build: int
    number: int
    collection: str
    content: str
    tier: str
    is_public: bool
    predicted_bytes: int
    piece_length: int
    is_done: bool = False


class PlannedMember(msgspec.Struct, frozen=True):
    """One member of it, by the id of its track or picture."""

    id: str
    action: str
    replaces: str | None = None


def show_path(path: bytes) -> str:
    """Any path as text that can be printed and stored as UTF-8."""
    return os.fsdecode(path).encode("utf-8", "backslashreplace" if not _is_utf8(path) else "strict").decode()


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def columns_of(struct: msgspec.Struct) -> dict[str, Any]:
    """Column names and values of a row; dicts and tuples as JSON."""
    return {name: _plain(getattr(struct, name)) for name in struct.__struct_fields__}


def _plain(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, tuple, list)) else value


def insert_row(connection: apsw.Connection, table: str, values: dict[str, Any]) -> None:
    """Insert a row, or replace what was there under its key."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    changes = ", ".join(f"{name} = excluded.{name}" for name in values)
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO UPDATE SET {changes}"
    connection.execute(statement, tuple(values.values()))


def column_names(struct: type[msgspec.Struct]) -> str:
    """The columns of a row in order, for SELECT."""
    return ", ".join(struct.__struct_fields__)


def _decode_tags(text: str) -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(text, type=dict[str, tuple[str, ...]])


def _decode_list(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


_DECODERS: dict[str, Callable[[str], Any]] = {"tags": _decode_tags, "pictures": _decode_list, "rights_values": _decode_list}


def read_struct(kind: type[Row], row: tuple[Any, ...]) -> Row:
    """A row as its struct; DatabaseError where the ledger holds what it cannot."""
    values = dict(zip(kind.__struct_fields__, row, strict=True))
    for name, decode in _DECODERS.items():
        if name in values:
            values[name] = decode(values[name])
    for name in ("is_public", "is_done", "can_be_retagged", "is_metadata"):
        if name in values:
            values[name] = bool(values[name])
    if "path" in values and not isinstance(values["path"], bytes):
        raise DatabaseError(f"the ledger holds a path that is no blob: {values['path']!r}", "Rebuild the ledger with: fonoteca add.")
    return kind(**values)
