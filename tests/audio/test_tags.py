"""Tags of every format under Picard's names, and the way back into Vorbis comments."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import mutagen.apev2
import mutagen.mp4
import pytest
from codec_files import PNG, id3_bytes, sound_file, wav_bytes
from hypothesis import given
from hypothesis import strategies as st
from mutagen import id3

from fonoteca.audio import make_picture, picard_to_vorbis, read_packet_tags, sniff_picture
from fonoteca.audio.byte_source import MemorySource
from fonoteca.audio.pictures import read_picture_block
from fonoteca.audio.tag_blocks import TagBlock
from fonoteca.audio.tags import EmbeddedTags, read_tags
from fonoteca.audio.wav import read_wav_structure
from fonoteca.ground.errors import AudioFormatError


def packet(*comments: bytes, claim: int | None = None) -> bytes:
    fields = b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
    return b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", len(comments) if claim is None else claim) + fields


def read_id3(*frames: id3.Frame, version: int = 4) -> EmbeddedTags:
    tag = id3.ID3()
    for frame in frames:
        tag.add(frame)
    data = id3_bytes(tag, version)
    return read_tags(MemorySource(data), [TagBlock("id3", 0, len(data))], "a")


def test_vorbis_comments_keep_order_values_and_case() -> None:
    found = read_packet_tags(
        packet(b"ARTIST=One", b"artist=Two", b"Artist=One", b"TITLE= Les Mis\xc3\xa9rables \0", b"TRACKNUMBER=3/12"), "a"
    )
    assert found.tags == {"artist": ("One", "Two"), "title": ("Les Misérables",), "tracknumber": ("3",), "totaltracks": ("12",)}


def test_comment_without_equals_sign_or_in_bad_utf8_is_a_note_and_the_others_are_read() -> None:
    found = read_packet_tags(packet(b"no sign", b"TITLE=caf\xe9", b"ALBUM=Good"), "a")
    assert found.tags["album"] == ("Good",) and [finding.code for finding in found.findings] == ["odd-comment"]


@pytest.mark.parametrize("claim", [3, 0xFFFFFFFF])
def test_comments_before_a_lying_count_are_used(claim: int) -> None:
    found = read_packet_tags(packet(b"TITLE=Kept", claim=claim), "a")
    assert found.tags == {"title": ("Kept",)} and [finding.code for finding in found.findings] == ["bad-tags"]


def test_tags_of_110_kilobytes_are_kept_whole_and_more_than_4_megabytes_left_out() -> None:
    found = read_packet_tags(packet(b"LYRICS=" + b"la " * 36_000 + b"end", b"COMMENT=" + b"x" * (5 << 20), b"TITLE=T"), "a")
    assert len(found.tags["lyrics"][0]) == 108_003 and found.tags["title"] == ("T",) and "comment" not in found.tags
    assert [finding.code for finding in found.findings] == ["bad-tags"]


@pytest.mark.parametrize("version", [3, 4])
def test_id3_frames_have_picards_names(version: int) -> None:
    found = read_id3(
        id3.TIT2(encoding=3, text=["Title"]), id3.TPE1(encoding=3, text=["One"]), id3.TSRC(encoding=3, text=["us-rc1-76-07839"]),
        id3.TRCK(encoding=3, text=["3/12"]), id3.TPOS(encoding=3, text=["1/2"]), id3.TCON(encoding=3, text=["(17)"]),
        id3.TDRC(encoding=3, text=["2001-05-06" if version == 4 else "2001"]), id3.TPUB(encoding=3, text=["Label"]),
        id3.WCOP(url="https://creativecommons.org/licenses/by/4.0/"), id3.TCOP(encoding=3, text=["2001 Somebody"]),
        id3.TXXX(encoding=3, desc="MusicBrainz Artist Id", text=["a1"]),
        id3.TXXX(encoding=3, desc="MusicBrainz Release Track Id", text=["r1"]),
        id3.TXXX(encoding=3, desc="MusicBrainz Release Group Id", text=["g1"]), id3.TXXX(encoding=3, desc="ARTISTS", text=["One"]),
        id3.UFID(owner="http://musicbrainz.org", data=b"rec1"), id3.COMM(encoding=3, lang="eng", desc="", text=["Words"]),
        version=version,
    ).tags  # fmt: skip
    assert found == {
        "title": ("Title",), "artist": ("One",), "isrc": ("us-rc1-76-07839",), "tracknumber": ("3",),
        "totaltracks": ("12",), "discnumber": ("1",), "totaldiscs": ("2",), "genre": ("Rock",),
        "date": ("2001-05-06" if version == 4 else "2001",), "label": ("Label",),
        "license": ("https://creativecommons.org/licenses/by/4.0/",), "copyright": ("2001 Somebody",), "musicbrainz_artistid": ("a1",),
        "musicbrainz_trackid": ("r1",), "musicbrainz_releasegroupid": ("g1",), "artists": ("One",), "musicbrainz_recordingid": ("rec1",),
        "comment": ("Words",),
    }  # fmt: skip


def test_several_values_and_performers_stay_several() -> None:
    people = id3.TMCL(encoding=3, people=[["guitar", "Ann"], ["Drums", "Bob"]])
    found = read_id3(id3.TPE1(encoding=3, text=["One", "Two"]), people, id3.TIPL(encoding=3, people=[["producer", "Cy"]])).tags
    assert found == {"artist": ("One", "Two"), "performer:guitar": ("Ann",), "performer:drums": ("Bob",), "producer": ("Cy",)}


def test_id3v22_is_read() -> None:
    frames = b"TT2\0\0\x06\0Title" + b"TP1\0\0\x04\0One"
    data = b"ID3\2\0\0\0\0\0" + bytes([len(frames)]) + frames
    assert read_tags(MemorySource(data), [TagBlock("id3", 0, len(data))], "a").tags == {"title": ("Title",), "artist": ("One",)}


def test_compressed_frame_that_inflates_without_end_is_refused() -> None:
    bomb = zlib.compress(bytes(300 << 20), 9)
    frame = b"TIT2" + struct.pack(">I", len(bomb) + 4) + b"\0\x80" + struct.pack(">I", 300 << 20) + bomb
    size = len(frame)
    data = b"ID3\3\0\0" + bytes((size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127)) + frame
    found = read_tags(MemorySource(data), [TagBlock("id3", 0, len(data))], "a")
    assert "title" not in found.tags


def test_mp4_atoms_have_picards_names() -> None:
    file = io.BytesIO(sound_file("m4a"))
    tags = mutagen.mp4.MP4(file)
    tags["\xa9nam"], tags["\xa9ART"], tags["trkn"], tags["disk"], tags["cpil"] = ["Title"], ["One", "Two"], [(3, 12)], [(1, 0)], True
    for name, value in (
        ("ISRC", b"USRC17607839"),
        ("MusicBrainz Track Id", b"rec1"),
        ("MusicBrainz Album Artist Id", b"aa1"),
        ("LICENSE", b"CC"),
    ):
        tags[f"----:com.apple.iTunes:{name}"] = [mutagen.mp4.MP4FreeForm(value)]
    tags["covr"] = [mutagen.mp4.MP4Cover(PNG + bytes(17 << 20))]
    file.seek(0)
    tags.save(file)
    found = read_tags(MemorySource(file.getvalue()), [TagBlock("mp4", 0, len(file.getvalue()))], "a")
    kept = {name: values for name, values in found.tags.items() if name != "encodedby"}
    assert kept == {
        "title": ("Title",), "artist": ("One", "Two"), "tracknumber": ("3",), "totaltracks": ("12",), "discnumber": ("1",),
        "compilation": ("1",),
        "isrc": ("USRC17607839",), "musicbrainz_recordingid": ("rec1",), "musicbrainz_albumartistid": ("aa1",), "license": ("CC",),
    }  # fmt: skip
    assert [picture.mime for picture in found.pictures] == ["image/png"]


def test_wav_info_and_id3_chunks_are_read_and_id3_has_the_word() -> None:
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=3, text=["From ID3"]))
    body = id3_bytes(tag)
    body += bytes(len(body) % 2)
    info = b"INFO" + b"INAM\x05\0\0\0Info\0\0" + b"ICOP\x04\0\0\0\xa9 Me" + b"ISRC\x04\0\0\0Tape"
    extra = b"LIST" + struct.pack("<I", len(info)) + info + b"id3 " + struct.pack("<I", len(body)) + body
    data = wav_bytes(bytes(400), extra=extra)
    found = read_tags(MemorySource(data), read_wav_structure(MemorySource(data), "a").tag_blocks, "a")
    assert found.tags == {"title": ("From ID3",), "copyright": ("© Me",)}


def test_ape_items_fill_in_what_id3_lacks() -> None:
    file = io.BytesIO()
    ape = mutagen.apev2.APEv2()
    ape["Title"], ape["Artist"], ape["Track"] = "From APE", ["One", "Two"], "3/12"
    ape.save(file)
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=3, text=["From ID3"]))
    first, second = id3_bytes(tag), file.getvalue()
    blocks = [TagBlock("ape", len(first), len(second)), TagBlock("id3", 0, len(first))]
    found = read_tags(MemorySource(first + second), blocks, "a").tags
    assert found == {"title": ("From ID3",), "artist": ("One", "Two"), "tracknumber": ("3",), "totaltracks": ("12",)}


def test_each_picture_comes_once_and_a_broken_one_is_a_note() -> None:
    block = struct.pack(">II9sI4s", 3, 9, b"image/gif", 4, b"desc") + struct.pack(">5I", 0, 0, 0, 0, len(PNG)) + PNG
    good = b"METADATA_BLOCK_PICTURE=" + base64.b64encode(block)
    broken = b"METADATA_BLOCK_PICTURE=" + base64.b64encode(block[:-20])
    found = read_packet_tags(packet(good, good, broken, b"COVERART=" + base64.b64encode(PNG), b"COVERART=%%%"), "a")
    assert [(picture.mime, picture.width, picture.height, picture.kind) for picture in found.pictures] == [("image/png", 3, 2, 3)]
    assert [finding.code for finding in found.findings] == ["bad-picture", "bad-picture"] and not found.tags


def test_pictures_are_told_by_their_bytes() -> None:
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + b"\xff\xc0\0\x11\x08\0\x30\0\x40\3" + bytes(9)
    webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\x3f\xc0\x0b\0" + bytes(8)
    heads = [sniff_picture(data) for data in (jpeg, PNG, b"GIF89a\x40\0\x30\0", webp)]
    assert heads == [("image/jpeg", 64, 48), ("image/png", 3, 2), ("image/gif", 64, 48), ("image/webp", 64, 48)]
    assert sniff_picture(b"<svg>") is None and sniff_picture(b"") is None


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X", b""]), st.binary(max_size=80))
def test_any_bytes_are_a_picture_or_a_format_error(magic: bytes, rest: bytes) -> None:
    for read in (make_picture, read_picture_block):
        try:
            assert read(magic + rest).width >= 0
        except AudioFormatError:
            pass


NAMES = [
    "title", "artist", "isrc", "license", "musicbrainz_recordingid", "musicbrainz_trackid", "movement", "movementnumber",
    "totaltracks", "performer:lead vocals", "label", "comment", "musicip_fingerprint", "some name of its own",
]  # fmt: skip
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0()/"), min_size=1).map(str.strip).filter(bool)


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, min_size=1, unique=True).map(tuple)))
def test_tags_written_as_vorbis_comments_are_read_back_the_same(tags: dict[str, tuple[str, ...]]) -> None:
    written = [f"{name}={value}".encode() for name, value in picard_to_vorbis(tags)]
    assert read_packet_tags(packet(*written), "a").tags == tags


def test_what_describes_the_old_encoding_is_not_carried_over() -> None:
    tags = {"replaygain_track_gain": ("-3 dB",), "r128_track_gain": ("5",), "encodersettings": ("-q 5",), "title": ("T",), "a=b": ("x",)}
    assert picard_to_vorbis(tags) == [("TITLE", "T")]
