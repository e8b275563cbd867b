"""`stats` and `plan --budget` through the command line: reports whole or not at all, the same for archive and edition."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import pytest
from commands import FREE_ART, make_archive, run_fonoteca, run_json, set_settings, tree_digest, write_plays

from fonoteca.catalogue.audio_features import AudioFeatures
from fonoteca.catalogue.import_records import FeaturesRow
from fonoteca.cli.run import run
from fonoteca.ground.errors import AccessError
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.stats import read_edition_statistics, write_report
from generated_music import write_small_files


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with forty tracks held and published, and three that are wanted."""
    folder = tmp_path_factory.mktemp("stats")
    files = write_small_files(folder / "source", 40, seed=5)
    archive = make_archive(folder / "archive")
    plays = write_plays(folder / "plays.csv", {path: 100 if number % 4 == 2 else 5000 * number for number, path in enumerate(files)})
    wanted = folder / "wanted.jsonl"
    wanted.write_text(
        "".join(json.dumps({"title": f"W{n}", "artists": ["A"], "date": "1901", "duration_ms": 120_000 + n}) + "\n" for n in range(3))
    )
    run_fonoteca("add", folder / "source", "--plays", plays, "--metadata", wanted, "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    return archive


def _by_report(rows: list[dict[str, Any]], report: str) -> dict[Any, int]:
    return {row["name"] or row["bucket"]: row["number"] for row in rows if row["report"] == report}


def test_a_report_is_a_folder_of_page_table_and_pictures(published: Path, tmp_path: Path) -> None:
    told = run_json("stats", tmp_path / "report", "--archive", published)
    files = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"index.html", "statistics.csv", "status.svg", "formats-by-bytes.svg", "durations.svg"} <= files
    assert len([name for name in files if name.endswith(".svg")]) == told["pictures"]
    with open(tmp_path / "report" / "statistics.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [(row["report"], int(row["number"])) for row in rows] == [(row["report"], row["number"]) for row in told["rows"]]
    status = run_json("status", "--archive", published)
    assert _by_report(told["rows"], "status") == status["tracks"]
    assert _by_report(told["rows"], "total")["files"] == sum(one["members"] for one in status["containers"] if one["content"] == "audio")
    assert not [path for path in tmp_path.iterdir() if path.name != "report"]


def test_the_same_catalogue_gives_the_same_report(published: Path, tmp_path: Path) -> None:
    run_fonoteca("stats", tmp_path / "one", "--archive", published)
    run_fonoteca("stats", tmp_path / "two", "--archive", published)
    run_fonoteca("stats", tmp_path / "two", "--archive", published)
    assert tree_digest(tmp_path / "one") == tree_digest(tmp_path / "two")


def test_an_edition_tells_what_its_archive_tells(published: Path, tmp_path: Path) -> None:
    edition = tmp_path / "catalogue.sqlite3"
    shutil.copy(published / "release" / "catalogue.sqlite3", edition)
    of_edition, of_archive = run_json("stats", "--edition", edition), run_json("stats", "--archive", published)
    for report in ("status", "duration", "popularity", "album_size", "explicit", "file_kind", "total"):
        assert _by_report(of_edition["rows"], report) == _by_report(of_archive["rows"], report), report
    before = edition.read_bytes()
    run_fonoteca("stats", tmp_path / "report", "--edition", edition)
    assert edition.read_bytes() == before


def test_only_an_earlier_report_is_replaced(published: Path, tmp_path: Path) -> None:
    other = tmp_path / "music"
    other.mkdir()
    (other / "song.ogg").write_bytes(b"kept")
    assert "something else" in run_fonoteca("stats", other, "--archive", published, status=2).stderr
    run_fonoteca("stats", tmp_path / "report", "--archive", published)
    (tmp_path / "report" / "mine.ogg").write_bytes(b"kept")
    run_fonoteca("stats", tmp_path / "report", "--archive", published, status=2)
    assert (other / "song.ogg").read_bytes() == (tmp_path / "report" / "mine.ogg").read_bytes() == b"kept"


def test_neighbours_of_a_report_stay(published: Path, tmp_path: Path) -> None:
    for name in ("report.former", "report.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    for _ in range(2):
        run_fonoteca("stats", tmp_path / "report", "--archive", published)
    assert {path.name for path in tmp_path.iterdir()} == {"report", "report.former", "report.partial"}
    assert all((tmp_path / name / "thesis.txt").read_text() for name in ("report.former", "report.partial"))


def test_a_report_that_cannot_be_put_in_place_leaves_the_earlier_one(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics = read_edition_statistics(published / "release" / "catalogue.sqlite3")
    write_report(statistics, tmp_path / "report")
    before, rename = tree_digest(tmp_path), Path.rename

    def rename_once(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(AccessError):
        write_report(statistics, tmp_path / "report")
    assert tree_digest(tmp_path) == before


def test_stats_changes_nothing_in_the_archive(published: Path) -> None:
    before = {name: digest for name, digest in tree_digest(published).items() if ".lock" not in name}
    run_fonoteca("stats", "--archive", published)
    run_fonoteca("plan", "--budget", "1MB", "--archive", published)
    assert {name: digest for name, digest in tree_digest(published).items() if ".lock" not in name} == before


def test_png_stands_beside_svg(published: Path, tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    run_fonoteca("stats", tmp_path / "report", "--png", "--archive", published)
    svgs, pngs = ({path.stem for path in (tmp_path / "report").glob(f"*.{kind}")} for kind in ("svg", "png"))
    assert svgs == pngs


def test_features_beside_the_catalogue_are_counted(published: Path, tmp_path: Path) -> None:
    edition = tmp_path / "catalogue.sqlite3"
    shutil.copy(published / "release" / "catalogue.sqlite3", edition)
    with AudioFeatures(tmp_path / "features.sqlite3") as features:
        features.put(
            "one", [FeaturesRow(track="A" * 22, tempo=119.6, key=9, mode=0), FeaturesRow(track="B" * 22, tempo=120.2, key=0, mode=1)]
        )
        features.put("two", [FeaturesRow(track="A" * 22, tempo=60.0, key=1, mode=1)])
    rows = run_json("stats", tmp_path / "report", "--edition", edition)["rows"]
    assert _by_report(rows, "key") == {"C": 1, "A": 1} and _by_report(rows, "mode") == {"minor": 1, "major": 1}
    assert _by_report(rows, "tempo") == {120: 2}
    assert (tmp_path / "report" / "tempo.svg").is_file()


@pytest.mark.parametrize("arguments", [("--png",), ("--edition", "nowhere.sqlite3"), ("--edition", "a", "--archive", "b")])
def test_wrong_usage_of_stats_is_told(arguments: tuple[str, ...]) -> None:
    assert run(["stats", *arguments]) != 0


def test_a_file_that_is_no_edition_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    apsw.Connection(str(other)).execute("CREATE TABLE t (x)")
    assert run(["stats", "--edition", str(other)]) == 1
    other.write_bytes(b"no database at all")
    assert run(["stats", "--edition", str(other)]) == 1


def test_a_budget_is_kept_to_and_used(published: Path, tmp_path: Path) -> None:
    whole = run_json("plan", "--budget", "1TB", "--archive", published)["plan"]
    assert whole["kept_tracks"] == 40 and whole["encoded_tracks"] == 0
    last = 0.0
    for part in (0.1, 0.3, 0.6, 0.9):
        told = run_json("plan", "--budget", str(int(whole["bytes"] * part)), "--archive", published)["plan"]
        assert told["bytes"] <= whole["bytes"] * part and told["quality"] >= last
        last = told["quality"]
    words = run_fonoteca("plan", "--budget", "100kB", "--picture", tmp_path / "plan.svg", "--archive", published).stdout
    assert "quality" in words and "more would buy" in words
    assert (tmp_path / "plan.svg").read_text().startswith("<svg")


def test_a_budget_for_an_edition_is_that_for_its_archive_when_all_fits(published: Path) -> None:
    edition = published / "release" / "catalogue.sqlite3"
    of_edition = run_json("plan", "--budget", "1TB", "--edition", edition, "--wanted")["plan"]
    of_archive = run_json("plan", "--budget", "1TB", "--archive", published, "--wanted")["plan"]
    assert of_edition["kept_tracks"] == of_archive["kept_tracks"] == 43
    assert of_edition["quality"] == pytest.approx(1) and of_archive["quality"] == pytest.approx(1)


def test_a_budget_counts_no_track_that_is_covered_or_withdrawn(published: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    shutil.copytree(published, archive)
    with sqlite3.connect(archive / "catalogue.sqlite3") as writer:
        wanted = [row[0] for row in writer.execute("SELECT track FROM tracks WHERE state = 0 ORDER BY track")]
        held = writer.execute("SELECT track FROM tracks WHERE state = 1").fetchone()[0]
        writer.execute("UPDATE tracks SET state = 2 WHERE track = ?", (wanted[0],))
        writer.execute("INSERT INTO same_recordings VALUES (?, ?, 1)", (wanted[1], held))
    plan = run_json("plan", "--budget", "1TB", "--archive", archive, "--wanted")["plan"]
    assert (plan["tracks"], plan["kept_tracks"]) == (41, 41) and plan["quality"] == pytest.approx(1)


@pytest.mark.parametrize("arguments", [("--wanted",), ("--floor", "30"), ("--budget", "many"), ("--budget", "1MB", "--floor", "10"),
                                       ("--budget", "1MB", "--rarity", "2"), ("--budget", "1MB", "--picture", "x.jpg"),
                                       ("--budget", "1MB", "--held-elsewhere", "settings")])  # fmt: skip
def test_wrong_usage_of_a_budget_is_told(
    published: Path, tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings").write_text("a,b\n")
    monkeypatch.chdir(tmp_path)
    assert run(["plan", *arguments, "--archive", str(published)]) == 2


def test_scores_that_settings_changed_are_counted_as_changed(tmp_path: Path) -> None:
    files = write_small_files(tmp_path / "source", 4, seed=6)
    archive = make_archive(tmp_path / "archive")
    run_fonoteca("add", tmp_path / "source", "--plays", write_plays(tmp_path / "p.csv", dict.fromkeys(files, 5000)), "--archive", archive)
    before = _by_report(run_json("stats", "--archive", archive)["rows"], "popularity")
    set_settings(archive, plays_at_1="10_000")
    after = _by_report(run_json("stats", "--archive", archive)["rows"], "popularity")
    with open_archive(archive, "test", read_only=True) as opened:
        assert opened.catalogue.statements.value("SELECT count(*) FROM tracks WHERE popularity > 1") == 4  # not stored
    assert after == {0: 4} != before


def test_a_release_brings_the_report_of_its_catalogue(published: Path, tmp_path: Path) -> None:
    release = published / "release"
    run_fonoteca("stats", tmp_path / "report", "--edition", release / "catalogue.sqlite3")
    assert tree_digest(tmp_path / "report") == tree_digest(release / "statistics")
    listed = dict(reversed(line.split("  ", 1)) for line in (release / "SHA256SUMS").read_text().splitlines())
    assert {f"statistics/{name}": digest for name, digest in tree_digest(release / "statistics").items()}.items() <= listed.items()
    assert 'href="statistics/index.html"' in (release / "index.html").read_text()
