"""--plays and --metadata: formulas, keys, wrong columns, lines cut in half, and paths that try tricks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from adding import FREE, add, publishable, show, statuses, write_rows, write_sound
from backports import zstd
from commands import run_fonoteca, run_json, set_settings

MBID = "b1a9c0e9-d987-4042-ae91-78d6a3267d69"


@pytest.fixture
def song(archive: Path, tmp_path: Path) -> Path:
    """A track called Song with an ISRC and an MBID."""
    path = write_sound(tmp_path / "song.ogg", "song", title="Song", isrc="QZ5AB0000001", musicbrainz_trackid=MBID)
    add(archive, path)
    return path


def write_plays(folder: Path, text: str) -> Path:
    table = folder / "plays.csv"
    table.write_text(text)
    return table


@pytest.mark.parametrize(
    ("plays", "score"), [(0, 0.0), (999, 0.0), (1000, 1.0), (5_000_000_000, 100.0), (10**12, 100.0), (70_711, None), (2_236_068, 50.5)]
)
def test_plays_become_the_score_of_the_formula(plays: int, score: float | None, archive: Path, song: Path, tmp_path: Path) -> None:
    add(archive, plays=write_plays(tmp_path, f"path,plays\n{song},{plays}\n"))
    expected = 1 + 99 * math.log(plays / 1000) / math.log(5_000_000) if score is None else score
    told = show(archive, "Song")
    assert told["popularity"] == pytest.approx(expected, abs=0.001) and told["plays"] == plays


def test_the_ends_of_the_scale_are_settings(archive: Path, song: Path, tmp_path: Path) -> None:
    set_settings(archive, plays_at_1="10", plays_at_100="1000")
    add(archive, plays=write_plays(tmp_path, f"path,plays\n{song},100\n"))
    assert show(archive, "Song")["popularity"] == pytest.approx(50.5)


def test_a_popularity_column_is_taken_as_it_is_and_unknown_is_not_zero(archive: Path, song: Path, tmp_path: Path) -> None:
    assert show(archive, "Song")["popularity"] is None
    add(archive, plays=write_plays(tmp_path, f"path;plays;Popularity\n{song};3;77.5\n"))
    assert (show(archive, "Song")["popularity"], show(archive, "Song")["plays"]) == (77.5, 3)


@pytest.mark.parametrize(
    "row", ["path,plays\nsong.ogg,5000", "path,plays\n{song},5000", "ISRC,plays\nQZ-5AB-00-00001,5000", f"mbid,plays\n{MBID.upper()},5000",
            "id,plays\n{id},5000", "path,isrc,plays\n/elsewhere/x.ogg,QZ5AB0000001,5000", f"id,mbid,plays\nforeign-77,{MBID},5000"]
)  # fmt: skip
def test_a_track_is_found_by_each_key(row: str, archive: Path, song: Path, tmp_path: Path) -> None:
    table = write_plays(tmp_path, row.format(song=song, id=show(archive, "Song")["id"]) + "\n")
    report = add(archive, plays=table)
    assert report.findings == [] and show(archive, "Song")["plays"] == 5000


@pytest.mark.parametrize("row", ["id,plays\nSong,5", "path,plays\n../song,5", "path,plays\nsong\0.ogg,5", f"mbid,plays\n{MBID[:-1]}0,5"])
def test_a_row_that_names_no_track_is_set_aside(row: str, archive: Path, song: Path, tmp_path: Path) -> None:
    report = add(archive, plays=write_plays(tmp_path, row + "\n"))
    assert report.finding_counts == {"unknown-track": 1} and report.has_damage
    assert show(archive, "Song")["plays"] is None


def test_an_isrc_against_an_mbid_is_no_match(archive: Path, song: Path, tmp_path: Path) -> None:
    other = MBID.replace("b1", "b2")
    assert add(archive, plays=write_plays(tmp_path, f"isrc,mbid,plays\nQZ5AB0000001,{other},5\n")).finding_counts == {"unknown-track": 1}


def test_plays_by_isrc_count_for_all_files_of_it_but_names_and_rights_do_not(archive: Path, song: Path, tmp_path: Path) -> None:
    add(archive, write_sound(tmp_path / "live.ogg", "live", title="Live", isrc="QZ5AB0000001"))
    add(archive, plays=write_plays(tmp_path, "isrc,plays\nQZ5AB0000001,2000\n"))
    assert show(archive, "Song")["plays"] == show(archive, "Live")["plays"] == 2000
    report = add(archive, metadata=write_rows(tmp_path / "r.jsonl", [{"isrc": "QZ5AB0000001", "title": "X", "rights": FREE}]))
    assert report.finding_counts == {"unknown-track": 1} and publishable(archive) == 0
    assert statuses(archive) == {"held": 2}


def test_wrong_columns_are_refused_by_name_before_any_file_is_read(archive: Path, song: Path, tmp_path: Path) -> None:
    table = write_plays(tmp_path, "file,count\nsong.ogg,5\n")
    write_sound(tmp_path / "new" / "2.ogg", "2")
    refused = run_fonoteca("add", tmp_path / "new", "--plays", table, "--archive", archive, status=2)
    assert "file, count" in refused.stderr and "path, id, isrc, mbid" in refused.stderr
    assert statuses(archive) == {"held": 1}


def test_bad_rows_are_set_aside_with_their_line_and_the_others_are_used(archive: Path, song: Path, tmp_path: Path) -> None:
    table = tmp_path / "plays.csv"
    table.write_bytes(
        b"path,plays,popularity\nsong.ogg,many,\nsong.ogg,-5,\nsong.ogg,,101\nsong.ogg,,nan\nsong.ogg,,\n,5,\n\xff\xfe,5,\nsong.ogg,12,\n"
        b"song.ogg,99999999999999999999999,\n" + b"x" * (2 << 20) + b",1\n\"song.ogg"
    )  # fmt: skip
    report = run_json("add", "--plays", table, "--archive", archive, status=3)
    lines = {int(one["fact"].split()[1].rstrip(":")) for one in report["findings"]}
    assert {2, 3, 4, 5, 6, 7, 8, 10, 11} <= lines and report["counts"]["rows used"] == 1
    assert show(archive, "Song")["plays"] == 12


def test_json_lines_cut_in_half_or_of_wrong_types_are_set_aside(archive: Path, song: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.jsonl"
    table.write_bytes(
        b'{"path":"song.ogg","label":"Good"}\n{"path":"song.ogg","lab\n[]\n{"path":"song.ogg","number":"one"}\n'
        b'{"path":"song.ogg","titel":"typo"}\n{"path":"song.ogg","popularity":1e9}\n\xff\xfe\n{"path":"\\ud800.ogg","title":"Half"}\n'
        b'{}\n' + b'[' * 100_000 + b'\n{"path":"song.ogg","disc":3}\n{"path":"song.ogg","artists":["A'
    )  # fmt: skip
    report = add(archive, metadata=table)
    assert report.finding_counts["bad-row"] >= 9 and report.has_damage
    assert (show(archive, "Song")["label"], show(archive, "Song")["disc"]) == ("Good", 3)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_compressed_table_that_was_cut_is_told_and_read_so_far(cut: float, archive: Path, song: Path, tmp_path: Path) -> None:
    data = b"".join(zstd.compress(b'{"path":"song.ogg","disc":%d}\n' % number) for number in range(50))
    (tmp_path / "rows.jsonl.zst").write_bytes(data[: int(len(data) * cut)])
    report = add(archive, metadata=tmp_path / "rows.jsonl.zst")
    assert report.finding_counts["bad-row"] == 1
    assert show(archive, "Song")["disc"] == pytest.approx(50 * cut, abs=2)


TRICKS = ("../../etc/passwd", "/etc/passwd", "a\0b", "CON", "x" * 300, "~/x", "file:///etc/passwd", "-rf", ".", "", "\u202e", "a/" * 3000)


def test_paths_in_tables_are_names_and_never_followed(archive: Path, song: Path, tmp_path: Path) -> None:
    rows = [{"path": trick, "title": f"Trick {number}", "artists": [trick], "album": trick} for number, trick in enumerate(TRICKS)]
    report = add(archive, metadata=write_rows(tmp_path / "rows.jsonl", rows))
    assert report.counts["wanted"] == len(TRICKS) and not report.has_damage
    assert statuses(archive) == {"held": 1, "wanted": len(TRICKS)}
    for command in ("build", "publish", "verify"):
        run_fonoteca(command, "--archive", archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "rows.jsonl", "song.ogg"]


def test_metadata_stays_when_the_music_is_added_again_and_null_takes_away(archive: Path, song: Path, tmp_path: Path) -> None:
    rows = [
        {"path": "song.ogg", "title": "Better", "artists": ["A", "B"], "isrcs": ["QZ5AB0000009", "bad"], "plays": 1000, "genres": ["x"]}
    ]
    report = add(archive, metadata=write_rows(tmp_path / "rows.jsonl", rows))
    assert report.finding_counts == {"bad-isrc": 1}
    write_sound(song, "song", title="Song", label="From the file")
    add(archive, song)
    told = show(archive, "Better")
    assert (told["artists"], told["isrcs"], told["popularity"], told["label"]) == (["A", "B"], ["QZ5AB0000009"], 1.0, "From the file")
    add(archive, metadata=write_rows(tmp_path / "rows.jsonl", [{"path": "song.ogg", "label": None, "genres": []}]))
    assert not show(archive, "Better")["label"] and not show(archive, "Better")["genres"]


def test_a_mended_table_takes_its_findings_away(archive: Path, song: Path, tmp_path: Path) -> None:
    table = write_plays(tmp_path, "path,plays\nsong.ogg,many\n")
    run_fonoteca("add", "--plays", table, "--archive", archive, status=3)
    assert run_json("status", "--archive", archive)["findings"] == {"bad-row": 1}
    write_plays(tmp_path, "path,plays\nsong.ogg,5\n")
    run_fonoteca("add", "--plays", table.name, "--archive", archive, cwd=tmp_path)
    assert run_json("status", "--archive", archive)["findings"] == {}


def test_a_table_that_is_not_there_or_no_file_is_wrong_usage(archive: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "missing.csv", tmp_path):
        assert "is no file" in run_fonoteca("add", "--plays", place, "--archive", archive, status=2).stderr
