"""torrents.json: the list of torrents that mirrors read to choose what they hold."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable

import msgspec
import shortuuid

from fonoteca.ground.errors import TorrentFormatError
from fonoteca.ground.findings import Finding
from fonoteca.torrents.json_arrays import iterate_array
from fonoteca.torrents.metainfo import TorrentOptions, magnet_link

MOST_ENTRIES = 1_000_000
MOST_BAD_ENTRIES = 1_000


class TorrentEntry(msgspec.Struct, frozen=True):
    """One torrent, its fields in the order that existing mirrors know. Sizes in bytes; `torrent_size` is that of the .torrent;
    dates are YYYY-MM-DD; what a static release cannot know (seeders …) is 0, false or null.
    """

    url: str
    top_level_group_name: str = ""
    group_name: str = ""
    display_name: str = ""
    added_to_torrents_list_at: str = ""
    is_metadata: bool = False
    btih: str = ""
    magnet_link: str = ""
    torrent_size: int = 0
    num_files: int = 0
    data_size: int = 0
    aa_currently_seeding: bool = False
    obsolete: bool = False
    embargo: bool = False
    seeders: int = 0
    leechers: int = 0
    completed: int = 0
    stats_scraped_at: str | None = None
    partially_broken: bool = False
    random: str = ""


def describe_torrent(
    *, infohash: str, name: str, display_name: str, sizes: tuple[int, int, int], options: TorrentOptions, url: str,
    group: tuple[str, str], added_on: str, is_metadata: bool, obsolete: bool = False,
) -> TorrentEntry:  # fmt: skip
    """The entry of a torrent of our own. `name` is that in the torrent, `sizes` are torrent_size, num_files and data_size, `group` is
    (top level, group), `options` give the magnet link its trackers and web seeds. `random` comes from the infohash, so a release stays
    the same."""
    torrent_size, num_files, data_size = sizes
    return TorrentEntry(
        url=url,
        top_level_group_name=group[0],
        group_name=group[1],
        display_name=display_name,
        added_to_torrents_list_at=added_on,
        is_metadata=is_metadata,
        btih=infohash,
        magnet_link=magnet_link(infohash, name, options.trackers, options.web_seeds),
        torrent_size=torrent_size,
        num_files=num_files,
        data_size=data_size,
        obsolete=obsolete,
        random=draw_random(infohash),
    )


def draw_random(infohash: str) -> str:
    """22 characters that look drawn by lot and are always the same for one torrent; mirrors sort by them to spread their choices."""
    digest = hashlib.sha256(b"torrents.json random\0" + infohash.encode()).digest()
    return str(shortuuid.encode(uuid.UUID(bytes=digest[:16])))


def write_torrents_json(entries: Iterable[TorrentEntry]) -> bytes:
    """A JSON array, one entry a line, sorted by group, name and infohash."""
    ordered = sorted(entries, key=lambda entry: (entry.top_level_group_name, entry.group_name, entry.display_name, entry.btih))
    lines = b",\n".join(map(msgspec.json.encode, ordered))
    return b"[\n" + lines + b"\n]\n" if lines else b"[]\n"


def read_torrents_json(data: bytes, path: str = "torrents.json") -> tuple[list[TorrentEntry], list[Finding]]:
    """Entries as other archives write them too: unknown fields are passed over, missing and null ones take their neutral value,
    numbers may be text. An entry that cannot be used is a finding, and after too many of them, or of entries, nothing more is read;
    TorrentFormatError where there is no array at all.
    """
    entries: list[TorrentEntry] = []
    findings: list[Finding] = []
    try:
        for number, raw in enumerate(iterate_array(data)):
            if number >= MOST_ENTRIES or len(findings) >= MOST_BAD_ENTRIES:
                findings.append(
                    Finding("bad-list", path, f"entry {number}: too many before it, {len(findings)} of them bad: the rest is left")
                )
                break
            try:
                entries.append(_read_entry(raw))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                findings.append(Finding("bad-list", path, f"entry {number}: {error}"))
    except (ValueError, RecursionError) as error:
        raise TorrentFormatError(f"{path} is no JSON array: {error}", "Fetch it again.") from error
    return entries, findings


def _read_entry(raw: bytes) -> TorrentEntry:
    fields = msgspec.json.decode(raw, type=dict[str, object])
    given = {name: value for name, value in fields.items() if value is not None}
    return msgspec.convert(given, TorrentEntry, strict=False)
