"""Files that were cut, flipped, that lie or are odd, with the finding that each must raise; and good ones to stand among them."""

from __future__ import annotations

import base64
import io
import os
import random
import struct
from functools import cache
from pathlib import Path

import mutagen.id3
import soundfile
from codec_files import PNG, flip_bit, id3_bytes, make_sound, sound_file, wav_bytes
from ogg_builder import VORBIS_HEAD, Group, lay_pages, opus_file, png, real_file, vorbis_comments

from fonoteca.audio.ogg import build_page, scan_pages
from fonoteca.audio.ogg_streams import read_packets
from generated_music import make_flac, make_ogg_opus, make_ogg_vorbis, make_wav

SUFFIXES = {"flac": ".flac", "mp3": ".mp3", "m4a": ".m4a", "aac": ".aac", "wav": ".wav", "vorbis": ".ogg", "opus": ".opus"}
MAKERS = {".ogg": make_ogg_vorbis, ".opus": make_ogg_opus, ".flac": make_flac, ".wav": make_wav}


@cache
def good_file(kind: str, seed: int = 1) -> bytes:
    """A second of music in one of SUFFIXES."""
    if kind in ("vorbis", "opus"):
        sound, buffer = make_sound(1, 48_000, seed), io.BytesIO()
        soundfile.write(buffer, sound.T, 48_000, format="OGG", subtype=kind.upper())
        return buffer.getvalue()
    return sound_file(kind, 1.0, seed)


def _packets_and_pages(data: bytes) -> tuple[list[bytes], list[Group]]:
    """The three header packets, and the packets of each page of sound with its granule position."""
    packets = list(read_packets(data, scan_pages(data).pages, 100_000))
    by_page: dict[int, list[bytes]] = {}
    for packet in packets[3:]:
        by_page.setdefault(packet.last_page, []).append(packet.data)
    pages = scan_pages(data).pages
    return [packet.data for packet in packets[:3]], [(group, pages[number].granule) for number, group in by_page.items()]


def with_comments(data: bytes, comments: list[bytes]) -> bytes:
    """An Ogg Vorbis file with these comments in place of its own."""
    header, sound = _packets_and_pages(data)
    return lay_pages([(header[:1], 0), ([vorbis_comments(comments), header[2]], 0), *sound])


def audio_on_last_header_page(data: bytes) -> bytes:
    """The first packets of sound on the page where the headers end."""
    header, sound = _packets_and_pages(data)
    return lay_pages([(header[:1], 0), ([*header[1:], *sound[0][0]], sound[0][1]), *sound[1:]])


def chained() -> bytes:
    """Two whole streams, one after the other."""
    return real_file("VORBIS", 0.5) + real_file("VORBIS", 0.7)


def multiplexed() -> bytes:
    """A stream of something else between the pages of the music."""
    data = good_file("vorbis", 31)
    pages = scan_pages(data).pages
    head = build_page(2, 0, 4242, 0, b"\x08", b"fishead\0")
    body = build_page(4, 10, 4242, 1, b"\x04", b"bone")
    first, second = pages[0].end, pages[-1].offset
    return data[:first] + head + data[first:second] + body + data[second:]


def negative_granule() -> bytes:
    """The first page of sound has two packets and ends 448 samples before time zero."""
    header, sound = _packets_and_pages(good_file("vorbis", 32))
    packets = [packet for group, _ in sound for packet in group]
    sizes = [1 << (header[0][28] >> 4 if packet[0] & 2 else header[0][28] & 15) for packet in packets[:2]]
    shift = sum(sizes) // 4 + 448
    first, rest = sound[0][0][:2], sound[0][0][2:]
    return lay_pages([(header[:1], 0), (header[1:], 0), (first, -448), (rest, sound[0][1] - shift),
                      *((group, granule - shift) for group, granule in sound[1:])])  # fmt: skip


def wav_that_lies() -> bytes:
    """A WAV that declares sixteen times what it has."""
    whole = wav_bytes(make_sound(0.5).T.tobytes())
    place = whole.index(b"data") + 4
    return whole[:place] + struct.pack("<I", 16 * len(whole)) + whole[place + 4 :]


def flac_that_lies() -> bytes:
    """A FLAC whose STREAMINFO declares a second more than there is."""
    data = bytearray(good_file("flac", 33))
    data[25] = data[25] + 1 & 0xFF
    return bytes(data)


@cache
def odd_files() -> dict[str, bytes]:
    """Files that are odd and can be kept: name → bytes."""
    big_picture = base64.b64encode(
        struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 16, 16, 24, 0, len(png(16, 16, 17 << 20)))
        + png(16, 16, 17 << 20)
    )  # fmt: skip
    id3 = mutagen.id3.ID3()
    id3.add(mutagen.id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=PNG + bytes(17 << 20)))
    return {
        "chained.ogg": chained(),
        "multiplexed.ogg": multiplexed(),
        "shared-page.ogg": audio_on_last_header_page(good_file("vorbis", 34)),
        "odd-comments.ogg": with_comments(
            good_file("vorbis", 35), [b"no equals sign", b"TITLE=\xff\xfe bad", b"=empty name", b"ARTIST=Good"]
        ),
        "huge-tags.ogg": with_comments(good_file("vorbis", 36), [b"LYRICS=" + b"la " * 37_000, b"TITLE=Long"]),
        "huge-picture.ogg": with_comments(good_file("vorbis", 37), [b"METADATA_BLOCK_PICTURE=" + big_picture, b"TITLE=Wide"]),
        "negative.ogg": negative_granule(),
        "huge-picture.mp3": id3_bytes(id3) + good_file("mp3", 38),
    }


@cache
def broken_files() -> dict[str, tuple[bytes, set[str]]]:
    """Files that must be set aside: name → bytes and the codes of which one must be told."""
    broken: dict[str, tuple[bytes, set[str]]] = {
        "empty.ogg": (b"", {"empty-file"}),
        "text.mp3": (b"This is a letter and no music.\n" * 50, {"not-audio"}),
        "zeros.flac": (bytes(5000), {"not-audio"}),
        "headers-only.ogg": (lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments(), b"\x05vorbis" + bytes(300)], 0)]), {"no-sound"}),
        "made-up.opus": (opus_file(), {"decode-failed", "corrupt", "duration-mismatch", "silent", "no-sound"}),
        "silent.wav": (wav_bytes(bytes(88_200)), {"silent"}),
        "silent.flac": (silent_flac(), {"silent"}),
        "lying.wav": (wav_that_lies(), {"truncated"}),
        "lying.flac": (flac_that_lies(), {"truncated", "duration-mismatch", "corrupt"}),
    }  # fmt: skip
    cut_codes = {"truncated", "corrupt", "duration-mismatch", "decode-failed"}
    for number, (kind, suffix) in enumerate(SUFFIXES.items()):
        whole = good_file(kind, 50 + number)
        # adts has no length: a cut between two frames is not to be seen, so it is cut inside one
        broken[f"cut-{kind}{suffix}"] = whole[: len(whole) * 2 // 3 - 1], cut_codes
        if kind not in ("aac", "m4a", "mp3", "wav"):  # no checksum over the sound, see test_probe
            broken[f"flipped-{kind}{suffix}"] = flip_bit(whole, 8 * (len(whole) * 3 // 4) + 3), cut_codes
    broken["flipped-header.mp3"] = _flip_frame_header(good_file("mp3", 70)), cut_codes
    broken["flipped-header.aac"] = _flip_frame_header(good_file("aac", 71)), cut_codes
    return broken


def silent_flac() -> bytes:
    """Half a second of nothing."""
    buffer = io.BytesIO()
    soundfile.write(buffer, make_sound(0.5).T * 0, 44_100, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _flip_frame_header(data: bytes) -> bytes:
    """The sync word of a frame in the middle destroyed, and four kilobytes behind it."""
    place = len(data) // 2
    return data[:place] + bytes(4096) + data[place + 4096 :]


def write_good_files(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """`count` good files directly in `folder`."""
    paths = []
    for number in range(count):
        suffix = list(MAKERS)[number % len(MAKERS)]
        path = folder / f"good-{seed}-{number:03d}{suffix}"
        tags = {"TITLE": f"Good {seed} {number}", "ARTIST": "Somebody", "LICENSE": "CC0-1.0"}
        path.write_bytes(MAKERS[suffix](random.Random(f"{seed}/{number}"), tags))
        paths.append(path)
    return paths


HOSTILE_NAMES = (
    b"new\nline.ogg", b"tab\tand\x1bescape.ogg", b"\xff\xfe not utf-8 \xe9.ogg", b"CON.ogg", b"-rf.ogg", b"%s%n{}.ogg",
    "\u202egpj.ogg".encode(), b"a" * 251 + b".ogg", b"'; DROP TABLE tracks; --.ogg", b"<script>.ogg", b" .ogg", "e\u0301.ogg".encode(),
    "\u00e9.ogg".encode(),
)  # fmt: skip


def write_hostile_names(folder: Path) -> list[bytes]:
    """One good file under every name that a shell, a terminal, a database or a page could stumble over."""
    paths = []
    for number, name in enumerate(HOSTILE_NAMES):
        path = os.path.join(os.fsencode(folder), name)
        with open(path, "wb") as file:
            file.write(make_ogg_vorbis(random.Random(f"name {number}"), {"TITLE": f"Name {number}"}))
        paths.append(path)
    return paths
