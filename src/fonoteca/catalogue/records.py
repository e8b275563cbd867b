"""The records of the catalogue: tracks, files, pictures and rights as other rooms' values reach and leave it."""

from __future__ import annotations

from typing import Literal

import msgspec

from fonoteca.ground.things import Status

RightsSource = Literal["sidecar", "metadata", "tag", "folder", "option"]
"""Where a rights statement was read, strongest first: FILE.rights, a metadata row, the tags, RIGHTS in a folder, the command line."""


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One track as given by its source; None and () mean that nothing was said.

    Names are as given; `isrcs` are normalised; MBIDs are lower case. `popularity`, `artist_popularity` and
    `album_popularity` run from 0 to 100. `artist_popularity` and `followers` belong to the first artist,
    `album_popularity` to the album: they are shared by every track that names them. `pictures` are SHA-256 in hex.
    """

    id: str
    title: str | None = None
    artists: tuple[str, ...] = ()
    artist_mbids: tuple[str, ...] = ()
    album: str | None = None
    album_artists: tuple[str, ...] = ()
    album_mbid: str | None = None
    disc: int | None = None
    number: int | None = None
    date: str | None = None
    isrcs: tuple[str, ...] = ()
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
    rights_uri: str | None = None
    rights_text: str | None = None
    rights_from: RightsSource | None = None
    attribution: str | None = None
    pictures: tuple[str, ...] = ()
    status: Status = "wanted"
    status_reason: str | None = None
    duplicate_of: str | None = None


class ArtistRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One artist as given by a source of its own; None and () mean that nothing was said.

    Without an `id` it gets the one that tracks give it: from the MBID, else from the name. `country` is as given
    (ISO 3166-1, two letters); `popularity` runs from 0 to 100.
    """

    name: str
    id: str | None = None
    mbid: str | None = None
    sort_name: str | None = None
    country: str | None = None
    popularity: float | None = None
    followers: int | None = None
    aliases: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()


class AlbumRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One album as given by a source of its own; None and () mean that nothing was said.

    Without an `id` it gets the one that tracks give it, from MBID, barcode, title and artists. `artist_mbids` are in the
    order of `artists` ("" where there is none), or empty; `barcode` is read back as twelve digits or more.
    """

    title: str | None = None
    id: str | None = None
    artists: tuple[str, ...] = ()
    artist_mbids: tuple[str, ...] = ()
    date: str | None = None
    label: str | None = None
    barcode: str | None = None
    mbid: str | None = None
    popularity: float | None = None


class Found(msgspec.Struct, frozen=True):
    """A thing that answers to what somebody typed; `id` is a public id, of a container its name."""

    kind: Literal["track", "album", "artist", "container"]
    id: str


class FileRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One held file of a track: its name, where it lies and what it was made from. Hashes are lower-case hex, sizes bytes.

    `is_derived`: encoded from a lossy source. `is_public`: its container is meant for the release; only such files
    enter an edition.
    """

    aacid: str
    container: str
    collection: str
    sha256: str
    size: int
    format: str
    tier: str
    is_derived: bool = False
    source_sha256: str | None = None
    essence_sha256: str | None = None
    is_original_restorable: bool = True
    is_public: bool = False


class RightsRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the table of licences says about one rights URI, kept in the catalogue so that a view can decide."""

    uri: str
    name: str
    may_publish: bool
    may_change: bool
    attribution_required: bool
    why: str = ""


class RightsCount(msgspec.Struct, frozen=True):
    """How many tracks stand under one rights URI (None: under no known statement) and whether they may be published."""

    uri: str | None
    name: str | None
    may_publish: bool
    tracks: int


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawn track. `date` is as given (ISO 8601); `fate` says what becomes of the bytes.

    `shows_metadata` False: editions name only the id, no title and no names.
    """

    track_id: str
    reason: str
    date: str
    code: str = "other"
    fate: Literal["dark", "delete"] = "dark"
    shows_metadata: bool = True

    @property
    def strength(self) -> int:
        """How much it asks for: 0 to keep the bytes dark, 1 to delete them, 2 to hide the names as well."""
        return (self.fate == "delete") + (not self.shows_metadata)


class SelectionRow(msgspec.Struct, frozen=True):
    """The columns of one track that choosing and planning need; `file_*` describe its packed file, if there is one."""

    id: str
    status: Status
    popularity: float | None
    plays: int | None
    artist_popularity: float | None
    album_popularity: float | None
    followers: int | None
    duration_ms: int | None
    rights_uri: str | None
    isrcs: tuple[str, ...]
    file_aacid: str | None = None
    file_tier: str | None = None
    file_size: int | None = None
