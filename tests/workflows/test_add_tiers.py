"""Which tier takes what was added: classes, the unknown, cut-off, one per ISRC, rates, and what was encoded before."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from adding import add, build_all, show, statuses, write_rows, write_sound
from commands import run_json, set_settings
from hostile_files import good_file
from mutagen.flac import FLAC
from mutagen.oggopus import OggOpus
from test_withdraw import PNG

from fonoteca.audio import make_picture, picture_block

FREE = "CC0-1.0"
LIKED = {"artist_popularity": 90, "album_popularity": 90, "followers": 10**6}


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """The folder that the files of a test lie in."""
    return tmp_path / "music"


def write_popularity(folder: Path, rows: Iterable[tuple[str, dict[str, object]]]) -> Path:
    return write_rows(folder / "rows.jsonl", [{"path": f"music/{name}", **fields} for name, fields in rows])


def tier_of(archive: Path, track: str) -> str:
    (file,) = show(archive, track)["files"]
    return str(file["tier"])


def test_popularity_decides_and_unknown_is_not_zero(archive: Path, music: Path, tmp_path: Path) -> None:
    for name in ("unknown", "zero", "below", "one", "most"):
        write_sound(music / f"{name}.flac", name, title=name, artist=name, album=name, license=FREE)
    rows = [("zero.flac", {"popularity": 0.0, **LIKED}), ("below.flac", {"popularity": 0.99, **LIKED}),
            ("one.flac", {"popularity": 1.0}), ("most.flac", {"popularity": 100.0})]  # fmt: skip
    add(archive, music, metadata=write_popularity(tmp_path, rows), decode=True)
    assert dict(build_all(archive).members) == {"encode": 2, "copy": 3}
    tiers = {name: tier_of(archive, name) for name in ("unknown", "zero", "below", "one", "most")}
    assert tiers == {"unknown": "original", "zero": "tail", "below": "tail", "one": "original", "most": "original"}
    encoded = show(archive, "zero")["files"][0]
    assert encoded["format"] == "ogg-opus" and not encoded.get("is_derived"), "a lossless source is not derived"


def test_below_the_cut_off_nothing_is_kept_and_what_is_not_known_is_not_held_against_a_track(
    archive: Path, music: Path, tmp_path: Path
) -> None:
    low = {"popularity": 0, "artist_popularity": 10, "album_popularity": 10, "followers": 9}  # 0.1 + 0.1 + 1/8 = 0.325
    high = {"popularity": 0, "artist_popularity": 10, "album_popularity": 13, "followers": 9}  # 0.355
    partly = {"popularity": 0, "artist_popularity": 0, "album_popularity": 0}
    for name in ("low", "high", "partly"):
        write_sound(music / f"{name}.flac", name, title=name, artist=name, album=name, license=FREE)
    add(archive, music, metadata=write_popularity(tmp_path, [("low.flac", low), ("high.flac", high), ("partly.flac", partly)]), decode=True)
    assert run_json("plan", "--archive", archive)["build"]["refusals"] == {"below the cut-off": 1}
    assert dict(build_all(archive).refusals) == {"below the cut-off": 1}
    assert show(archive, "low")["status"] == "not-kept" and statuses(archive) == {"held": 2, "not-kept": 1}


def test_of_files_with_one_isrc_the_tail_keeps_the_best(archive: Path, music: Path, tmp_path: Path) -> None:
    for name in ("good", "better", "other"):
        isrc = "QZ5AB0000007" if name != "other" else "QZ5AB0000008"
        write_sound(music / f"{name}.flac", name, title=name, artist=name, album=name, license=FREE, isrc=isrc)
    rows = [(f"{name}.flac", {"popularity": 0, "artist_popularity": score, "album_popularity": 50, "followers": 10})
            for name, score in (("good", 60), ("better", 61), ("other", 50))]  # fmt: skip
    add(archive, music, metadata=write_popularity(tmp_path, rows), decode=True)
    assert dict(build_all(archive).refusals) == {"another file with its ISRC is held": 1}
    assert {name: show(archive, name)["status"] for name in ("good", "better", "other")} == {
        "good": "not-kept", "better": "held", "other": "held"
    }  # fmt: skip
    assert dict(build_all(archive).members) == {}, "the second build finds nothing new"


def test_an_isrc_held_in_the_original_tier_is_not_kept_in_the_tail_too(archive: Path, music: Path, tmp_path: Path) -> None:
    for name in ("popular", "copy"):
        write_sound(music / f"{name}.flac", name, title=name, artist=name, album=name, license=FREE, isrc="QZ5AB0000007")
    rows = [("popular.flac", {"popularity": 50}), ("copy.flac", {"popularity": 0, **LIKED})]
    add(archive, music, metadata=write_popularity(tmp_path, rows), decode=True)
    build_all(archive)
    assert show(archive, "copy")["status"] == "not-kept" and tier_of(archive, "popular") == "original"


def test_a_source_at_or_below_the_rate_is_kept_and_a_lossy_one_above_it_is_marked_derived(
    archive: Path, music: Path, tmp_path: Path
) -> None:
    write_sound(music / "small.ogg", "small", title="small", license=FREE)
    (music / "large.mp3").write_bytes(good_file("mp3"))
    set_settings(archive, cut_off="0.0")
    table = tmp_path / "plays.csv"
    table.write_text("path,plays\nmusic/small.ogg,1\nmusic/large.mp3,1\n")
    add(archive, music, plays=table, decode=True, rights=FREE)
    size = (music / "small.ogg").stat().st_size
    rate = size * 8 / (show(archive, "small")["duration_ms"] / 1000)
    set_settings(archive, opus_kbits=f"{rate / 1000 + 1:.0f}")
    members = build_all(archive).members
    assert (members["retag"], members["encode"]) == (1, 1)
    assert show(archive, "small")["files"][0]["format"] == "ogg-vorbis" and tier_of(archive, "small") == "tail"
    assert show(archive, "large")["files"][0]["is_derived"]


def test_what_is_at_or_below_the_rate_is_kept_whatever_its_format_and_whatever_its_cover_weighs_and_the_plan_says_so(
    archive: Path, music: Path, tmp_path: Path
) -> None:
    music.mkdir()
    quiet = 0.02 * np.random.default_rng(1).standard_normal((30 * 8000, 1))
    soundfile.write(music / "small.flac", quiet, 8000, subtype="PCM_16")
    soundfile.write(music / "large.flac", np.random.default_rng(2).standard_normal((5 * 48_000, 2)) / 5, 48_000, subtype="PCM_16")
    soundfile.write(music / "covered.opus", 0.1 * np.random.default_rng(3).standard_normal((10 * 48_000, 1)), 48_000, format="OGG",
                    subtype="OPUS", compression_level=1.0)  # fmt: skip
    tags = OggOpus(music / "covered.opus")
    tags["metadata_block_picture"] = picture_block(make_picture(PNG + bytes(1_000_000))).decode()
    tags.save()
    below = {"small.flac", "covered.opus"}
    set_settings(archive, cut_off="0.0", opus_kbits="150")
    table = tmp_path / "plays.csv"
    table.write_text("path,plays\n" + "".join(f"music/{path.name},1\n" for path in music.iterdir()))
    add(archive, music, plays=table, rights=FREE)
    plan = run_json("plan", "--archive", archive)
    members = build_all(archive).members
    kept = {path.name for path in music.iterdir() if not is_encoded(archive, path)}
    assert kept == below and members["encode"] == 1
    (tail,) = [row for row in plan["tiers"] if row["name"] == "tail"]
    assert (tail["files"], tail["encoded_files"]) == (3, members["encode"])
    assert not any(show(archive, music / name)["files"][0].get("is_derived") for name in below)


def is_encoded(archive: Path, track: Path) -> bool:
    """Whether what is held of a track was encoded here."""
    return not show(archive, track)["files"][0].get("is_original_restorable", True)


def test_the_table_of_plan_encodes_nothing_that_build_would_not(archive: Path, music: Path, tmp_path: Path) -> None:
    for name, licence in (("free", FREE), ("as it is", "CC-BY-ND-4.0"), ("ours", FREE)):
        path = music / f"{name}.flac"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.random.default_rng(len(name)).standard_normal((2 * 48_000, 2)) / 5, 48_000, subtype="PCM_16")
        tags = FLAC(path)
        tags.update({"license": licence, **({"fonoteca_source_sha256": "0" * 64} if name == "ours" else {})})
        tags.save()
    table = tmp_path / "plays.csv"
    table.write_text("path,plays\n" + "".join(f"music/{path.name},1\n" for path in music.iterdir()))
    set_settings(archive, cut_off="0.0")
    add(archive, music, plays=table)
    plan = run_json("plan", "--archive", archive)
    assert plan["build"]["members"]["encode"] == plan["tiers"][1]["encoded_files"] == plan["alternatives"][0]["encoded_files"] == 1


def test_nothing_moves_between_tiers_by_itself(archive: Path, music: Path, tmp_path: Path) -> None:
    write_sound(music / "1.flac", "1", title="One", license=FREE)
    table = tmp_path / "plays.csv"
    table.write_text("path,plays\nmusic/1.flac,5000000\n")
    add(archive, music, plays=table)
    build_all(archive)
    table.write_text("path,plays\nmusic/1.flac,1\n")
    add(archive, music, plays=table)
    assert dict(build_all(archive).members) == {} and tier_of(archive, "One") == "original"
