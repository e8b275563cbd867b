"""How much a mirror may hold: what it was told, or what the disk has; and what its torrents take of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from fonoteca.ground.errors import FonotecaError, translate_os_errors
from fonoteca.integrity.mirror_ledger_rows import MirrorTorrent
from fonoteca.torrents import read_torrent
from fonoteca.workflows.mirror import Mirror

SPARE_SHARE = 0.05
"""Of the disk, kept free where no budget is set."""


def budget_of(mirror: Mirror) -> int:
    """Bytes: the setting, or what is held and what else fits on the disk, less a spare share of it."""
    told = mirror.settings.budget_bytes
    if told is not None:
        return told
    disk = shutil.disk_usage(mirror.path)
    return max(0, held_bytes_of(mirror) + disk.free - round(disk.total * SPARE_SHARE))


def held_bytes_of(mirror: Mirror, torrents: Iterable[MirrorTorrent] | None = None) -> int:
    """Bytes of held files, of some torrents or of all; files are counted only where a torrent is not held whole."""
    torrents = mirror.ledger.torrents(states=("fetching", "held", "wanted", "dropping")) if torrents is None else torrents
    statement = "SELECT infohash, sum(size) FROM files WHERE state IN ('damaged', 'lost') GROUP BY infohash"
    bad = dict(mirror.ledger.rows(statement))
    total = 0
    for torrent in torrents:
        if torrent.state == "held" and torrent.selection is None:
            total += torrent.bytes - bad.get(torrent.infohash, 0)
        else:
            total += mirror.ledger.counts_of_files(torrent.infohash).get("held", (0, 0))[1]
    return total


def selected_bytes_of(mirror: Mirror, torrent: MirrorTorrent) -> int:
    """Bytes that a chosen torrent is to take: all of it, or those of the files that were asked for by name."""
    if torrent.selection is None:
        return torrent.bytes
    wanted = set(torrent.selection)
    try:
        with translate_os_errors(mirror.torrent_file(torrent)):
            info = read_torrent(mirror.torrent_file(torrent).read_bytes())
    except FonotecaError:
        return sum(size for _, size in mirror.ledger.counts_of_files(torrent.infohash).values())
    return sum(file.size for file in info.files if file.path in wanted)
