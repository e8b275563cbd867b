"""The rows of a mirror's ledger as structs."""

from __future__ import annotations

from typing import Literal

import msgspec

TorrentWork = Literal["known", "wanted", "fetching", "held", "dropping", "dropped"]
FileCondition = Literal["absent", "held", "damaged", "lost"]


class MirrorSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mirror takes from; `key` is a minisign public key or empty, `followed_at` Unix seconds."""

    source: str
    location: str
    kind: str
    key: str = ""
    serial: int = 0
    checksums_sha256: str = ""
    roster_serial: int = 0
    is_in_place: bool = False
    followed_at: int = 0


class MirrorTorrent(msgspec.Struct, frozen=True, kw_only=True):
    """One torrent of a source. `selection` names the wanted files as the torrent does; None: all. Sizes in bytes, times in Unix seconds."""

    infohash: str
    source: str
    container: str
    torrent_path: str
    is_metadata: bool
    bytes: int
    file_count: int
    piece_length: int = 0
    state: TorrentWork = "known"
    selection: tuple[str, ...] | None = None
    why: str = ""
    is_obsolete: bool = False
    chosen_at: int = 0
    held_at: int = 0


class MirrorFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a chosen torrent. `path` is below containers/; `mtime_ns` is as it was when the file was last found good."""

    infohash: str
    position: int
    path: str
    first_byte: int
    size: int
    sha256: str | None = None
    state: FileCondition = "absent"
    proved_at: int | None = None
    mtime_ns: int | None = None


class MirrorList(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a release outside containers/, by its path in the release."""

    source: str
    path: str
    size: int
    sha256: str
    state: str = "held"
    proved_at: int | None = None
    mtime_ns: int | None = None


class Mend(msgspec.Struct, frozen=True, kw_only=True):
    """One rung of the ladder that was tried for one file; `ended_at` None: it was stopped."""

    infohash: str
    position: int
    began_at: int
    rung: str
    result: str
    fact: str
    ended_at: int | None = None


class ScrapeRow(msgspec.Struct, frozen=True):
    """What one tracker counted; `at` in Unix seconds."""

    infohash: str
    tracker: str
    seeders: int
    leechers: int
    completed: int
    at: int


class AnnouncementRow(msgspec.Struct, frozen=True):
    """What another mirror signed, as it came; times in Unix seconds."""

    key: str
    operator: str
    url: str
    at: int
    expires: int
    body: bytes
