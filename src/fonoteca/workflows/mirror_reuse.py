"""Bytes that need not be fetched: files that lie on this machine already are copied with proof, sharing blocks where that can be."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from fonoteca.ground.downloads import is_web_address
from fonoteca.ground.files import FICLONE
from fonoteca.integrity.mirror_ledger_rows import MirrorFile
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_aside import is_out_of_room
from fonoteca.workflows.mirror_torrents import Chosen

_BLOCK_BYTES = 1 << 20


class Reuse:
    """Looks for the files of one torrent on this machine and copies what is good."""

    def __init__(self, mirror: Mirror, chosen: Chosen) -> None:
        self._mirror, self._chosen = mirror, chosen
        self._places = list(_folders(mirror, chosen))
        self._staged = mirror.staging / "run" / "copy"

    def take(self, file: MirrorFile) -> int | None:
        """The mtime_ns of the file now in its place, good but not on disk for sure; None where nobody here has it."""
        if file.sha256 is None:
            return None
        for place in self._candidates(file):
            if _looks_right(place, file) and (copied := self._copy(place, file)) is not None:
                return copied
        return None

    def _candidates(self, file: MirrorFile) -> Iterator[Path]:
        for other in self._mirror.ledger.files_at(file.path):
            holder = self._mirror.ledger.torrent(other.infohash)
            if other.infohash != file.infohash and holder is not None and other.state == "held" and other.sha256 in (None, file.sha256):
                yield self._mirror.file_path(other, holder)
        for folder in self._places:
            yield folder / file.path

    def _copy(self, place: Path, file: MirrorFile) -> int | None:
        target = self._chosen.folder / file.path
        self._staged.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(place, "rb", buffering=0) as reader, open(self._staged, "wb", buffering=0) as writer:
                if _copy_and_hash(reader.fileno(), writer.fileno()) != file.sha256:
                    return None
                mtime_ns = os.fstat(writer.fileno()).st_mtime_ns
        except OSError as error:
            self._staged.unlink(missing_ok=True)
            if is_out_of_room(error):
                raise
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._staged, target)
        return mtime_ns


def _folders(mirror: Mirror, chosen: Chosen) -> Iterator[Path]:
    """Where whole releases lie: the source itself, and what [heal] copies names."""
    source = mirror.ledger.source(chosen.row.source)
    if source is not None and source.kind == "release" and not source.is_in_place and not is_web_address(source.location):
        yield Path(source.location) / "containers"
    for name in mirror.settings.heal.copies:
        yield from (Path(name) / "containers", Path(name))


def _looks_right(place: Path, file: MirrorFile) -> bool:
    """Whether it has the size and is a file; its hash decides."""
    try:
        status = os.stat(place)
    except OSError:
        return False
    return status.st_size == file.size and stat.S_ISREG(status.st_mode)


def _copy_and_hash(reader: int, writer: int) -> str:
    """The SHA-256 of what was copied; with shared blocks, of what the copy reads as."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    try:
        fcntl.ioctl(writer, FICLONE, reader)
        is_shared = True
    except OSError:
        is_shared = False
    while count := os.readv(reader, [buffer]):
        digest.update(buffer[:count])
        part = buffer[:count]
        while part and not is_shared:
            part = part[os.write(writer, part) :]
    return digest.hexdigest()


def is_whole_on_disk(path: Path, file: MirrorFile) -> bool:
    """Whether a file that a stopped run left may be complete: its size is right and it has no holes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.fstat(handle).st_size == file.size and (not file.size or os.lseek(handle, 0, os.SEEK_HOLE) >= file.size)
    except OSError:
        return False
    finally:
        os.close(handle)
