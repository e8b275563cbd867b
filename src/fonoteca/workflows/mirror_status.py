"""`mirror status`: what is held, what was proved when, and how many others hold it; read from the ledger alone."""

from __future__ import annotations

import fcntl

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.integrity import load_key
from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_client import LISTENING
from fonoteca.workflows.mirror_drop import count_other_copies


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One source; `followed_at` in Unix seconds."""

    source: str
    location: str
    serial: int
    followed_at: int
    is_in_place: bool
    torrents: int
    bytes: int


class ContainerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One container that is chosen or held. Bytes of its wanted files; `proved_at` is the oldest proof; `copies` others that proved it."""

    container: str
    infohash: str
    source: str
    state: str
    is_metadata: bool
    is_obsolete: bool
    bytes: int
    held_bytes: int
    files: int
    held_files: int
    damaged_files: int
    lost_files: int
    proved_at: int | None
    copies: int
    why: str


class MirrorStatus(msgspec.Struct, kw_only=True):
    """All of it. `key`: its public key as minisign writes it; `budget` in bytes, None: what fits; `is_running`: whether a run has the
    mirror now; `listening`: its host:port."""

    name: str
    key: str
    budget: int | None
    is_running: bool
    listening: str
    sources: list[SourceStatus]
    containers: list[ContainerStatus]
    held_bytes: int
    held_files: int
    damaged: int
    lost: int
    oldest_proof: int | None
    findings: list[Finding]


def read_status(mirror: Mirror) -> MirrorStatus:
    """Everything that the ledger knows; nothing is read from disk or asked of anybody."""
    chosen = mirror.ledger.torrents(states=("wanted", "fetching", "held", "dropping"))
    copies = count_other_copies(mirror, chosen)
    containers = [_describe(mirror, torrent, copies[torrent.infohash]) for torrent in chosen]
    sources = [
        SourceStatus(source=one.source, location=one.location, serial=one.serial, followed_at=one.followed_at, is_in_place=one.is_in_place,
                     torrents=len(listed), bytes=sum(torrent.bytes for torrent in listed))
        for one in mirror.ledger.sources()
        for listed in [[torrent for torrent in mirror.ledger.torrents(source=one.source) if not torrent.is_obsolete]]
    ]  # fmt: skip
    return MirrorStatus(
        name=mirror.settings.name, key=load_key(mirror.key_file).public.minisign_text, budget=mirror.settings.budget_bytes,
        is_running=_is_running(mirror), listening=mirror.ledger.value(LISTENING) or "", sources=sources, containers=containers,
        held_bytes=sum(one.held_bytes for one in containers), held_files=sum(one.held_files for one in containers),
        damaged=sum(one.damaged_files for one in containers), lost=sum(one.lost_files for one in containers),
        oldest_proof=min((one.proved_at for one in containers if one.proved_at is not None), default=None),
        findings=list(mirror.ledger.findings()),
    )  # fmt: skip


def _describe(mirror: Mirror, torrent: MirrorTorrent, copies: int) -> ContainerStatus:
    statement = """SELECT count(*), coalesce(sum(size), 0), sum(state = 'held'), coalesce(sum(size) FILTER (WHERE state = 'held'), 0),
        sum(state = 'damaged'), sum(state = 'lost'), min(proved_at) FILTER (WHERE state = 'held') FROM files WHERE infohash = ?"""
    files, size, held, held_bytes, damaged, lost, proved_at = next(mirror.ledger.rows(statement, torrent.infohash))
    return ContainerStatus(
        container=torrent.container, infohash=torrent.infohash, source=torrent.source, state=torrent.state,
        is_metadata=torrent.is_metadata, is_obsolete=torrent.is_obsolete, bytes=size if files else torrent.bytes, held_bytes=held_bytes,
        files=files or torrent.file_count, held_files=held or 0, damaged_files=damaged or 0, lost_files=lost or 0, proved_at=proved_at,
        copies=copies, why=torrent.why,
    )  # fmt: skip


def _is_running(mirror: Mirror) -> bool:
    try:
        with open(mirror.staging / "run" / ".lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
