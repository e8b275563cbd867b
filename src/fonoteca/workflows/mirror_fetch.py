"""`mirror fetch`: single albums and tracks, by the catalogue that the mirror holds and per-file selection in their containers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from fonoteca.catalogue.edition_reading import Edition
from fonoteca.catalogue.finding import find_things
from fonoteca.catalogue.records import Found
from fonoteca.ground.errors import NotFoundError
from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_lists import CATALOGUE
from fonoteca.workflows.read_catalogue import opened_edition


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is wanted from now on, or was already."""

    name: str
    container: str
    bytes: int
    is_new: bool


class FetchReport(msgspec.Struct, kw_only=True):
    """What was asked for, by file."""

    files: list[FetchedFile] = msgspec.field(default_factory=list)

    @property
    def new_bytes(self) -> int:
        """Bytes that the next run fetches for it."""
        return sum(file.bytes for file in self.files if file.is_new)


def fetch_files(mirror: Mirror, names: Sequence[str], *, dry_run: bool = False) -> FetchReport:
    """Want the files of these albums, tracks or artists; `mirror run` fetches them. NotFoundError where no source has one."""
    report = FetchReport()
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for container, aacid, size in _files_of(mirror, name):
            torrent = _torrent_of(mirror, container)
            is_new = torrent.state not in ("wanted", "fetching", "held") or (
                torrent.selection is not None and aacid not in torrent.selection
            )
            report.files.append(FetchedFile(name=aacid, container=container, bytes=size, is_new=is_new))
            if is_new:
                wanted[torrent.infohash].add(aacid)
    if not dry_run:
        with mirror.ledger.transaction():
            for infohash, files in wanted.items():
                _want(mirror, infohash, files)
    return report


def _files_of(mirror: Mirror, name: str) -> Iterator[tuple[str, str, int]]:
    """Container, file and bytes of what `name` means in the first source whose catalogue knows it."""
    why = "none of its sources brings a catalogue"
    for source in mirror.ledger.sources():
        if not (mirror.release_of(source) / CATALOGUE).is_file():
            continue
        why = f"no catalogue of its sources knows {name!r}"
        with opened_edition(mirror.release_of(source) / CATALOGUE) as edition:
            found = find_things(edition.statements, name)
            if not found:
                continue
            files = list(_rows_of(edition, _one(found, name)))
        if files:
            yield from files
            return
        why = f"{name!r} is known, but no file of it is published"
    raise NotFoundError(why, "Give a title, a public id, an ISRC or an AACID; fonoteca search finds them in an edition.")


def _one(found: list[Found], name: str) -> Found:
    if len(found) > 1:
        listed = ", ".join(f"{one.kind} {one.id}" for one in found[:5]) + (" …" if len(found) > 5 else "")
        raise NotFoundError(f"{len(found)} things answer to {name!r}: {listed}", "Give the id of one of them.")
    return found[0]


def _rows_of(edition: Edition, thing: Found) -> Iterator[tuple[str, str, int]]:
    sql = edition.statements
    question = {
        "track": "SELECT id FROM tracks WHERE id = ?",
        "album": "SELECT id FROM tracks WHERE album = (SELECT album FROM albums WHERE id = ?) ORDER BY disc, number",
        "artist": "SELECT id FROM tracks WHERE artist = (SELECT artist FROM artists WHERE id = ?)",
    }.get(thing.kind)
    if question is None:
        raise NotFoundError(f"{thing.id} is a container", "fonoteca mirror plan says which containers are held; name an album or a track.")
    for (track_id,) in list(sql.rows(question, (thing.id,))):
        rows = edition.files_of(track_id)
        if rows:
            yield rows[-1].container, rows[-1].aacid, rows[-1].size


def _torrent_of(mirror: Mirror, container: str) -> MirrorTorrent:
    found = [torrent for torrent in mirror.ledger.torrents_of_container(container) if not torrent.is_obsolete]
    if not found:
        raise NotFoundError(
            f"no torrent of the mirror's sources holds {container}", "Ask for the newest release: fonoteca mirror run --once."
        )
    return found[0]


def _want(mirror: Mirror, infohash: str, files: set[str]) -> None:
    torrent = mirror.ledger.torrent(infohash)
    assert torrent is not None
    is_chosen = torrent.state in ("wanted", "fetching", "held")
    before = set(torrent.selection or ()) if is_chosen else set()
    mirror.ledger.put_torrent(
        msgspec.structs.replace(
            torrent, state="wanted", selection=tuple(sorted(before | files)), why="asked for by name", chosen_at=mirror.now()
        )
    )
