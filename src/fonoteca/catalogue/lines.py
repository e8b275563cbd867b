"""Lines of plain or compressed files, streaming, with bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backports import zstd

from fonoteca.ground.errors import translate_os_errors

LONGEST_LINE = 64 << 20
_PIECE_BYTES = 1 << 20
_MARK = b"\xef\xbb\xbf"
_ZSTD_SUFFIXES, _GZIP_SUFFIXES = (".zst", ".zstd", ".tzst"), (".gz", ".tgz")
_XZ_SUFFIXES, _BZIP2_SUFFIXES = (".xz", ".txz"), (".bz2", ".tbz2", ".tbz")
DAMAGE = (zstd.ZstdError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What decompressing a file that is damaged or cut raises."""


class Line:
    """One line with its number from 1; `fault` says why its bytes cannot be used."""

    __slots__ = ("content", "fault", "number")

    def __init__(self, number: int, content: bytes, fault: str | None = None) -> None:
        self.number = number
        self.content = content
        self.fault = fault


class _Decompressed(io.RawIOBase):
    """Gives what could be decompressed before it raises for what follows; filling a larger buffer at once would lose it."""

    def __init__(self, file: zstd.ZstdFile | gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File) -> None:
        self._file = file

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """One step of the decompressor."""
        try:
            piece = self._file.read1(min(len(buffer), 1 << 17))
        except OSError as error:
            if error.errno is None and isinstance(self._file, bz2.BZ2File):
                raise EOFError(f"{error}") from error  # bzip2 tells of damage as if the disk had failed
            raise
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """The file below too."""
        self._file.close()
        super().close()


def open_bytes(path: Path) -> BinaryIO:
    """`path` to read, decompressed across all frames where its name says that it is .zst, .gz, .xz or .bz2 (.tgz … too)."""
    name = path.name.lower()
    with translate_os_errors(path):
        if name.endswith(_ZSTD_SUFFIXES):
            return io.BufferedReader(_Decompressed(zstd.ZstdFile(path)), 1 << 17)
        if name.endswith(_GZIP_SUFFIXES):
            return io.BufferedReader(_Decompressed(gzip.GzipFile(path)), 1 << 17)
        if name.endswith(_XZ_SUFFIXES):
            return io.BufferedReader(_Decompressed(lzma.LZMAFile(path)), 1 << 17)
        if name.endswith(_BZIP2_SUFFIXES):
            return io.BufferedReader(_Decompressed(bz2.BZ2File(path)), 1 << 17)
        return path.open("rb")


def read_lines(file: BinaryIO, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """Each line without its end (LF or CRLF) and without a byte order mark.

    A line over `longest` bytes is skipped and given empty with its fault; so is what follows where compression is damaged or cut.
    """
    number = 0
    while True:
        number += 1
        try:
            content = file.readline(longest + 1)
            if len(content) > longest and not content.endswith(b"\n"):
                _skip_line(file)
                yield Line(number, b"", f"the line has more than {longest:,} bytes")
                continue
        except DAMAGE as error:
            yield Line(number, b"", f"the compressed file is damaged or cut here: {error}")
            return
        if not content:
            return
        if number == 1:
            content = content.removeprefix(_MARK)
        yield Line(number, content.rstrip(b"\r\n"))


def read_blocks(file: BinaryIO, size: int, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """Many whole lines at once, about `size` bytes, under the number of their first; faults as read_lines tells them, in their places.

    Of what is damaged or cut the lines before are given first.
    """
    number, rest, damage, is_end = 1, b"", None, False
    while not is_end:
        content, damage, is_end = _read_pieces(file, rest, size)
        if number == 1 and content.startswith(_MARK):
            content = content[len(_MARK) :]
        cut = len(content) if is_end and damage is None else content.rfind(b"\n") + 1
        first = content.find(b"\n") if cut else -1
        if (len(content) if first < 0 else first) > longest:
            if first < 0 and not is_end:
                damage, is_end = _skip_damaged(file)
            if damage is None or first >= 0:
                yield Line(number, b"", f"the line has more than {longest:,} bytes")
                number += 1
            content, cut = (b"", 0) if first < 0 else (content[first + 1 :], cut - first - 1)
        if cut:
            yield Line(number, content[:cut])
            number += content.count(b"\n", 0, cut)
        rest = content[cut:]
    if damage is not None:
        yield Line(number, b"", f"the compressed file is damaged or cut here: {damage}")


def _read_pieces(file: BinaryIO, rest: bytes, size: int) -> tuple[bytes, Exception | None, bool]:
    """What follows `rest`, up to `size` bytes and always something; what damaged it, and whether that was all."""
    pieces, missing = [rest], max(size - len(rest), min(size, _PIECE_BYTES))
    try:
        while missing > 0:
            piece: bytes = file.read1(min(missing, _PIECE_BYTES))  # type: ignore[attr-defined]
            if not piece:
                return b"".join(pieces), None, True
            pieces.append(piece)
            missing = missing - len(piece)
    except DAMAGE as error:
        return b"".join(pieces), error, True
    return b"".join(pieces), None, False


def _skip_damaged(file: BinaryIO) -> tuple[Exception | None, bool]:
    try:
        _skip_line(file)
    except DAMAGE as error:
        return error, True
    return None, False


def _skip_line(file: BinaryIO) -> None:
    while chunk := file.readline(1 << 20):
        if chunk.endswith(b"\n"):
            return
