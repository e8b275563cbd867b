"""What the torrents.json of a source means for a mirror: which torrents it may hold, and which are obsolete."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.integrity.mirror_ledger_rows import MirrorSource, MirrorTorrent
from fonoteca.torrents import MOST_BYTES, TorrentEntry
from fonoteca.workflows.mirror import Mirror

MOST_BAD_ENTRIES = 1_000

_INFOHASH = re.compile(r"[0-9a-f]{40}")
_PLAIN_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,240}")


class ListedTorrent(msgspec.Struct, frozen=True):
    """One torrent that a list names; `bytes` are those of its files, `path` that of its .torrent in a folder of lists."""

    infohash: str
    name: str
    url: str
    path: str
    is_metadata: bool
    bytes: int
    file_count: int


class Listing(msgspec.Struct, frozen=True):
    """The torrents that a mirror may hold, those that are obsolete, and what cannot be used."""

    current: tuple[ListedTorrent, ...]
    obsolete: frozenset[str]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, entries: Iterable[TorrentEntry], source: MirrorSource) -> Listing:
        """Read the entries; of two torrents over one file (a hybrid one beside it) only the plain one is used."""
        current: dict[str, ListedTorrent] = {}
        obsolete: set[str] = set()
        findings: list[Finding] = []
        listed = list(entries)
        names = {entry.display_name for entry in listed if not entry.obsolete}
        for number, entry in enumerate(listed):
            if len(findings) >= MOST_BAD_ENTRIES:
                findings.append(Finding("bad-list", source.location, f"{len(findings)} of {number} entries are bad: the rest is left"))
                break
            if entry.obsolete:
                obsolete.add(entry.btih.lower())
            elif (fact := _refuse(entry, source, current)) is not None:
                findings.append(Finding("bad-list", source.location, f"{entry.display_name[:100]!r}: {fact}"))
            elif not (entry.display_name.endswith(".hybrid") and entry.display_name.removesuffix(".hybrid") in names):
                current[entry.btih.lower()] = _read(entry)
        return cls(tuple(current.values()), frozenset(obsolete - current.keys()), tuple(findings))


def _refuse(entry: TorrentEntry, source: MirrorSource, known: dict[str, ListedTorrent]) -> str | None:
    if not _INFOHASH.fullmatch(entry.btih.lower()):
        return f"its infohash is {entry.btih[:60]!r}"
    name = _name_of(entry)
    if not _PLAIN_NAME.fullmatch(name) or name in (".", "..") or not _is_utf8(name):
        return "its name cannot be that of a file"
    if not (0 <= entry.data_size < MOST_BYTES and 0 <= entry.num_files < MOST_BYTES):
        return f"it has {entry.num_files} files of {entry.data_size} bytes"
    if source.kind == "list" and not entry.url:
        return "it gives no address of its .torrent"
    return "it stands there twice" if entry.btih.lower() in known else None


def _name_of(entry: TorrentEntry) -> str:
    return entry.display_name.removesuffix(".torrent") or entry.btih.lower()


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(entry: TorrentEntry) -> ListedTorrent:
    infohash, name = entry.btih.lower(), _name_of(entry)
    return ListedTorrent(infohash, name, entry.url, f"torrents/{name}.torrent", entry.is_metadata, entry.data_size, entry.num_files)


def record_listing(mirror: Mirror, source: MirrorSource, listing: Listing) -> int:
    """Put new torrents into the ledger as known, mark what is obsolete; what is chosen or held stays so. Inside a transaction.

    Gives how many another source has too, which are held there, once: whoever listed them first, but a release before a bare list.
    """
    shared = 0
    lists = {one.source for one in mirror.ledger.sources() if one.kind == "list"} if source.kind == "release" else set[str]()
    before = {torrent.infohash: torrent for torrent in mirror.ledger.torrents(source=source.source)}
    folder = mirror.release_of(source)
    base = str(folder) if source.is_in_place else str(folder.relative_to(mirror.path))
    for entry in listing.current:
        known = before.pop(entry.infohash, None)
        other = mirror.ledger.torrent(entry.infohash) if known is None else None
        path = f"{base}/{entry.path}" if source.kind == "release" else f"{base}/torrents/{entry.infohash}.torrent"
        if other is not None and (other.source not in lists or other.state not in ("known", "dropped")):
            shared += 1
            continue
        if known is None:
            known = MirrorTorrent(
                infohash=entry.infohash, source=source.source, container=entry.name, torrent_path=path, is_metadata=entry.is_metadata,
                bytes=entry.bytes, file_count=entry.file_count, state=other.state if other else "known", why=other.why if other else "",
            )  # fmt: skip
        state = "known" if known.state == "dropped" and known.is_obsolete else known.state
        mirror.ledger.put_torrent(msgspec.structs.replace(known, torrent_path=path, is_obsolete=False, state=state))
    for gone in before.values():
        kept = mirror.path / "obsolete" / f"{gone.infohash}.torrent"
        path = str(kept.relative_to(mirror.path)) if kept.exists() else gone.torrent_path
        mirror.ledger.put_torrent(msgspec.structs.replace(gone, is_obsolete=True, torrent_path=path))
    mirror.ledger.has_listed(source.source)
    return shared
