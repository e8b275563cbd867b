"""`mirror drop`: let go of containers, never of the last copy that anybody has proved unless one insists."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fonoteca.ground.errors import ArchiveBusyError, NotFoundError, UsageError
from fonoteca.ground.files import sync_folder
from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.workflows.census import party_of, take_census
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_plan import BY_HAND

FORGETTING = "forgetting "
"""Before the name of a source in the ledger's values: it was dropped while a run had the mirror."""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """One container and what became of it. `copies`: how many other operators have proved it; `is_dropped` False: refused, or a dry run."""

    container: str
    bytes: int
    copies: int
    is_dropped: bool


class DropReport(msgspec.Struct, kw_only=True):
    """What was dropped. `is_done` False: `mirror run` is under way and carries it out within seconds."""

    name: str
    dropped: list[Dropped]
    is_done: bool = True
    forgets_source: bool = False


def drop(mirror: Mirror, name: str, *, force: bool = False, dry_run: bool = False) -> DropReport:
    """Drop a container, or a source with all of its containers, by name. UsageError where nobody else has proved one and not `force`."""
    source = mirror.ledger.source(name)
    torrents = mirror.ledger.torrents(source=name) if source is not None else _find(mirror, name)
    held = [torrent for torrent in torrents if torrent.state in ("wanted", "fetching", "held", "dropping")]
    copies = count_other_copies(mirror, held)
    last = [torrent for torrent in held if not copies[torrent.infohash] and _has_bytes(mirror, torrent)]
    if last and not force and not dry_run:
        raise UsageError(
            f"{_name_some(last)}: nobody else is known to have proved {'it' if len(last) == 1 else 'them'}",
            "Wait until another mirror announces that it holds this; or drop it all the same with --force.",
        )
    report = DropReport(name=name, dropped=[
        Dropped(container=one.container, bytes=one.bytes, copies=copies[one.infohash], is_dropped=not dry_run) for one in held
    ], forgets_source=source is not None)  # fmt: skip
    if dry_run:
        return report
    _mark(mirror, torrents, source.source if source is not None else None)
    report.is_done = _carry_out_now(mirror)
    return report


def _name_some(torrents: list[MirrorTorrent]) -> str:
    more = f" and {len(torrents) - 1} more" if len(torrents) > 1 else ""
    return f"{torrents[0].container}{more}"


def _find(mirror: Mirror, name: str) -> list[MirrorTorrent]:
    found = mirror.ledger.torrents_of_container(name)
    if not found:
        found = [torrent for torrent in mirror.ledger.torrents() if torrent.infohash == name.lower()]
    if not found:
        raise NotFoundError(f"the mirror knows no container or source {name!r}", "fonoteca mirror status names them.")
    return found


def _has_bytes(mirror: Mirror, torrent: MirrorTorrent) -> bool:
    return mirror.ledger.counts_of_files(torrent.infohash).get("held", (0, 0))[0] > 0


def count_other_copies(mirror: Mirror, torrents: Iterable[MirrorTorrent]) -> dict[str, int]:
    """Other operators that are known to have proved all of it, by infohash."""
    now = mirror.now()
    census, me = take_census(mirror, now), party_of(mirror)
    return {torrent.infohash: census.proved_elsewhere(torrent.infohash, now, who=me.who) for torrent in torrents}


def _mark(mirror: Mirror, torrents: list[MirrorTorrent], source: str | None) -> None:
    with mirror.ledger.transaction():
        if source is not None:
            mirror.ledger.put_value(FORGETTING + source, "1")
        for torrent in torrents:
            state = "dropping" if torrent.state in ("wanted", "fetching", "held", "dropping") else "dropped"
            mirror.ledger.put_torrent(msgspec.structs.replace(torrent, state=state, why=BY_HAND))


def _carry_out_now(mirror: Mirror) -> bool:
    """Unless a run is under way, which closes the files first."""
    try:
        with mirror.hold("run"):
            for torrent in mirror.ledger.torrents(states=("dropping",)):
                carry_out_drop(mirror, torrent)
            return forget_marked_sources(mirror)
    except ArchiveBusyError:
        return False


def is_being_forgotten(mirror: Mirror, source: str) -> bool:
    """Whether a source was dropped and is gone as soon as its containers are."""
    return bool(mirror.ledger.value(FORGETTING + source))


def forget_marked_sources(mirror: Mirror) -> bool:
    """Forget the sources that were dropped, once nothing of them is left to drop and nobody is asking one; whether that is done."""
    marked = [one.source for one in mirror.ledger.sources() if is_being_forgotten(mirror, one.source)]
    if not marked:
        return True
    try:
        with mirror.hold("lists"):
            for name in marked:
                if not mirror.ledger.torrents(source=name, states=("wanted", "fetching", "held", "dropping")):
                    _forget_source(mirror, name)
    except ArchiveBusyError:
        return False
    return True


def carry_out_drop(mirror: Mirror, torrent: MirrorTorrent) -> None:
    """Remove the files of a torrent that is to be dropped, then say so; killed on the way, it is done again."""
    source = mirror.ledger.source(torrent.source)
    if source is not None and not source.is_in_place:
        folder = mirror.containers_of(source)
        shared = {file.path for file in mirror.ledger.files_of(torrent.infohash) if len(mirror.ledger.files_at(file.path)) > 1}
        for file in mirror.ledger.files_of(torrent.infohash):
            if file.path not in shared or not _is_kept_by_other(mirror, torrent, file.path):
                (folder / file.path).unlink(missing_ok=True)
        _remove_empty(folder, torrent.container)
        (folder / f".{torrent.infohash}.parts").unlink(missing_ok=True)
    (mirror.path / "obsolete" / f"{torrent.infohash}.torrent").unlink(missing_ok=True)
    with mirror.ledger.transaction():
        mirror.ledger.forget_files(torrent.infohash)
        mirror.ledger.set_work(torrent.infohash, "dropped")


def _is_kept_by_other(mirror: Mirror, torrent: MirrorTorrent, path: str) -> bool:
    others = (mirror.ledger.torrent(file.infohash) for file in mirror.ledger.files_at(path) if file.infohash != torrent.infohash)
    return any(other is not None and other.source == torrent.source and other.state not in ("dropped", "dropping") for other in others)


def _remove_empty(folder: Path, name: str) -> None:
    """The folder of a container and what it holds of folders, as far as nothing of anybody's lies in it."""
    top = folder / name
    if top.is_dir() and not top.is_symlink():
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                continue
    if folder.is_dir():
        sync_folder(folder)


def _forget_source(mirror: Mirror, name: str) -> None:
    source = mirror.ledger.source(name)
    if source is None:
        return
    if not source.is_in_place:
        folder = mirror.release_of(source)
        containers = folder / "containers"
        if containers.is_dir() and any(containers.iterdir()):
            for other in folder.iterdir():
                if other != containers:
                    shutil.rmtree(other) if other.is_dir() else other.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
    with mirror.ledger.transaction():
        mirror.ledger.drop_source(name)
        mirror.ledger.put_value(FORGETTING + name, "")
