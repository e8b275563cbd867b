"""WAV: RIFF, RF64, BW64 and Sony Wave64 chunks, checked against the size of the file."""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from fonoteca.audio.byte_source import ByteSource
from fonoteca.audio.formats import W64_RIFF, AudioStructure
from fonoteca.audio.tag_blocks import TagBlock
from fonoteca.ground.findings import Finding

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_KEPT_TAGS = {_PCM, _FLOAT, _ALAW, _MULAW}
_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFF000}
_CHUNKS_AT_MOST = 10_000


class _Chunk(NamedTuple):
    name: bytes
    offset: int
    size: int


class _Layout(NamedTuple):
    code: int
    channels: int
    rate: int
    block: int
    bits: int
    valid_bits: int
    mask: int


def read_wav_structure(source: ByteSource, path: str) -> AudioStructure:
    """Chunks, format and essence of a WAV file; never raises on bad content."""
    chunks, findings = _list_chunks(source, path)
    layout = _read_layout(source, next((chunk for chunk in chunks if chunk.name == b"fmt "), None))
    data = next((chunk for chunk in chunks if chunk.name == b"data"), None)
    blocks = tuple(block for chunk in chunks if (block := _tag_block(source, chunk)) is not None)
    if layout is None or layout.code not in _KEPT_TAGS:
        return _without_sound(path, layout, blocks, findings)
    if data is None:
        missing = () if any(found.code == "truncated" for found in findings) else (Finding("no-sound", path, "no data chunk"),)
        return AudioStructure("wav", layout.rate, layout.channels, 0, tag_blocks=blocks, findings=(*findings, *missing))
    held = min(data.size, source.size - data.offset)
    if held < layout.block and not findings:
        findings.append(Finding("no-sound", path, f"the data chunk has {held} bytes, one sample needs {layout.block}"))
    if held % layout.block:
        findings.append(Finding("odd-stream", path, f"the data chunk ends {held % layout.block} bytes into a sample"))
    return AudioStructure(
        "wav", layout.rate, layout.channels, held // layout.block, bits_per_second=layout.rate * layout.block * 8,
        essence_sha256=_hash_essence(source, layout, data.offset, data.offset + held), tag_blocks=blocks, findings=tuple(findings),
    )  # fmt: skip


def _without_sound(path: str, layout: _Layout | None, blocks: tuple[TagBlock, ...], findings: list[Finding]) -> AudioStructure:
    if layout is not None:
        fact = f"WAV with codec {layout.code:#06x}, which is not kept"
        return AudioStructure(None, tag_blocks=blocks, findings=(*findings, Finding("not-audio", path, fact)))
    if not any(found.code == "truncated" for found in findings):
        findings.append(Finding("corrupt", path, "no usable format chunk"))
    return AudioStructure("wav", tag_blocks=blocks, findings=tuple(findings))


def _hash_essence(source: ByteSource, layout: _Layout, start: int, end: int) -> str:
    packed = struct.pack("<HHIHHI", layout.code, layout.channels, layout.rate, layout.bits, layout.valid_bits, layout.mask)
    digest = hashlib.sha256(packed)
    source.hash_into(digest, start, end)
    return digest.hexdigest()


def _list_chunks(source: ByteSource, path: str) -> tuple[list[_Chunk], list[Finding]]:
    is_w64 = source.read(0, 16) == W64_RIFF
    offset, long_data = (40, None) if is_w64 else (12, _ds64_data_size(source))
    chunks: list[_Chunk] = []
    while offset + (24 if is_w64 else 8) <= source.size and len(chunks) < _CHUNKS_AT_MOST:
        chunk = _read_chunk(source, offset, is_w64=is_w64)
        if chunk.name == b"data" and long_data is not None and chunk.size == 0xFFFFFFFF:
            chunk = chunk._replace(size=long_data)
        elif chunk.name == b"data" and not is_w64 and chunk.size in _UNKNOWN_SIZES and _has_no_chunk_at(source, chunk):
            return _open_ended(source, chunks, chunk, path)
        if any(not 32 <= byte < 127 for byte in chunk.name):
            break
        chunks.append(chunk)
        offset = chunk.offset + chunk.size
        offset += -offset % 8 if is_w64 else chunk.size % 2
    return chunks, _check_end(source, chunks, offset, path)


def _read_chunk(source: ByteSource, offset: int, *, is_w64: bool) -> _Chunk:
    if is_w64:
        head = source.read(offset, 24)
        return _Chunk(head[:4], offset + 24, max(0, int.from_bytes(head[16:24], "little") - 24))
    head = source.read(offset, 8)
    return _Chunk(head[:4], offset + 8, int.from_bytes(head[4:8], "little"))


def _ds64_data_size(source: ByteSource) -> int | None:
    head = source.read(0, 36)
    return int.from_bytes(head[28:36], "little") if head[:4] in (b"RF64", b"BW64") and head[12:16] == b"ds64" else None


def _has_no_chunk_at(source: ByteSource, chunk: _Chunk) -> bool:
    end = chunk.offset + chunk.size
    return end > source.size or (chunk.size == 0 and end < source.size and not source.read(end, 4).strip().isalnum())


def _open_ended(source: ByteSource, chunks: list[_Chunk], data: _Chunk, path: str) -> tuple[list[_Chunk], list[Finding]]:
    """A data chunk of unknown size, as programs write it that cannot seek back: it goes on to the end."""
    note = Finding("odd-stream", path, f"the data chunk claims {data.size} bytes; taken up to the end of the file")
    return [*chunks, data._replace(size=source.size - data.offset)], [note]


def _check_end(source: ByteSource, chunks: list[_Chunk], offset: int, path: str) -> list[Finding]:
    if chunks and chunks[-1].offset + chunks[-1].size > source.size:
        last = chunks[-1]
        code = "truncated" if last.name in (b"data", b"fmt ") or b"data" not in {chunk.name for chunk in chunks} else "odd-stream"
        name = last.name.decode("latin-1").strip()
        return [Finding(code, path, f"the {name} chunk claims {last.size} bytes, {source.size - last.offset} are there")]
    if b"data" not in {chunk.name for chunk in chunks} and source.size < 44:
        return [Finding("truncated", path, f"the file ends after {source.size} bytes, before any sound")]
    if offset < source.size:
        return [Finding("trailing-data", path, f"{source.size - offset} bytes after the last chunk")]
    return []


def _read_layout(source: ByteSource, chunk: _Chunk | None) -> _Layout | None:
    body = source.read(chunk.offset, min(chunk.size, 40)) if chunk else b""
    if len(body) < 16:
        return None
    code, channels, rate, _, block, bits = struct.unpack("<HHIIHH", body[:16])
    valid_bits, mask = bits, 0
    if code == _EXTENSIBLE and len(body) >= 26:
        valid_bits, mask, code = struct.unpack("<HIH", body[18:26])
    is_plain = channels <= 2 and mask in (0, 4, 3)  # the masks that mean mono and stereo say nothing new
    layout = _Layout(code, channels, rate, block, bits, valid_bits or bits, 0 if is_plain else mask)
    if code not in _KEPT_TAGS:
        return layout
    return layout if channels and rate and block and block == channels * ((bits + 7) // 8) else None


def _tag_block(source: ByteSource, chunk: _Chunk) -> TagBlock | None:
    size = min(chunk.size, source.size - chunk.offset)
    if chunk.name in (b"id3 ", b"ID3 "):
        return TagBlock("id3", chunk.offset, size)
    if chunk.name in (b"LIST", b"list") and source.read(chunk.offset, 4) == b"INFO":
        return TagBlock("info", chunk.offset + 4, size - 4)
    return None
