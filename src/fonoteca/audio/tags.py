"""Tags and pictures out of every tag format, under Picard's internal names; whatever is broken is a note, never an error."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import mutagen.apev2
import mutagen.id3
import mutagen.mp4

from fonoteca.audio.byte_source import ByteSource, MemorySource
from fonoteca.audio.pictures import decode_base64, make_picture, read_picture_block, read_picture_comment
from fonoteca.audio.tag_blocks import TagBlock
from fonoteca.audio.tag_names import ID3_NAMES, ID3_ROLES, INFO_NAMES, MP4_NAMES, TagCollector, merge_tags
from fonoteca.ground.errors import AudioFormatError
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import Picture, Tags

# mutagen is only partly typed
_apev2: Any = mutagen.apev2
_id3: Any = mutagen.id3
_mp4: Any = mutagen.mp4
_INFLATED_BYTES_AT_MOST = 96 << 20
_RANKS = ("vorbis-comments", "mp4", "id3", "ape", "info", "id3v1")


class EmbeddedTags(msgspec.Struct, frozen=True):
    """Tags under internal names, each picture once, and notes on what could not be read."""

    tags: Tags = {}
    pictures: tuple[Picture, ...] = ()
    findings: tuple[Finding, ...] = ()


class _Reading:
    """What is gathered from one block."""

    def __init__(self) -> None:
        self.tags = TagCollector()
        self.pictures: list[Picture] = []
        self.findings: list[tuple[str, str]] = []

    def add_picture(self, make: Callable[[], Picture]) -> None:
        try:
            self.pictures.append(make())
        except AudioFormatError as error:
            self.findings.append(("bad-picture", error.message))


def read_tags(source: ByteSource, blocks: Sequence[TagBlock], path: str) -> EmbeddedTags:
    """Everything in the blocks that a structural reader found; ID3v2 and Vorbis comments before APEv2, INFO and ID3v1."""
    ranked = sorted(blocks, key=lambda block: _RANKS.index(block.kind) if block.kind in _RANKS else len(_RANKS))
    return _join([_read_block(source, block) for block in ranked], path)


def read_packet_tags(packet: bytes, path: str) -> EmbeddedTags:
    """Everything in the comment packet of an Ogg Vorbis or Opus stream, its codec prefix included."""
    reading = _Reading()
    prefix = 8 if packet[:8] == b"OpusTags" else 7
    _read_vorbis(reading, packet[prefix:])
    return _join([reading], path)


def _join(readings: Sequence[_Reading], path: str) -> EmbeddedTags:
    pictures = {(picture.sha256, picture.kind): picture for reading in readings for picture in reading.pictures}
    findings = [Finding(code, path, fact) for reading in readings for code, fact in reading.findings]
    left_out = sum(reading.tags.left_out for reading in readings)
    if left_out:
        findings.append(Finding("bad-tags", path, f"{left_out} values are left out: the text is longer than 4 MiB"))
    return EmbeddedTags(merge_tags(reading.tags.finish() for reading in readings), tuple(pictures.values()), tuple(findings))


def _read_block(source: ByteSource, block: TagBlock) -> _Reading:
    reading = _Reading()
    try:
        if block.kind == "mp4":
            _read_mp4(reading, source)
        elif block.kind in _READERS:
            _READERS[block.kind](reading, source.read(block.offset, block.size))
    except Exception as error:  # mutagen raises whatever its parsing meets: KeyError, struct.error, RecursionError …
        reading.findings.append(("bad-tags", f"{block.kind} tags at byte {block.offset}: {type(error).__name__}: {str(error)[:200]}"))
    return reading


def _read_vorbis(reading: _Reading, body: bytes) -> None:
    """Vendor, count, comments (Vorbis I, section 5); what is whole before a lying length is used."""
    at = 4 + int.from_bytes(body[:4], "little")
    count, at = int.from_bytes(body[at : at + 4], "little"), at + 4
    odd = 0
    for number in range(count):
        end = at + 4 + int.from_bytes(body[at : at + 4], "little")
        if at + 4 > len(body) or end > len(body):
            reading.findings.append(("bad-tags", f"comment {number + 1} of {count} does not fit into the {len(body)} bytes of tags"))
            break
        odd += _take_comment(reading, body[at + 4 : end])
        at = end
    if odd:
        reading.findings.append(("odd-comment", f"{odd} of {count} tags have no '=' or are not UTF-8"))


def _take_comment(reading: _Reading, raw: bytes) -> bool:
    """Use one comment; whether it is odd."""
    name, equals, value = raw.partition(b"=")
    key = name.decode("utf-8", "replace").strip().lower()
    text = value.decode("utf-8", "replace")
    if not equals:
        return True
    if key == "metadata_block_picture":
        reading.add_picture(lambda: read_picture_comment(text))
    elif key == "coverart":
        reading.add_picture(lambda: make_picture(decode_base64(text)))
    elif key != "coverartmime":
        reading.tags.add_free(key, text)
    return "\ufffd" in text and b"\xef\xbf\xbd" not in value


def _read_flac_picture(reading: _Reading, block: bytes) -> None:
    reading.add_picture(lambda: read_picture_block(block))


def _read_id3(reading: _Reading, data: bytes) -> None:
    _Inflater.room = _INFLATED_BYTES_AT_MOST
    for frame in _id3.ID3(io.BytesIO(data), load_v1=False).values():
        _take_id3_frame(reading, frame)


def _read_id3v1(reading: _Reading, data: bytes) -> None:
    for frame in (_id3.ParseID3v1(data[-128:]) or {}).values():
        _take_id3_frame(reading, frame)


def _take_id3_frame(reading: _Reading, frame: Any) -> None:
    kind, tags = frame.FrameID, reading.tags
    if kind == "APIC":
        reading.add_picture(lambda: make_picture(frame.data, int(frame.type), frame.desc))
    elif kind == "TXXX":
        for text in frame.text:
            tags.add_free(frame.desc, str(text))
    elif kind == "UFID" and frame.owner == "http://musicbrainz.org":
        tags.add("musicbrainz_recordingid", frame.data.decode("ascii", "replace"))
    elif kind in ("COMM", "USLT"):
        _take_id3_comment(reading, frame)
    elif kind in ("TIPL", "TMCL"):
        for role, person in frame.people:
            tags.add(ID3_ROLES.get(role.lower(), f"performer:{role.strip().lower()}".rstrip(":")), person)
    elif kind == "WXXX" and frame.desc.strip():
        tags.add_free(frame.desc, frame.url)
    elif kind in ID3_NAMES:
        words: Any = frame.genres if kind == "TCON" else getattr(frame, "text", None) or getattr(frame, "url", "")
        for value in [words] if isinstance(words, str) else words:
            tags.add(ID3_NAMES[kind], str(value))


def _take_id3_comment(reading: _Reading, frame: Any) -> None:
    base = "comment" if frame.FrameID == "COMM" else "lyrics"
    if frame.desc.startswith("iTun"):  # what iTunes keeps there for itself
        return
    detail = frame.desc.strip().lower()
    name = f"{base}:{detail}" if detail and base == "comment" and detail != "id3v1 comment" else base
    for value in [frame.text] if isinstance(frame.text, str) else frame.text:
        reading.tags.add(name, str(value))


def _read_ape(reading: _Reading, data: bytes) -> None:
    for name, item in _apev2.APEv2(io.BytesIO(data)).items():
        if item.kind == _apev2.TEXT:
            for value in item:
                reading.tags.add_free(name, value)
        elif item.kind == _apev2.BINARY and name.lower().startswith("cover art"):
            cover = item.value.partition(b"\0")[2]
            reading.add_picture(lambda cover=cover: make_picture(cover))  # type: ignore[misc]


def _read_mp4(reading: _Reading, source: ByteSource) -> None:
    file = io.BytesIO(source.data) if isinstance(source, MemorySource) else io.BufferedReader(_SourceFile(source))
    for name, value in (_mp4.MP4(file).tags or {}).items():
        values = value if isinstance(value, list) else [value]
        if name == "covr":
            for cover in values:
                reading.add_picture(lambda cover=cover: make_picture(bytes(cover)))  # type: ignore[misc]
        elif name in ("trkn", "disk"):
            _take_mp4_numbers(reading, "track" if name == "trkn" else "disc", values)
        elif name.startswith("----:"):
            for item in values:
                reading.tags.add_free(name.split(":", 2)[-1], bytes(item).decode("utf-8", "replace"))
        elif name in MP4_NAMES:
            for item in values:
                reading.tags.add(MP4_NAMES[name], str(int(item) if isinstance(item, bool) else item))


def _take_mp4_numbers(reading: _Reading, what: str, pairs: Sequence[tuple[int, int]]) -> None:
    for number, total in pairs[:1]:
        if number:
            reading.tags.add(f"{what}number", str(number))
        if total:
            reading.tags.add(f"total{what}s", str(total))


def _read_info(reading: _Reading, data: bytes) -> None:
    """RIFF INFO: four letters, a little-endian size, text that is UTF-8 or, in old files, Latin-1."""
    at = 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4].decode("latin-1").upper(), int.from_bytes(data[at + 4 : at + 8], "little")
        raw = data[at + 8 : at + 8 + size].rstrip(b"\0")
        at += 8 + size + size % 2
        if name in INFO_NAMES:
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            reading.tags.add(INFO_NAMES[name], text)


_READERS: dict[str, Callable[[_Reading, bytes], None]] = {
    "vorbis-comments": _read_vorbis, "picture": _read_flac_picture, "id3": _read_id3, "id3v1": _read_id3v1, "ape": _read_ape,
    "info": _read_info,
}  # fmt: skip


class _SourceFile(io.RawIOBase):
    """A ByteSource as a file object, for mutagen."""

    def __init__(self, source: ByteSource) -> None:
        self._source, self._position = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = max(0, offset + (0, self._position, self._source.size)[whence])
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class _Inflater:
    """Stands in for zlib inside mutagen's ID3 frames: a few kilobytes could otherwise be inflated to any size."""

    error = zlib.error
    room = _INFLATED_BYTES_AT_MOST

    @classmethod
    def decompress(cls, data: bytes) -> bytes:
        inflater = zlib.decompressobj()
        inflated = inflater.decompress(data, max(1, cls.room))
        cls.room -= len(inflated)
        if not inflater.eof:
            raise zlib.error("a compressed frame is cut, or larger than 96 MiB")
        return inflated


_id3._frames.zlib = _Inflater
