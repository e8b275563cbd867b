"""A torrent that was chosen: its .torrent read without trust, its files put into the ledger, and what of it is proved."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

import msgspec

from fonoteca.ground.downloads import is_web_address, join_url
from fonoteca.ground.errors import TorrentFormatError, translate_os_errors
from fonoteca.ground.files import write_atomically
from fonoteca.integrity.mirror_ledger_rows import MirrorFile, MirrorSource, MirrorTorrent
from fonoteca.torrents import TorrentInfo, read_torrent, read_torrents_json
from fonoteca.torrents.clients.bitfields import pack_pieces
from fonoteca.torrents.clients.piece_map import PieceMap
from fonoteca.torrents.web_seeds import with_web_seeds
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_lists import TORRENT_LIMIT
from fonoteca.workflows.mirror_origin import fetch_torrent_of_list
from fonoteca.workflows.mirror_sums import checksums_below

DAY_S = 86_400


class Chosen(msgspec.Struct, frozen=True):
    """A torrent with what its .torrent says; `content` is the .torrent as it goes to the client."""

    row: MirrorTorrent
    info: TorrentInfo
    pieces: PieceMap
    content: bytes
    folder: Path


def open_chosen(mirror: Mirror, row: MirrorTorrent) -> Chosen:
    """Read the .torrent of a row; of a bare list it is fetched first. TorrentFormatError where it is not what the list told."""
    source = mirror.ledger.source(row.source)
    assert source is not None
    content = _read_content(mirror, row, source)
    info = read_torrent(content)
    _compare(row, info, source)
    if source.kind == "release" and is_web_address(source.location):
        content = with_web_seeds(content, [join_url(source.location, "containers") + "/"])
    return Chosen(row, info, PieceMap(info), content, mirror.containers_of(source))


def _read_content(mirror: Mirror, row: MirrorTorrent, source: MirrorSource) -> bytes:
    path = mirror.torrent_file(row)
    if source.kind == "list" and not path.is_file():
        content = fetch_torrent_of_list(source.location, _address(mirror, row, source), TORRENT_LIMIT)
        _compare(row, read_torrent(content), source)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        return content
    with translate_os_errors(path):
        return path.read_bytes()


def _address(mirror: Mirror, row: MirrorTorrent, source: MirrorSource) -> str:
    """Where the list says that the .torrent is."""
    path = mirror.release_of(source) / "torrents.json"
    with translate_os_errors(path):
        return _read_addresses(path, path.stat().st_mtime_ns).get(row.infohash, "")


@lru_cache(maxsize=2)
def _read_addresses(path: Path, mtime_ns: int) -> dict[str, str]:
    """By infohash; a list of 60,000 torrents takes a second to read, which is too long for each of them."""
    entries, _ = read_torrents_json(path.read_bytes())
    return {entry.btih.lower(): entry.url for entry in reversed(entries)}


def _compare(row: MirrorTorrent, info: TorrentInfo, source: MirrorSource) -> None:
    def refuse(fact: str) -> None:
        raise TorrentFormatError(f"the torrent of {row.container} {fact}", "Do not use it; ask the publisher for a clean one.")

    if info.infohash != row.infohash:
        refuse(f"has infohash {info.infohash}, the list tells {row.infohash}")
    if source.kind == "release" and (info.data_bytes, info.file_count) != (row.bytes, row.file_count):
        refuse(f"holds {info.file_count} files of {info.data_bytes} bytes, the list tells {row.file_count} of {row.bytes}")
    if source.kind == "release" and info.name != row.container:
        refuse(f"is named {info.name!r}")
    for path in (info.name, *(file.path for file in info.files)):
        if not _is_utf8(path) or path.startswith(".") or "/." in path:
            refuse(f"holds {path!r:.100}, which a mirror cannot keep")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def correct_size(mirror: Mirror, chosen: Chosen) -> bool:
    """Whether the torrent holds more than its list told; then the ledger knows it by its true size, and it is to be chosen again."""
    told, info = chosen.row, chosen.info
    if info.data_bytes <= told.bytes or told.selection is not None:
        return False
    with mirror.ledger.transaction():
        row = mirror.ledger.torrent(told.infohash)
        if row is not None and row.state == "wanted":
            mirror.ledger.put_torrent(msgspec.structs.replace(row, bytes=info.data_bytes, file_count=info.file_count, state="known"))
    return True


def record_files(mirror: Mirror, chosen: Chosen) -> None:
    """Put the wanted files of a torrent into the ledger with the SHA-256 that the release tells. Inside a transaction.

    TorrentFormatError where another torrent keeps other files under the same names.
    """
    row, info = chosen.row, chosen.info
    top = f"containers/{info.name}"
    told = checksums_below(mirror.release_of(row.source) / "SHA256SUMS", top, info.file_count) if not row.is_obsolete else {}
    wanted = None if row.selection is None else set(row.selection)
    files = []
    first = 0
    for position, file in enumerate(info.files):
        path = path_in_containers(info, file.path)
        if not file.is_padding and (wanted is None or file.path in wanted):
            files.append(MirrorFile(infohash=row.infohash, position=position, path=path, first_byte=first, size=file.size,
                                    sha256=told.get(f"containers/{path}")))  # fmt: skip
        first += file.size
    unnamed = next((file.path for file in files if file.sha256 is None), None)
    source = mirror.ledger.source(row.source)
    if unnamed and source is not None and source.kind == "release" and not row.is_obsolete:
        raise TorrentFormatError(f"SHA256SUMS does not name {unnamed}, which the torrent holds", "Ask the publisher.")
    _refuse_clash(mirror, row, info)
    mirror.ledger.put_files(files)
    known = msgspec.structs.replace(row, bytes=info.data_bytes, file_count=info.file_count, piece_length=info.piece_length)
    mirror.ledger.put_torrent(known)


def path_in_containers(info: TorrentInfo, path: str) -> str:
    """Where a file of a torrent lies below containers/."""
    return path if info.is_single else f"{info.name}/{path}"


def _refuse_clash(mirror: Mirror, row: MirrorTorrent, info: TorrentInfo) -> None:
    """Every file is asked for, wanted or not: some clients write the first bytes of a neighbour that was not chosen."""
    folders: set[str] = set()
    for file in info.files:
        if not file.is_padding:
            path = path_in_containers(info, file.path)
            _refuse_holders(row, path, mirror.ledger.holders_of(row.source, path, row.infohash))
            folders.update(str(folder) for folder in PurePosixPath(path).parents)
    for folder in folders:
        _refuse_holders(row, folder, mirror.ledger.holders_of(row.source, folder, row.infohash, below=False))


def _refuse_holders(row: MirrorTorrent, path: str, holders: list[str]) -> None:
    if holders:
        raise TorrentFormatError(
            f"the torrents {row.infohash} and {holders[0]} both keep {path}", "Drop one of them: fonoteca mirror drop."
        )


def is_as_proved(path: Path, file: MirrorFile) -> bool:
    """Whether the file on disk still has the size and time of change that it had when it was proved."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return status.st_size == file.size and status.st_mtime_ns == file.mtime_ns


def is_fresh(mirror: Mirror, file: MirrorFile, now: float | None = None) -> bool:
    """Whether it was proved within the days of the schedule."""
    since = (time.time() if now is None else now) - (file.proved_at or 0)
    return since <= mirror.settings.proving.days * DAY_S


def proved_bitfield(chosen: Chosen, files: Iterable[MirrorFile]) -> bytes:
    """The pieces of which every byte lies in one of these files, in a pad, or in an empty file. `files` in order of position."""
    length, info = chosen.info.piece_length, chosen.info
    held = {file.position for file in files}
    flags = [False] * chosen.pieces.count
    begin = end = 0
    for position, file in enumerate(info.files):
        if file.is_padding or position in held or not file.size:
            end += file.size
            continue
        _set(flags, begin, end, length)
        begin = end = end + file.size
    _set(flags, begin, end if end < chosen.pieces.total_bytes else chosen.pieces.count * length, length)
    return pack_pieces(flags)


def _set(flags: list[bool], begin: int, end: int, length: int) -> None:
    for index in range(-(-begin // length), end // length):
        flags[index] = True


def pieces_of_files(chosen: Chosen, files: Iterable[MirrorFile]) -> set[int]:
    """Every piece that holds a byte of one of these files."""
    return pieces_between(chosen.info.piece_length, files)


def pieces_between(length: int, files: Iterable[MirrorFile]) -> set[int]:
    """As `pieces_of_files`, in pieces of so many bytes."""
    return {index for file in files if file.size for index in range(file.first_byte // length, -(-(file.first_byte + file.size) // length))}
