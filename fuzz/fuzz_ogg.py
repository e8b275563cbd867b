"""Fuzz the readers of Ogg, comments and patches: a broken file gives findings or AudioFormatError, a broken patch PatchError.

Half of the broken files get their page checksums mended, so that what lies behind the checksum is reached too.
"""

from __future__ import annotations

import random
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "audio"))

from mutations import mutate, run
from ogg_builder import (
    OPUS_HEAD,
    SETUP,
    SOUND,
    VORBIS_HEAD,
    lay_pages,
    opus_comments,
    opus_file,
    png,
    real_file,
    vorbis_comments,
    vorbis_file,
)

from fonoteca.audio.comments import parse_comment_packet
from fonoteca.audio.ogg import page_crc, scan_pages, shift_numbers
from fonoteca.audio.ogg_pictures import picture_block
from fonoteca.audio.ogg_structure import read_ogg_structure
from fonoteca.audio.ogg_taken import take_pictures
from fonoteca.audio.patches import apply_patch, make_patch
from fonoteca.audio.pictures import make_picture
from fonoteca.audio.retag import retag_ogg
from fonoteca.ground.errors import AudioFormatError, PatchError

TAGS = [("TITLE", "Song"), ("ARTIST", "Somebody"), ("ISRC", "NLA507700001")]
COVERS = [
    b"METADATA_BLOCK_PICTURE=" + picture_block(make_picture(png(3, 3), 3, "front")),
    b"COVERARTMIME=image/png",
    b"COVERART=iVBORw0KGgo",
]
HEADER_BYTES = (0, 1, 2, 4, 5, 127, 128, 254, 255)


def build_seeds() -> list[bytes]:
    """Small files of every kind that the readers know."""
    header = [([VORBIS_HEAD], 0), ([vorbis_comments(), SETUP], 0)]
    return [
        vorbis_file(sound=SOUND[:6]),
        opus_file(sound=SOUND[:6]),
        real_file(seconds=0.1),
        real_file("OPUS", 0.1),
        vorbis_file(sound=SOUND[:3]) + opus_file(sound=SOUND[:3]),
        lay_pages([*header, (SOUND[:2], -448), ([], -448), (SOUND[2:4], 9000)]),
        lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments([b"bare", b"X=" + b"y" * 70_000]), SETUP, *SOUND[:3]], 3000), (SOUND[3:5], 5000)]),
        vorbis_file(vorbis_comments([b"A=1", *COVERS]), SOUND[:3]),
        opus_file(opus_comments([COVERS[0], COVERS[0], b"B=2"]), SOUND[:3]),
        lay_pages([([OPUS_HEAD], 0), ([opus_comments(suffix=b"\1data")], 0), (SOUND[:3], 2880)]),
    ]


SEEDS = build_seeds()


def check(content: bytes) -> None:
    """Read, retag and patch one broken file; also with pages changed and checksums mended."""
    chance = random.Random(zlib.crc32(content))
    broken = bytearray(content)
    for _ in range(chance.choice((0, 0, 1, 2))):
        chance.choice((set_header_byte, swap_pages))(broken, chance)
    try_file(mend_checksums(bytes(broken)) if chance.random() < 0.5 else bytes(broken), chance)


def set_header_byte(broken: bytearray, chance: random.Random) -> None:
    """Set one byte of a page header or its lacing."""
    pages = scan_pages(bytes(broken), checks_crc=False).pages
    if pages:
        page = chance.choice(pages)
        broken[chance.randrange(page.offset + 4, page.body)] = chance.choice(HEADER_BYTES)


def swap_pages(broken: bytearray, chance: random.Random) -> None:
    """Move one page somewhere else."""
    data = bytes(broken)
    pages = [data[page.offset : page.end] for page in scan_pages(data, checks_crc=False).pages]
    if pages:
        pages.insert(chance.randrange(len(pages)), pages.pop(chance.randrange(len(pages))))
        broken[:] = b"".join(pages)


def mend_checksums(data: bytes) -> bytes:
    """Give every page the checksum that fits."""
    mended = bytearray(data)
    for page in scan_pages(data, checks_crc=False).pages:
        mended[page.offset + 22 : page.offset + 26] = bytes(4)
        mended[page.offset + 22 : page.offset + 26] = page_crc(bytes(mended[page.offset : page.end]))
    return bytes(mended)


def try_file(data: bytes, chance: random.Random) -> None:
    """Read, retag and patch one broken file, and break the patch."""
    structure = read_ogg_structure(data, "fuzz.ogg")
    if structure.codec is None and not structure.findings:
        raise AssertionError("no sound and nothing found")
    shift_numbers(data, chance.randint(-3, 70_000))
    if structure.comment_packet is not None:
        try_comments(structure.comment_packet)
    try_retagging(data, structure.can_be_retagged)
    try_patches(data, chance.choice(SEEDS), chance)


def try_comments(packet: bytes) -> None:
    """Parse a comment packet."""
    try:
        parse_comment_packet(packet)
    except AudioFormatError:
        return


def try_retagging(data: bytes, can_be_retagged: bool) -> None:
    """Retag; what comes out must be whole and lead back."""
    try:
        result = retag_ogg(data, TAGS, path="fuzz.ogg")
    except (AudioFormatError, PatchError):
        return
    if not can_be_retagged:
        raise AssertionError("retagged what cannot be retagged")
    after = read_ogg_structure(result.content, "fuzz.ogg")
    if after.essence_sha256 != result.essence_sha256 or not after.can_be_retagged:
        raise AssertionError(f"retagging broke the file: {after.findings}")
    if apply_patch(result.content, result.patch) != data:
        raise AssertionError("the patch does not lead back")
    try_stripping(data)


def try_stripping(data: bytes) -> None:
    """Take the pictures out and put them back; the patch may be broken."""
    pictures = dict(take_pictures(parse_comment_packet(read_ogg_structure(data, "fuzz.ogg").comment_packet or b"").comments).pictures)
    result = retag_ogg(data, TAGS, path="fuzz.ogg", strip_pictures=True)
    if apply_patch(result.content, result.patch, pictures.get) != data:
        raise AssertionError("the patch does not put the pictures back")
    chance = random.Random(zlib.crc32(data))
    for _ in range(4):
        try:
            restored = apply_patch(result.content, mutate(result.patch, [result.patch], chance), pictures.get)
        except PatchError:
            continue
        if restored != data:
            raise AssertionError("a broken patch gave other bytes")


def try_patches(original: bytes, member: bytes, chance: random.Random) -> None:
    """Make a patch between any two files, then break it."""
    patch = make_patch(original, member)
    if apply_patch(member, patch) != original:
        raise AssertionError("a proved patch does not restore")
    try:
        restored = apply_patch(member, mutate(patch, [patch], chance))
    except PatchError:
        return
    if restored != original:
        raise AssertionError("a broken patch gave other bytes")


if __name__ == "__main__":
    sys.exit(run("ogg", SEEDS, check))
