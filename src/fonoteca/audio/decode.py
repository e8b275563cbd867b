"""Whole decode of one recording: exact sample count, loudness, peak, silence, and what the decoder could not read.

Sample counts follow each format: Vorbis by its granule positions, cut at the end and, where the first page says so, at the
start (as libvorbis does); Opus at 48 kHz without pre-skip, header gain applied; MP3 without the delay and padding that a Xing or
LAME frame declares, else all frames; M4A by its edit list; ADTS, which declares nothing, with the encoder's priming.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.logging
import msgspec
import numpy as np
import soundfile
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from fonoteca.audio.decode_links import AnyFile, has_one_audio_page, open_links
from fonoteca.audio.loudness import SILENT_PEAK, LoudnessMeter
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import OGG_FORMATS, AudioFormat

_DEMUXERS: dict[AudioFormat, str] = {
    "ogg-vorbis": "ogg", "ogg-opus": "ogg", "flac": "flac", "mp3": "mp3", "aac": "aac", "m4a": "mov", "wav": "wav",
}  # fmt: skip
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_W64_START = b"riff\x2e\x91\xcf\x11"
_LOGS_KEPT = 100
LOWEST_RATE_HZ = 1000
"""Below it nothing is decoded: a header that lies of 10 Hz makes hours of sound, and of work, out of a few kilobytes."""


class Decoded(msgspec.Struct, frozen=True):
    """What a full decode gives. `samples` per channel; loudness in LUFS; `sample_peak` linear, 1.0 is full scale.

    `loudness_lufs` is None below the gate, under 400 ms, and where rate or layout change midway. `md5`: FLAC only, of the
    interleaved little-endian samples as STREAMINFO has it.
    """

    samples: int
    sample_rate: int
    channels: int
    loudness_lufs: float | None
    sample_peak: float
    is_silent: bool
    md5: str | None
    findings: tuple[Finding, ...]


def decode_audio(source: bytes | Path, *, path: str, format: AudioFormat, md5: bool = False) -> Decoded:
    """Decode all of `source` in one thread with flat memory; damage is a `decode-failed` finding, nothing is raised for it."""
    problems: list[str] = []
    meter = LoudnessMeter()
    count = _SampleCount()
    digest: SampleDigest | None = None
    try:
        with open_source(source) as file:
            digest = SampleDigest(_read_flac_width(file)) if md5 and format == "flac" else None
            for frame in decode_frames(file, format, problems):
                count.add(frame)
                if digest:
                    digest.add(frame)
                meter.add(frame)
        loudness_lufs = meter.finish()
    except av.FFmpegError as error:  # out of the filters: no shape that loudness is defined for
        loudness_lufs = None
        found: tuple[Finding, ...] = tuple(_judge([*problems, f"cannot be measured: {error}"], count.samples, path))
    except OSError as error:
        loudness_lufs = None
        found = (Finding("unreadable-file", path, error.strerror or str(error)),)
    else:
        found = tuple(_judge(problems, count.samples, path))
    return Decoded(
        samples=count.samples,
        sample_rate=count.sample_rate,
        channels=count.channels,
        loudness_lufs=loudness_lufs,
        sample_peak=meter.peak,
        is_silent=not found and meter.peak < SILENT_PEAK,
        md5=digest.hexdigest() if digest and not problems else None,
        findings=found,
    )


def open_source(source: bytes | Path) -> BinaryIO:
    """A file object over bytes, or over a path without any meaning FFmpeg gives to names."""
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def decode_frames(file: AnyFile, format: AudioFormat, problems: list[str]) -> Generator[AudioFrame, None, None]:
    """Every frame of the recording, pts counted in samples from 0; what goes wrong is appended to `problems`.

    FFmpeg first; libsndfile where FFmpeg gets nothing out of an Ogg stream, say because of a negative first granule position,
    and for Vorbis of a single audio page, whose length FFmpeg misjudges by up to a block. The links of a chained Ogg file up
    to 256 MiB are decoded each by itself, so that each may start and end where it says.
    """
    position = 0
    for link in open_links(file) if format in OGG_FORMATS else (file,):
        for frame in _decode_link(link, format, problems):
            if frame.sample_rate < LOWEST_RATE_HZ:
                problems.append(f"the sample rate is {frame.sample_rate} Hz; at least {LOWEST_RATE_HZ} Hz can be kept")
                return
            frame.pts = position
            position += frame.samples
            yield frame


def _decode_link(file: AnyFile, format: AudioFormat, problems: list[str]) -> Generator[AudioFrame, None, None]:
    decoders = [_decode_by_ffmpeg, _decode_by_libsndfile] if format in OGG_FORMATS else [_decode_by_ffmpeg]
    if format == "ogg-vorbis" and has_one_audio_page(file):
        decoders.reverse()
    met: list[str] = []
    for decode in decoders:
        told: list[str] = []
        is_started = False
        file.seek(0)
        for frame in decode(file, format, told):
            is_started = True
            yield frame
        if is_started:
            problems += told
            return
        met = met or told
    problems += met


def _judge(problems: list[str], samples: int, path: str) -> Iterator[Finding]:
    if problems:
        more = f" (and {len(problems) - 1} more times)" if len(problems) > 1 else ""
        yield Finding("decode-failed", path, f"{problems[0]}{more}; {samples} samples were read")
    elif not samples:
        yield Finding("no-sound", path, "the decoder gives no samples")


class _SampleCount:
    """Samples per channel at the rate of the first frame."""

    def __init__(self) -> None:
        self.samples = self.sample_rate = self.channels = 0

    def add(self, frame: AudioFrame) -> None:
        if not self.sample_rate:
            self.sample_rate, self.channels = frame.sample_rate, frame.layout.nb_channels
        if frame.sample_rate == self.sample_rate:
            self.samples += frame.samples
        else:
            self.samples += round(frame.samples * self.sample_rate / frame.sample_rate)


class SampleDigest:
    """MD5 over samples as FLAC's STREAMINFO defines it: interleaved, little-endian, of `bits` rounded up to whole bytes."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._md5 = hashlib.md5(usedforsecurity=False)

    def add(self, frame: AudioFrame) -> None:
        """Digest one frame of FFmpeg's FLAC decoder, which aligns samples to the top of 16 or 32 bits."""
        samples: NDArray[Any] = frame.to_ndarray()
        if frame.format.is_planar:
            samples = samples.T
        samples = np.ascontiguousarray(samples).reshape(-1) >> max(0, samples.itemsize * 8 - self._bits)
        width = (self._bits + 7) // 8
        if width == samples.itemsize:
            self._md5.update(samples.tobytes())
        else:
            self._md5.update(samples.view(np.uint8).reshape(-1, samples.itemsize)[:, :width].tobytes())

    def hexdigest(self) -> str:
        """Lower-case hex."""
        return self._md5.hexdigest()


@contextmanager
def _hear_ffmpeg() -> Iterator[list[tuple[int, str, str]]]:
    """FFmpeg's own error lines of this thread, which otherwise would be lost or printed."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # else what was said of one file is not said of the next
    try:
        with av.logging.Capture() as logs:
            yield logs
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])


def _decode_by_ffmpeg(file: AnyFile, format: AudioFormat, problems: list[str]) -> Generator[AudioFrame, None, None]:
    with _hear_ffmpeg() as logs:
        try:
            with _open_container(file, format) as container:
                stream = next(iter(container.streams.audio), None)
                if not stream or not stream.codec_context:
                    problems.append("no decoder for this stream" if stream else "no audio stream")
                    return
                _prepare(stream.codec_context, format)
                frames = _decode_packets(container, stream, problems, logs)
                yield from _cut_before_zero(frames) if format == "ogg-vorbis" else frames
        except (av.FFmpegError, ValueError, ArithmeticError) as error:
            problems.append(_words(error, logs))
        if format == "flac" and logs and not problems:  # its demuxer drops damaged frames and only says so
            problems.append(logs[0][2].strip())


def _decode_packets(
    container: InputContainer, stream: AudioStream, problems: list[str], logs: list[tuple[int, str, str]]
) -> Generator[AudioFrame, None, None]:
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except (av.FFmpegError, ValueError) as error:
            problems.append(_words(error, logs))
        del logs[:-_LOGS_KEPT]


def _words(error: Exception, logs: list[tuple[int, str, str]]) -> str:
    said = f"{logs[-1][1]}: {logs[-1][2].strip()}" if logs else ""
    logs.clear()
    return said or getattr(error, "strerror", None) or str(error)


def _prepare(decoder: AudioCodecContext, format: AudioFormat) -> None:
    """One thread; a FLAC frame whose CRC fails is an error; channels without places (plain WAV) get the usual ones."""
    decoder.thread_count = 1
    if format == "flac":
        decoder.options = {"err_detect": "crccheck+explode"}
    usual = LAYOUTS.get(decoder.layout.nb_channels)
    if usual and decoder.layout.name.endswith(" channels"):
        decoder.layout = usual


def _open_container(file: AnyFile, format: AudioFormat) -> InputContainer:
    return av.open(file, "r", format=_choose_demuxer(file, format), metadata_errors="replace", buffer_size=1 << 17)


def _choose_demuxer(file: AnyFile, format: AudioFormat) -> str:
    start = file.read(len(_W64_START))
    file.seek(0)
    return "w64" if start == _W64_START else _DEMUXERS[format]


def _read_flac_width(file: BinaryIO) -> int:
    """Bits per sample out of STREAMINFO (20 bits rate, 3 bits channels, 5 bits width less one, from byte 10); 16 if there is none."""
    start = file.read(10)
    if start[:3] == b"ID3" and len(start) == 10:
        file.seek(10 + (start[6] << 21 | start[7] << 14 | start[8] << 7 | start[9]))
    else:
        file.seek(0)
    info = file.read(22)
    file.seek(0)
    return ((info[20] & 1) << 4 | info[21] >> 4) + 1 if info[:4] == b"fLaC" and len(info) == 22 else 16


def _cut_before_zero(frames: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    """A first Vorbis page with fewer samples in its granule than in its packets starts before zero; FFmpeg leaves those in."""
    for frame in frames:
        early = max(0, -(frame.pts or 0))
        if early < frame.samples:
            yield _cut(frame, early) if early else frame


def _cut(frame: AudioFrame, early: int) -> AudioFrame:
    kept: NDArray[Any] = np.ascontiguousarray(frame.to_ndarray()[:, early:])
    shorter = AudioFrame.from_ndarray(kept, format=frame.format.name, layout=frame.layout.name)
    shorter.sample_rate, shorter.time_base = frame.sample_rate, frame.time_base
    return shorter


def _decode_by_libsndfile(file: AnyFile, format: AudioFormat, problems: list[str]) -> Generator[AudioFrame, None, None]:
    try:
        with soundfile.SoundFile(file) as sound:
            for block in sound.blocks(sound.samplerate, dtype="float32", always_2d=True):
                samples = np.ascontiguousarray(block.T)
                frame = AudioFrame.from_ndarray(samples, format="fltp", layout=LAYOUTS[sound.channels])
                frame.sample_rate = sound.samplerate
                yield frame
    except (soundfile.SoundFileError, KeyError, ValueError) as error:
        problems.append(f"libsndfile: {error} ({format})")
