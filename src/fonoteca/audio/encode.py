"""Encodes any source to Ogg Opus: the asked rate, duration exact to the sample, the same bytes again on the same machine.

The output depends on source, request, libopus and processor only (libopus picks approximations by instruction set), so it
proves nothing on another machine: the SHA-256 that is kept with encoder and settings does. See docs/formats/opus-tail.md.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import av
import msgspec

from fonoteca.audio.byte_source import WHOLE_BYTES_AT_MOST
from fonoteca.audio.comments import build_comment_packet
from fonoteca.audio.decode import decode_frames
from fonoteca.audio.gain_tags import track_gain_tags
from fonoteca.audio.opus_encoder import OpusEncoder, libopus_version
from fonoteca.audio.opus_stream import build_opus_file, read_pre_skip
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import AudioFormat

if TYPE_CHECKING:
    from typing_extensions import Buffer

OWN_ENCODER = "fonoteca"
"""The ENCODER comment of every file made here."""

_NOT_CARRIED = ("REPLAYGAIN_", "R128_TRACK_GAIN", "ENCODER")


class OpusRequest(msgspec.Struct, frozen=True):
    """What to make of one source.

    `opus_kbits` counts the whole file (kbit/s, 24–256) in mono and stereo; every further channel adds half of it. `comments`
    are carried in order under their Vorbis names, ReplayGain and ENCODER left out. Without `loudness_lufs` it is measured on the way.
    """

    format: AudioFormat
    opus_kbits: float
    comments: tuple[tuple[str, str], ...] = ()
    serial: int = 0
    expected_sha256: str | None = None
    loudness_lufs: float | None = None


class EncodedOpus(msgspec.Struct, frozen=True):
    """The file and what is true of it. Where `findings` sets it aside, `data` is empty and nothing may be kept.

    `samples` at 48 kHz, without pre-skip; `loudness_lufs` is that of the source, which the gain tag was made from.
    """

    data: bytes
    sha256: str
    size: int
    source_sha256: str
    samples: int
    pre_skip: int
    encoder: str
    loudness_lufs: float | None
    findings: tuple[Finding, ...] = ()


def encode_opus(source: Path, request: OpusRequest) -> EncodedOpus:
    """Read `source` once, decode, resample, encode; bad content and unreadable files are findings, not errors."""
    try:
        with _open_hashed(source) as reader:
            if reader.sha256 and (finding := _compare_source(source, reader.sha256, request)):
                return _refuse(reader.sha256, finding)
            encoder = OpusEncoder(request.opus_kbits, request.loudness_lufs)
            loudness_lufs, problem = _run(encoder, reader, request)
            source_sha256 = reader.finish()
    except OSError as error:
        return _refuse("", Finding("unreadable-file", str(source), error.strerror or str(error)))
    if finding := _compare_source(source, source_sha256, request):
        return _refuse(source_sha256, finding)
    if problem:
        return _refuse(source_sha256, Finding(problem[0], str(source), problem[1]))
    return _assemble(encoder, request, source_sha256, loudness_lufs)


def _run(encoder: OpusEncoder, reader: HashingReader, request: OpusRequest) -> tuple[float | None, tuple[str, str] | None]:
    """The loudness, and None or the code and fact of what stopped it."""
    problems: list[str] = []
    try:
        with closing(decode_frames(reader, request.format, problems)) as frames:
            for frame in frames:
                encoder.add(frame)
        encoder.finish()
    except (av.FFmpegError, ValueError) as error:
        return None, ("encode-failed", str(error))
    if problems:
        return None, ("decode-failed", f"{problems[0]}; {encoder.samples} samples at 48 kHz were read")
    if not encoder.samples:
        return None, ("no-sound", "the decoder gives no samples")
    return encoder.loudness_lufs, None


def choose_comments(request: OpusRequest, loudness_lufs: float | None) -> list[tuple[str, str]]:
    """The comments that the file gets: those asked for without ReplayGain, the encoder, the track gain where loudness is known."""
    kept = [(name, value) for name, value in request.comments if is_carried(name)]
    return [*kept, ("ENCODER", OWN_ENCODER), *track_gain_tags("ogg-opus", loudness_lufs)]


def is_carried(name: str) -> bool:
    """Whether a comment goes into the Opus file: not what speaks of other samples, in another unit, or of another encoder."""
    return not name.upper().startswith(_NOT_CARRIED)


def _compare_source(source: Path, sha256: str, request: OpusRequest) -> Finding | None:
    if request.expected_sha256 in (None, sha256):
        return None
    return Finding("source-changed", str(source), f"SHA-256 is {sha256}, was {request.expected_sha256}")


def _refuse(source_sha256: str, finding: Finding) -> EncodedOpus:
    return EncodedOpus(b"", "", 0, source_sha256, 0, 0, "", None, (finding,))


def _assemble(encoder: OpusEncoder, request: OpusRequest, source_sha256: str, loudness_lufs: float | None) -> EncodedOpus:
    comments = [f"{name.upper()}={value}".encode("utf-8", "surrogateescape") for name, value in choose_comments(request, loudness_lufs)]
    tags = build_comment_packet("opus", libopus_version().encode(), comments)
    pages = build_opus_file(encoder.opus_head, tags, encoder.packets, samples=encoder.samples, serial=request.serial)
    data = b"".join(pages)
    return EncodedOpus(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        source_sha256=source_sha256,
        samples=encoder.samples,
        pre_skip=read_pre_skip(encoder.opus_head),
        encoder=encoder.description,
        loudness_lufs=loudness_lufs,
    )


@contextmanager
def _open_hashed(source: Path) -> Iterator[HashingReader]:
    with open(source, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if size > WHOLE_BYTES_AT_MOST:
            yield HashingReader(file)
        else:
            reader = HashingReader(io.BytesIO(file.read()))
            reader.sha256 = reader.finish()
            reader.seek(0)
            yield reader


class HashingReader(io.RawIOBase):
    """A file for a decoder that may seek; every byte is hashed once, in order, mostly as it passes.

    `sha256` is the digest once `finish` has read what the decoder had no need of.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.sha256 = ""
        self._file = file
        self._digest = hashlib.sha256()
        self._hashed = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, as in any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the next read begins."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read, and hash what was not hashed yet."""
        start = self._file.tell()
        data = self._file.read(size)
        if start <= self._hashed < start + len(data):
            self._digest.update(memoryview(data)[self._hashed - start :])
            self._hashed = start + len(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        """As `read`, into `buffer`."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def finish(self) -> str:
        """Lower-case hex of the whole file."""
        if not self.sha256:
            self._file.seek(self._hashed)
            while self.read(1 << 20):
                pass
            self.sha256 = self._digest.hexdigest()
        return self.sha256
