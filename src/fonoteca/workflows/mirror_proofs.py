"""Files of a mirror read and found good before they count as held: by SHA-256 where it is known, else by the pieces of the torrent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.integrity.mirror_ledger_rows import MirrorFile
from fonoteca.workflows.mirror_torrents import Chosen, pieces_of_files

_BLOCK_BYTES = 1 << 20

Outcome = Literal["good", "bad", "missing", "short", "busy"]


class FileProof(msgspec.Struct, frozen=True):
    """What was found: `mtime_ns` is that of the bytes that were read; `fact` tells what is wrong."""

    outcome: Outcome
    mtime_ns: int = 0
    fact: str = ""


def prove_file(chosen: Chosen, file: MirrorFile, client_has: Collection[int] = ()) -> FileProof:
    """Read one file and say whether it is good. "busy": it changed while it was read.

    `client_has`: pieces that the client proved, which counts where they reach into files that are not here and no SHA-256 is known.
    """
    path = chosen.folder / file.path
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return FileProof("missing", fact=str(error.strerror))
    try:
        before = os.fstat(handle)
        if before.st_size != file.size:
            return FileProof("short", fact=f"has {before.st_size} bytes, should have {file.size}")
        is_good, fact = _prove_by_hash(handle, file) if file.sha256 else _prove_by_pieces(chosen, file, client_has)
        after = os.fstat(handle)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            return FileProof("busy", fact="it changed while it was read")
        if not is_good:
            return FileProof("bad", after.st_mtime_ns, fact)
        return FileProof("good", after.st_mtime_ns)
    except OSError as error:
        return FileProof("bad", fact=f"it cannot be read: {error.strerror}")
    finally:
        os.close(handle)


def _prove_by_hash(handle: int, file: MirrorFile) -> tuple[bool, str]:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    while count := os.readv(handle, [buffer]):
        digest.update(buffer[:count])
    return digest.hexdigest() == file.sha256, f"SHA-256 is {digest.hexdigest()}, should be {file.sha256}"


def _prove_by_pieces(chosen: Chosen, file: MirrorFile, client_has: Collection[int]) -> tuple[bool, str]:
    for index in sorted(pieces_of_files(chosen, [file])):
        content = chosen.pieces.read(chosen.folder, index)
        if not chosen.pieces.is_good(index, content) and (content is not None or index not in client_has):
            return False, f"piece {index} does not have its hash"
    return True, ""


def bad_pieces(chosen: Chosen, file: MirrorFile) -> set[int]:
    """The pieces of a file that lie on disk and do not have their hashes."""
    bad = set()
    for index in pieces_of_files(chosen, [file]):
        content = chosen.pieces.read(chosen.folder, index)
        if content is not None and not chosen.pieces.is_good(index, content):
            bad.add(index)
    return bad


def make_empty_file(folder: Path, file: MirrorFile) -> None:
    """No torrent client fetches a file of no bytes; it is made, where nothing is in its place."""
    path = folder / file.path
    if not file.size and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
