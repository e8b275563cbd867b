"""Members on disk: written once with their digest, proven before they are used again, synced by the container."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from fonoteca.ground.errors import ContainerFormatError, translate_os_errors

PIECE_BYTES = 1 << 20
_HELD_BYTES = 64 << 20
_FEW_FILES = 16
MEMBER_MODE = 0o444
"""Members are immutable, and hard links share the mode."""


class MemberWritten(msgspec.Struct, frozen=True):
    """A member as it stands in the container: its AACID, bytes, and SHA-256 in lower-case hex."""

    name: str
    size: int
    sha256: str


def gather_pieces(parts: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of about a mebibyte: small parts cost no call each, large ones are cut without being copied."""
    waiting: list[bytes | bytearray | memoryview] = []
    length = 0
    for part in parts:
        if len(part) >= PIECE_BYTES:
            if length:
                yield b"".join(waiting)
            yield from _cut(memoryview(part))
            waiting, length = [], 0
            continue
        waiting.append(part)
        length += len(part)
        if length >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, length = [], 0
    if length:
        yield b"".join(waiting)


def _cut(part: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(part), PIECE_BYTES):
        yield part[start : start + PIECE_BYTES]


def write_member(
    path: Path, parts: Iterable[bytes | bytearray | memoryview], observe: Callable[[bytes | memoryview], object], sha256: str | None = None
) -> MemberWritten:
    """Write `parts` to a new file, feed them to `observe`, and say size and SHA-256; not synced yet.

    `sha256` is that of the parts where the caller has taken it already: they are not hashed again.
    """
    digest, size = hashlib.sha256(), 0
    with translate_os_errors(path):
        remove_leftover(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MEMBER_MODE), "wb", buffering=0) as file:
            for piece in gather_pieces(parts):
                _write_all(file.fileno(), piece)
                if sha256 is None:
                    digest.update(piece)
                observe(piece)
                size += len(piece)
    return MemberWritten(path.name, size, sha256 or digest.hexdigest())


def remove_leftover(path: Path) -> None:
    """Make the name free, whatever stands there: a file, a link, a folder, or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_all(handle: int, content: bytes | memoryview) -> None:
    written = os.write(handle, content)
    while written < len(content):
        written += os.write(handle, memoryview(content)[written:])


def prove_member(path: Path, sha256: str, observe: Callable[[bytes | memoryview], object]) -> int | None:
    """Feed the file to `observe` and give its size if it is a regular file with that SHA-256; None, and nothing fed, if it is not.

    One read for files up to 64 MiB, two for larger ones, since nothing may be fed before it is proven.
    """
    with translate_os_errors(path):
        if not path.is_file() or path.is_symlink():
            return None
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(handle, "rb", buffering=0) as file:
            status = os.fstat(handle)
            held: list[bytes] | None = [] if status.st_size <= _HELD_BYTES else None
            digest, size = hashlib.sha256(), 0
            for piece in _read_pieces(handle):
                digest.update(piece)
                size += len(piece)
                if held is not None:
                    held.append(piece)
            if digest.hexdigest() != sha256:
                return None
            file.seek(0)
            for piece in held if held is not None else _read_pieces(handle):
                observe(piece)
    return size


def _read_pieces(handle: int) -> Iterator[bytes]:
    while piece := os.read(handle, PIECE_BYTES):
        yield piece


def link_file(existing: Path, target: Path) -> None:
    """Give `existing` a second name. ContainerFormatError where the two cannot be on one file system."""
    with translate_os_errors(target):
        remove_leftover(target)
        try:
            os.link(existing, target, follow_symlinks=False)
        except OSError as error:
            raise ContainerFormatError(
                f"{existing} cannot be linked to {target}: {error.strerror}", "Containers that share members must be on one file system."
            ) from error


def sync_files(folder: Path, names: Iterable[str]) -> None:
    """Put the named files of `folder` and the folder itself on disk.

    One syncfs for many files: for 60,000 members it saves as many waits for the disk.
    """
    chosen = list(names)
    with translate_os_errors(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if len(chosen) <= _FEW_FILES:
                for name in chosen:
                    _sync_file(name, handle)
            else:
                _sync_file_system(handle)
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_file(name: str, folder: int) -> None:
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_file_system(handle: int) -> None:
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(handle):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
