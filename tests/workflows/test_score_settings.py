"""`plays_at_1` and `plays_at_100` count for tracks that are known already; a popularity that was given as such stays."""

from __future__ import annotations

from pathlib import Path

from adding import add, build_all, show, write_rows, write_sound
from commands import run_fonoteca, run_json


def set_plays_at_1(archive: Path, plays: int) -> None:
    settings = archive / "archive.toml"
    text = settings.read_text()
    assert "plays_at_1 = 1_000\n" in text or "plays_at_1 = 1000\n" in text or "# plays_at_1" in text or "plays_at_1 =" in text
    lines = [f"plays_at_1 = {plays}" if line.lstrip("# ").startswith("plays_at_1 =") else line for line in text.split("\n")]
    settings.write_text("\n".join(lines))


def test_changed_settings_of_popularity_count_for_tracks_that_are_known(archive: Path, tmp_path: Path) -> None:
    rows = {"counted": {"plays": 500}, "given": {"popularity": 0.0, "plays": 500}, "given later": {"plays": 500}, "much": {"plays": 10**6}}
    for name in rows:
        write_sound(tmp_path / "music" / f"{name}.flac", name, title=name, artist=name, license="CC0-1.0")
    table = write_rows(tmp_path / "rows.jsonl", [{"path": f"music/{name}.flac", **fields} for name, fields in rows.items()])
    add(archive, tmp_path / "music", metadata=table)
    later = tmp_path / "later.csv"
    later.write_text("path,popularity\nmusic/given later.flac,0\n")
    add(archive, plays=later)
    before = run_json("plan", "--archive", archive)
    assert {row["name"]: row["files"] for row in before["tiers"]} == {"original": 1, "tail": 3}
    set_plays_at_1(archive, 100)
    after = run_json("plan", "--archive", archive)
    assert {row["name"]: row["files"] for row in after["tiers"]} == {"original": 2, "tail": 2}
    assert show(archive, "counted")["popularity"] == 0, "plan changes nothing"
    build_all(archive)
    assert show(archive, "counted")["popularity"] > 1 and show(archive, "counted")["files"][0]["tier"] == "original"
    for name in ("given", "given later"):
        assert show(archive, name)["popularity"] == 0 and show(archive, name)["files"][0]["tier"] == "tail"
    assert run_json("plan", "--archive", archive)["tiers"] == after["tiers"]


def test_a_changed_setting_counts_for_a_wanted_track_whose_file_comes_later(archive: Path, tmp_path: Path) -> None:
    mbid = "aaaaaaaa-0000-4000-8000-000000000000"
    add(archive, metadata=write_rows(tmp_path / "rows.jsonl", [{"mbid": mbid, "plays": 500}]))
    write_sound(tmp_path / "music" / "a.ogg", title="a", license="CC0-1.0", musicbrainz_trackid=mbid)
    add(archive, tmp_path / "music")
    set_plays_at_1(archive, 100)
    build_all(archive)
    assert show(archive, tmp_path / "music" / "a.ogg")["popularity"] > 1


def test_settings_that_give_no_score_are_refused(archive: Path) -> None:
    set_plays_at_1(archive, 10**13)
    assert "plays_at_1" in run_fonoteca("plan", "--archive", archive, status=2).stderr
