"""Patches: they restore the original or say why not, and never give anything else."""

from __future__ import annotations

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ogg_builder import SETUP, SOUND, VORBIS_HEAD, Group, lay_pages, opus_comments, opus_file, real_file, vorbis_comments, vorbis_file

from fonoteca.audio.patch_recipe import _DICTIONARY
from fonoteca.audio.patches import MAGIC, OGG, ZSTANDARD, apply_patch, make_patch
from fonoteca.audio.retag import retag_ogg
from fonoteca.ground.errors import PatchError

comments_lists = st.lists(st.binary(max_size=300), max_size=6)


@settings(max_examples=60)
@given(comments_lists, comments_lists, st.booleans())
def test_any_comments_come_back_from_any_others(before: list[bytes], after: list[bytes], is_opus: bool) -> None:
    original = opus_file(opus_comments(before)) if is_opus else vorbis_file(vorbis_comments(before))
    member = opus_file(opus_comments(after)) if is_opus else vorbis_file(vorbis_comments(after))
    patch = make_patch(original, member)
    assert patch[4] == OGG
    assert apply_patch(member, patch) == original


@settings(max_examples=60)
@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_any_bytes_come_back_from_any_others(original: bytes, member: bytes) -> None:
    assert apply_patch(member, make_patch(original, member)) == original


def test_added_comments_cost_next_to_nothing() -> None:
    original = vorbis_file(vorbis_comments([b"LYRICS=" + bytes(range(1, 256)) * 400, b"TITLE=x"]))
    member = retag_ogg(original, [("ALBUM", "y")], path="x").content
    assert len(make_patch(original, member)) < 60


def test_taken_out_comments_are_in_the_patch() -> None:
    original = vorbis_file(vorbis_comments([b"TITLE=A song", b"ENCODER=Lavc59.37.100 libvorbis", b"SECRET=0123456789"]))
    member = vorbis_file(vorbis_comments([b"TITLE=A song"]))
    patch = make_patch(original, member)
    assert apply_patch(member, patch) == original
    assert len(patch) < 110


def test_other_paging_of_the_header_is_restored() -> None:
    sound: Group = (SOUND, 20_480)
    original = lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments()], 0), ([SETUP], 0), sound])
    member = lay_pages([([VORBIS_HEAD], 0), ([vorbis_comments([b"A=1"]), SETUP], 0), sound])
    assert apply_patch(member, make_patch(original, member)) == original


@pytest.mark.parametrize("name", ["chained", "trailing", "cut", "other-sound", "no-member", "no-original"])
def test_odd_pairs_get_a_general_patch(name: str) -> None:
    data = real_file()
    original, member = {
        "chained": (data + vorbis_file(), data),
        "trailing": (data + b"TAG" * 20, data),
        "cut": (data[:-7], data),
        "other-sound": (data, vorbis_file()),
        "no-member": (data, b""),
        "no-original": (b"", data),
    }[name]
    patch = make_patch(original, member)
    assert patch[4] == ZSTANDARD
    assert apply_patch(member, patch) == original
    if name in ("chained", "trailing", "cut"):
        assert len(patch) < 2000


def test_general_patch_is_read_by_the_zstd_program(tmp_path: Path) -> None:
    if not shutil.which("zstd"):
        pytest.skip("no zstd")
    original, member = real_file() + b"TAG" * 20, real_file()
    (tmp_path / "member").write_bytes(member)
    (tmp_path / "patch.zst").write_bytes(make_patch(original, member)[41:])
    command = ["zstd", "-d", "--long=31", "--patch-from", "member", "patch.zst", "-o", "original"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "original").read_bytes() == original


def test_patch_of_another_member_is_refused() -> None:
    patch = make_patch(vorbis_file(), vorbis_file(vorbis_comments([b"TITLE=A song", b"ARTIST=Somebody", b"NEW=1"])))
    for other in (opus_file(), vorbis_file(sound=SOUND[1:]), vorbis_file(vorbis_comments([b"A=1"])), b"", b"RIFF"):
        with pytest.raises(PatchError):
            apply_patch(other, patch)


@pytest.mark.parametrize("kind", [OGG, ZSTANDARD])
def test_damaged_patch_never_gives_other_bytes(kind: int) -> None:
    original = vorbis_file() if kind == OGG else vorbis_file() + b"x" * 50
    member = vorbis_file(vorbis_comments([b"OTHER=1", b"TITLE=A song"]))
    patch = make_patch(original, member)
    assert patch[4] == kind
    for bit in range(len(patch) * 8):
        damaged = bytearray(patch)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert apply_patch(member, bytes(damaged)) == original
        except PatchError:
            continue
    for size in range(len(patch)):
        with pytest.raises(PatchError):
            apply_patch(member, patch[:size])


@given(st.binary(max_size=200), st.sampled_from([OGG, ZSTANDARD]))
def test_made_up_patches_are_refused(body: bytes, kind: int) -> None:
    patch = MAGIC + bytes([kind]) + bytes(32) + (5000).to_bytes(4, "little") + body
    for member in (vorbis_file(), b""):
        with pytest.raises(PatchError):
            apply_patch(member, patch)


def test_patch_says_what_is_wrong_with_it() -> None:
    with pytest.raises(PatchError, match="at least 41 bytes"):
        apply_patch(b"", b"")
    with pytest.raises(PatchError, match="begins with"):
        apply_patch(b"", bytes(60))
    with pytest.raises(PatchError, match="kind 9"):
        apply_patch(b"", MAGIC + b"\x09" + bytes(60))


def test_original_of_real_music_comes_back_from_a_member_tagged_by_another_program(music: Path, tmp_path: Path) -> None:
    if not shutil.which("vorbiscomment"):
        pytest.skip("no vorbiscomment")
    file = min(music.rglob("*.ogg"), key=lambda file: file.stat().st_size)
    subprocess.run(
        ["vorbiscomment", "-a", str(file), "-t", "MOOD=calm", str(tmp_path / "member.ogg")], check=True, capture_output=True, timeout=60
    )
    member = (tmp_path / "member.ogg").read_bytes()
    assert apply_patch(member, make_patch(file.read_bytes(), member)) == file.read_bytes()


def test_preset_dictionary_is_the_one_that_the_format_page_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "patch.md").read_text()
    assert sha256(_DICTIONARY).hexdigest() in page
    assert f"({len(_DICTIONARY)} bytes)" in page


def test_patch_of_version_1_still_restores() -> None:
    patch = bytes.fromhex("465054010183a4fe31b6c29245852d28ef14329be98093616d953765fdba75b613fce3b902ae0e00000063620000")
    member = vorbis_file(vorbis_comments([b"TITLE=A song", b"ARTIST=Somebody", b"ALBUM=Later"]))
    assert apply_patch(member, patch) == vorbis_file()
