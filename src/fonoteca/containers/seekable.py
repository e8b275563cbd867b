"""Seekable Zstandard: written in frames of one size with a table at the end; read anywhere, or from the beginning past damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from fonoteca.containers.frames import (
    FRAME_MAGIC,
    PIECE_BYTES,
    CachedRanges,
    FrameDecoder,
    compress_frame,
    is_zstandard,
    read_frame_header,
    skippable_length,
)
from fonoteca.containers.seek_table import SeekTable, encode_seek_table, read_seek_table, scan_seek_table
from fonoteca.containers.stores import ByteSink, RangedFile
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import Finding

FRAME_BYTES = 10 << 20
LEVEL = 9
_HELD_BYTES = 32 << 20
_MAXIMUM_DAMAGES = 1000


class SeekableWriter:
    """Bytes in, seekable Zstandard out: independent frames of exactly `frame_bytes` input bytes but the last, then the table.

    `sink` is a callable or has write(bytes). The same input gives the same output, however it is cut into writes.
    """

    def __init__(self, sink: Callable[[bytes], object] | ByteSink, frame_bytes: int = FRAME_BYTES, level: int = LEVEL) -> None:
        if not 0 < frame_bytes <= 1 << 30:
            raise ContainerFormatError(f"frames of {frame_bytes} bytes cannot be written", "Choose 1 byte to 1 GiB.")
        self._sink = sink if callable(sink) else sink.write
        self._frame_bytes = frame_bytes
        self._level = level
        self._waiting = bytearray()
        self._entries: list[tuple[int, int]] = []

    def write(self, content: bytes) -> None:
        """Append `content`."""
        self._waiting += content
        if len(self._waiting) < self._frame_bytes:
            return
        whole = len(self._waiting) - len(self._waiting) % self._frame_bytes
        for start in range(0, whole, self._frame_bytes):
            self._put_frame(bytes(memoryview(self._waiting)[start : start + self._frame_bytes]))
        del self._waiting[:whole]

    def close(self) -> None:
        """Write the last frame and the table; the sink stays open."""
        if self._waiting:
            self._put_frame(bytes(self._waiting))
            self._waiting.clear()
        self._sink(encode_seek_table(self._entries))

    def _put_frame(self, content: bytes) -> None:
        packed = compress_frame(content, self._level)
        self._entries.append((len(packed), len(content)))
        self._sink(packed)


class _LyingTableError(Exception):
    """A frame is not what the table says of it."""


class SeekableReader:
    """The content of a seekable, a plain Zstandard or an uncompressed file.

    `findings` fills while reading: aac-seek-table where the table is missing, cut or wrong. Memory stays below about 64 MiB whatever
    the file claims. `name` is what findings call the file.
    """

    def __init__(self, file: RangedFile, name: str = "") -> None:
        self._file = file
        self._name = name
        self.findings: list[Finding] = []
        self.is_plain = not is_zstandard(file.read_at(0, 4))
        self._table: SeekTable | None = None
        self._table_is_scanned = False
        self._held: tuple[int, bytes] = (-1, b"")

    @property
    def size(self) -> int:
        """Bytes of the content, as the table or the frames say."""
        return self._file.size if self.is_plain else self._load_table().content_bytes

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes of the content from `offset`; fewer only at its end. ContainerFormatError in a damaged frame."""
        if self.is_plain or length <= 0:
            return self._file.read_at(offset, max(0, length))
        try:
            return self._collect(offset, length)
        except _LyingTableError as lie:
            self._scan(str(lie))
        try:
            return self._collect(offset, length)
        except _LyingTableError as lie:
            raise ContainerFormatError(str(lie)) from lie

    def chunks(self) -> Iterator[bytes | Finding]:
        """The whole content from its beginning; a finding stands where bytes are missing, and at the end what was odd.

        A frame of up to 32 MiB is given only after its checksum held; bytes of larger ones may be followed by the finding that
        they are damaged.
        """
        if self.is_plain:
            yield from (self._file.read_at(start, PIECE_BYTES) for start in range(0, self._file.size, PIECE_BYTES))
            return
        walk = _FrameWalk(self._file, self._name, self._try_table())
        yield from walk.chunks()
        if walk.lie and not self.findings:
            self._note(walk.lie)
        yield from self.findings

    def close(self) -> None:
        """Close the file underneath."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _try_table(self) -> SeekTable | None:
        if self._table is None and not self.findings:
            try:
                self._table = read_seek_table(self._file)
            except ContainerFormatError as error:
                self._note(error.message)
        return self._table

    def _load_table(self) -> SeekTable:
        return self._try_table() or self._scan("")

    def _scan(self, lie: str) -> SeekTable:
        if lie and not self.findings:
            self._note(lie)
        if self._table is None or not self._table_is_scanned:
            self._table, damage = scan_seek_table(self._file)
            self._table_is_scanned, self._held = True, (-1, b"")
            if damage:
                self.findings.append(Finding("aac-frame", self._name, damage))
        return self._table

    def _note(self, fact: str) -> None:
        self.findings.append(Finding("aac-seek-table", self._name, fact))

    def _collect(self, offset: int, length: int) -> bytes:
        table = self._load_table()
        gathered = bytearray()
        while len(gathered) < length and offset < table.content_bytes:
            number = table.find_frame(offset)
            skip = offset - table.positions[number]
            for piece in self._frame_pieces(table, number, skip + length - len(gathered)):
                gathered += piece[skip : skip + length - len(gathered)]
                skip = max(0, skip - len(piece))
            offset = table.positions[number + 1]
        return bytes(gathered)

    def _frame_pieces(self, table: SeekTable, number: int, wanted: int) -> Iterator[bytes]:
        """Pieces of one frame, all checked and held where it is small, else up to `wanted` bytes."""
        if table.positions[number + 1] - table.positions[number] > _HELD_BYTES:
            for piece in _checked_pieces(self._file, table, number):
                yield piece
                wanted -= len(piece)
                if wanted <= 0:
                    return
            return
        if self._held[0] != number:
            self._held = (number, b"".join(_checked_pieces(self._file, table, number)))
        yield self._held[1]


def _checked_pieces(file: RangedFile, table: SeekTable, number: int) -> Iterator[bytes]:
    expected = table.positions[number + 1] - table.positions[number]
    start, found = table.starts[number], 0
    if skippable_length(file.read_at(start, 8)) or file.read_at(start, 4) != FRAME_MAGIC:
        raise _LyingTableError(f"frame {number} does not begin where the seek table says")
    decoder = FrameDecoder(file, start)
    for piece in decoder.pieces():
        found += len(piece)
        if found > expected:
            break
        yield piece
    if found != expected:
        raise _LyingTableError(
            f"frame {number} has {'more than ' if found > expected else ''}{min(found, expected + 1)} bytes, not {expected}"
        )


class _FrameWalk:
    """One pass over all frames, past damaged ones, which also proves the table."""

    def __init__(self, file: RangedFile, name: str, table: SeekTable | None) -> None:
        self._file = CachedRanges(file)
        self._name = name
        self._table = table
        self._number = 0
        self.lie = ""

    def chunks(self) -> Iterator[bytes | Finding]:
        position, damages = 0, 0
        while position < self._file.size:
            skipped = skippable_length(self._file.read_at(position, 8))
            if skipped:
                position += skipped
                continue
            decoder = FrameDecoder(self._file, position)
            try:
                yield from self._checked(decoder, position)
                position = decoder.end or self._file.size
            except ContainerFormatError as error:
                yield Finding("aac-frame", self._name, error.message)
                damages += 1
                if damages == _MAXIMUM_DAMAGES:
                    yield Finding("aac-frame", self._name, f"given up at byte {position} after {damages} damaged frames")
                    return
                position = self._find_next(position)
            self._number += 1
        if self._table is not None and self._number != len(self._table) and not damages:
            self.lie = self.lie or f"the seek table lists {len(self._table)} frames, there are {self._number}"

    def _checked(self, decoder: FrameDecoder, start: int) -> Iterator[bytes]:
        header = read_frame_header(self._file, start)
        held: list[bytes] = []
        length = 0
        holds = header.content_bytes is None or header.content_bytes <= _HELD_BYTES
        for piece in decoder.pieces():
            length += len(piece)
            held.append(piece)
            holds = holds and length <= _HELD_BYTES
            if not holds:
                yield b"".join(held)
                held.clear()
        yield from held
        self._compare(start, decoder.end or start, length)

    def _compare(self, start: int, end: int, length: int) -> None:
        if self._table is None or self.lie:
            return
        number, table = self._number, self._table
        if number >= len(table) or (table.starts[number], table.starts[number + 1]) != (start, end):
            self.lie = f"frame {number} does not stand where the seek table says"
        elif table.positions[number + 1] - table.positions[number] != length:
            self.lie = f"frame {number} has {length} bytes, the seek table says {table.positions[number + 1] - table.positions[number]}"

    def _find_next(self, damaged: int) -> int:
        """Where to go on after the damaged frame: by the table if that is a frame, else at the next magic number."""
        start = self._table.find_start_after(damaged) if self._table else None
        if start is not None and start > damaged and self._file.read_at(start, 4) == FRAME_MAGIC:
            return start
        position = damaged + 1
        while position < self._file.size:
            piece = self._file.read_at(position, PIECE_BYTES)
            found = piece.find(FRAME_MAGIC)
            if found >= 0:
                return position + found
            position += max(1, len(piece) - 3)
        return self._file.size
