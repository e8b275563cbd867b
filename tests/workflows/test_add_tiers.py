"""Which tier takes what was added: classes, the unknown, cut-off, one per ISRC, rates, and what was encoded before."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from adding import add, build_all, show, statuses, write_rows, write_sound
from commands import run_json, set_settings
from hostile_files import good_file

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


def test_nothing_moves_between_tiers_by_itself(archive: Path, music: Path, tmp_path: Path) -> None:
    write_sound(music / "1.flac", "1", title="One", license=FREE)
    table = tmp_path / "plays.csv"
    table.write_text("path,plays\nmusic/1.flac,5000000\n")
    add(archive, music, plays=table)
    build_all(archive)
    table.write_text("path,plays\nmusic/1.flac,1\n")
    add(archive, music, plays=table)
    assert dict(build_all(archive).members) == {} and tier_of(archive, "One") == "original"
