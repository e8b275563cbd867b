"""Which bytes of which files a piece is made of; pieces read from a folder and written to one, by hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import numpy as np

from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.torrents.clients.part_file import PartFile
from fonoteca.torrents.pieces import count_pieces
from fonoteca.torrents.reading import TorrentInfo


class Span(msgspec.Struct, frozen=True):
    """A part of a file that lies in one piece; `path` is below the folder that the torrent is saved in; `at` counts in the piece."""

    path: str
    offset: int
    length: int
    at: int
    is_padding: bool = False


class PieceMap:
    """The pieces of a torrent over its files."""

    def __init__(self, info: TorrentInfo) -> None:
        self.info = info
        self._ends = np.cumsum([file.size for file in info.files], dtype=np.int64)
        self.total_bytes = int(self._ends[-1])
        self.count = count_pieces(self.total_bytes, info.piece_length)

    def piece_bytes(self, index: int) -> int:
        """Length of one piece; the last may be short."""
        return min(self.info.piece_length, self.total_bytes - index * self.info.piece_length)

    def spans(self, index: int) -> Iterator[Span]:
        """The parts of files that make up a piece, in order."""
        begin = index * self.info.piece_length
        end = begin + self.piece_bytes(index)
        position = int(np.searchsorted(self._ends, begin, side="right"))
        first = begin
        while begin < end:
            file = self.info.files[position]
            file_end = int(self._ends[position])
            length = min(end, file_end) - begin
            if length:
                path = file.path if self.info.is_single else f"{self.info.name}/{file.path}"
                yield Span(path, begin - (file_end - file.size), length, begin - first, file.is_padding)
            begin, position = begin + length, position + 1

    def pieces_of(self, files: Collection[str]) -> set[int]:
        """Every piece that holds a byte of one of these files."""
        chosen = self.choose(files)
        found: set[int] = set()
        for is_chosen, file, end in zip(chosen, self.info.files, self._ends, strict=True):
            if is_chosen and file.size:
                first = (int(end) - file.size) // self.info.piece_length
                found.update(range(first, (int(end) - 1) // self.info.piece_length + 1))
        return found

    def choose(self, files: Collection[str] | None) -> list[bool]:
        """Per file of the torrent whether it is among `files` (None: all); UsageError for one that the torrent has not."""
        if files is None:
            return [True] * len(self.info.files)
        wanted = set(files)
        chosen = [file.path in wanted for file in self.info.files]
        if sum(chosen) < len(wanted):
            unknown = min(wanted - {file.path for file in self.info.files})
            raise UsageError(f"{self.info.name} holds no file {unknown!r}", "Name files as the torrent does.")
        return chosen

    def is_good(self, index: int, content: bytes | bytearray | None) -> bool:
        """Whether these bytes are that piece."""
        expected = self.info.pieces[20 * index : 20 * index + 20]
        return content is not None and hashlib.sha1(content, usedforsecurity=False).digest() == expected

    def read(self, folder: Path, index: int) -> bytearray | None:
        """The bytes that lie there for a piece, good or not; None where a file is missing, too short or cannot be read.

        Parts of files that were not wanted are looked up in libtorrent's part file.
        """
        content = bytearray(self.piece_bytes(index))
        for span in self.spans(index):
            part = memoryview(content)[span.at : span.at + span.length]
            if not span.is_padding and not _read_span(folder / span.path, span, part) and not self._read_part(folder, index, span, part):
                return None
        return content

    def write(self, folder: Path, index: int, content: bytes | bytearray) -> None:
        """Put a piece in its place in sparse files; nothing is made longer than its last byte needs."""
        for span in self.spans(index):
            if span.is_padding:
                continue
            path = folder / span.path
            with translate_os_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
                try:
                    _write_all(handle, memoryview(content)[span.at : span.at + span.length], span.offset)
                finally:
                    os.close(handle)

    def _read_part(self, folder: Path, index: int, span: Span, part: memoryview) -> bool:
        return PartFile(folder / f".{self.info.infohash}.parts").read(index, span.at, part)


def _read_span(path: Path, span: Span, part: memoryview) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return os.preadv(handle, [part], span.offset) == span.length
    except OSError:
        return False
    finally:
        os.close(handle)


def _write_all(handle: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(handle, content, offset)
        content, offset = content[written:], offset + written
