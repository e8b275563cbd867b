"""Lines of plain or compressed files, streaming, with bounded memory."""

from __future__ import annotations

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
_ZSTD_SUFFIXES = (".zst", ".zstd")
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

    def __init__(self, file: zstd.ZstdFile | gzip.GzipFile | lzma.LZMAFile) -> None:
        self._file = file

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """One step of the decompressor."""
        piece = self._file.read1(min(len(buffer), 1 << 17))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """The file below too."""
        self._file.close()
        super().close()


def open_bytes(path: Path) -> BinaryIO:
    """`path` to read, decompressed across all frames where its name ends in .zst, .zstd, .gz or .xz."""
    name = path.name.lower()
    with translate_os_errors(path):
        if name.endswith(_ZSTD_SUFFIXES):
            return io.BufferedReader(_Decompressed(zstd.ZstdFile(path)), 1 << 17)
        if name.endswith(".gz"):
            return io.BufferedReader(_Decompressed(gzip.GzipFile(path)), 1 << 17)
        if name.endswith(".xz"):
            return io.BufferedReader(_Decompressed(lzma.LZMAFile(path)), 1 << 17)
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
            content = content.removeprefix(b"\xef\xbb\xbf")
        yield Line(number, content.rstrip(b"\r\n"))


def _skip_line(file: BinaryIO) -> None:
    while chunk := file.readline(1 << 20):
        if chunk.endswith(b"\n"):
            return
