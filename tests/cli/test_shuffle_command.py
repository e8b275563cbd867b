"""`shuffle` and `missing` as typed: in an archive, on an edition alone, stopped and gone on with, as files for players and tables."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from fonoteca.cli.run import run as run_here
from fonoteca.workflows.archive import init_archive
from generated_music import write_small_files
from made_editions import Shape, write_catalogue

COUNT = 5000
XSPF = "{http://xspf.org/ns/0/}"


def run(*arguments: str | Path, status: int = 0) -> tuple[str, str]:
    """stdout and stderr of one command; it must end with `status` and without a traceback."""
    done = subprocess.run([sys.executable, "-m", "fonoteca", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("editions") / "edition.sqlite3"
    write_catalogue(path, COUNT)
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with six tracks in containers that may be published, and one that is wanted."""
    folder = tmp_path_factory.mktemp("shuffled archive")
    write_small_files(folder / "music", 6)
    (folder / "wanted.jsonl").write_text('{"id": "2222222222222222222222", "title": "Not here\\nyet", "artists": ["Nobody"], "plays": 5}\n')
    init_archive(folder / "archive", "Test")
    run("add", folder / "music", "--rights", "http://artlibre.org/licence/lal/en/", "--archive", folder / "archive")
    run("add", "--metadata", folder / "wanted.jsonl", "--archive", folder / "archive")
    run("build", "--archive", folder / "archive")
    return folder / "archive"


def cursor_in(said: str) -> str:
    found = re.search(r"--resume (\w+)", said)
    assert found, said
    return found[1]


def ids_in(said: str) -> list[str]:
    return [line.split()[0] for line in said.splitlines()]


def test_a_shuffle_in_pieces_is_the_shuffle_in_one(edition: Path) -> None:
    whole, said = run("shuffle", "--edition", edition, "--seed", "x")
    assert len(set(ids_in(whole))) == COUNT and "--resume" not in said
    head, said = run("shuffle", "--edition", edition, "--seed", "x", "--limit", "1234")
    rest, _ = run("shuffle", "--edition", edition, "--resume", cursor_in(said))
    assert head + rest == whole


def test_a_drawn_seed_is_told_and_gives_the_same_again(edition: Path) -> None:
    first, said = run("shuffle", "--edition", edition, "--limit", "5", "--held", "--weighted")
    seed = re.search(r"--seed (\w{22})\n", said)
    assert seed
    assert run("shuffle", "--edition", edition, "--limit", "5", "--held", "--weighted", "--seed", seed[1])[0] == first


def test_ctrl_c_tells_where_to_go_on(edition: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fonoteca", "shuffle", "--edition", str(edition), "--seed", "x"]
    whole = ids_in(run(*command[3:])[0])
    for more in ([], ["--json"]):
        running = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert running.stdout and running.stderr
        head = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        told, said = head + running.stdout.read(), running.stderr.read()
        assert running.wait(60) == 130, said
        found = [track["id"] for track in json.loads(told)["tracks"]] if more else ids_in(told)
        assert 0 < len(found) < COUNT
        assert found + ids_in(run("shuffle", "--edition", edition, "--resume", cursor_in(said))[0]) == whole


def test_a_playlist_stopped_by_ctrl_c_is_well_formed(edition: Path, tmp_path: Path) -> None:
    target = tmp_path / "list.xspf"
    arguments = ["shuffle", "--edition", str(edition), "--seed", "x", "--xspf", str(target)]
    running = subprocess.Popen([sys.executable, "-m", "fonoteca", *arguments], stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not any(path.stat().st_size for path in tmp_path.glob(".fonoteca-*.partial")):
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    tracks = ElementTree.parse(target).getroot().findall(f"{XSPF}trackList/{XSPF}track")
    if running.returncode == 130:
        assert len(tracks) < COUNT and cursor_in(said)
    else:  # it was quicker
        assert len(tracks) == COUNT


def test_playlists_name_files_that_are_there(archive: Path, tmp_path: Path) -> None:
    run("shuffle", "--archive", archive, "--seed", "x", "--m3u", tmp_path / "a.m3u8")
    lines = (tmp_path / "a.m3u8").read_text().splitlines()
    assert lines[0] == "#EXTM3U" and len(lines) == 15
    places = sorted(lines[2::2])
    assert places[-1] == "urn:fonoteca:2222222222222222222222"
    assert all(Path(place).is_file() for place in places[:-1])
    said, _ = run("shuffle", "--archive", archive, "--held", "--xspf", "-")
    tracks = ElementTree.fromstring(said).findall(f"{XSPF}trackList/{XSPF}track")
    uris = [str(track.findtext(f"{XSPF}location")) for track in tracks]
    assert sorted(unquote(uri.removeprefix("file://")) for uri in uris) == places[:-1]


def test_a_base_makes_urls_below_the_release(archive: Path) -> None:
    said, _ = run("shuffle", "--archive", archive, "--held", "--m3u", "-", "--base", "https://music.example/release/")
    places = said.splitlines()[2::2]
    assert len(places) == 6
    for place in places:
        assert place.startswith("https://music.example/release/containers/")
        assert (archive / "containers" / unquote(place.split("/containers/")[1])).is_file()


def test_a_cursor_says_when_the_archive_grew(archive: Path, tmp_path: Path) -> None:
    _, said = run("shuffle", "--archive", archive, "--limit", "2")
    copied = tmp_path / "archive"
    subprocess.run(["cp", "-a", archive, copied], check=True)
    assert len(ids_in(run("shuffle", "--archive", copied, "--resume", cursor_in(said))[0])) == 5
    with sqlite3.connect(copied / "catalogue.sqlite3") as writer:
        writer.execute("INSERT INTO tracks (id, state) VALUES ('3333333333333333333333', 0)")
    _, refused = run("shuffle", "--archive", copied, "--resume", cursor_in(said), status=2)
    assert "7 rows" in refused and "8 rows" in refused and "start anew" in refused


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("shuffle", "--limit", "0"), "--limit 0"),
        (("shuffle", "--m3u", "-", "--xspf", "-"), "two playlists"),
        (("shuffle", "--m3u", "-", "--json"), "two results"),
        (("shuffle", "--resume", "sX", "--seed", "a"), "a cursor has its seed"),
        (("shuffle", "--resume", "nonsense"), "no cursor"),
        (("shuffle", "--year", "abc"), "no number"),
        (("shuffle", "--year", "1999..1990"), "backwards"),
        (("shuffle", "--popularity", ".."), "no end"),
        (("shuffle", "--year", "1999.5"), "no year"),
        (("shuffle", "--status", "gone"), "no status"),
        (("shuffle", "--country", "Sweden"), "no country"),
        (("shuffle", "--isrc", "!"), "ISRC"),
        (("shuffle", "--archive", "x"), "two catalogues"),
        (("shuffle", "--popularity", "101"), "beyond 0 to 100"),
        (("shuffle", "--popularity=-1.."), "beyond 0 to 100"),
        (("shuffle", "--held", "--missing"), "in common"),
        (("shuffle", "--m3u", "-", "--base", "music.example/x"), "no URL"),
        (("shuffle", "--m3u", "-", "--base", "https://music.example/a b"), "no URL"),
        (("shuffle", "--xspf", "-", "--base", "https://music.example/\nx"), "no URL"),
        (("missing", "--limit", "-1"), "-1"),
        (("missing", "--csv", "-", "--json"), "different results"),
        (("missing", "--by", "colour"), "colour"),
    ],
)
def test_what_cannot_be_is_said(edition: Path, arguments: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here([*arguments, "--edition", str(edition)]) == 2
    assert word in capsys.readouterr().err


def test_filters_by_name_year_and_score_choose_the_tracks_they_name(edition: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, condition in (
        (("--artist", "Artist 7"), "artist = 7"),
        (("--year", "1990..1994"), "album IN (SELECT album FROM albums WHERE date BETWEEN '1990' AND '1994')"),
        (("--popularity", "50.."), "popularity >= 50"),
        (("--popularity", "7"), "popularity = 7"),
        (("--missing", "--label", "Label 05"), "state <> 1 AND album IN (SELECT album FROM albums WHERE label = 5)"),
    ):  # fmt: skip
        with sqlite3.connect(edition) as reader:
            expected = sorted(row[0] for row in reader.execute(f"SELECT id FROM tracks WHERE {condition}"))
        assert run_here(["shuffle", "--edition", str(edition), *options]) == 0
        assert expected and sorted(ids_in(capsys.readouterr().out)) == expected


def test_what_is_missing_is_told_written_and_counted(edition: Path, archive: Path, tmp_path: Path) -> None:
    said, _ = run("missing", "--archive", archive)
    assert "7 tracks known, 6 held, 1 missing" in said and "Not here\\nyet" in said
    run("missing", "--edition", edition, "--csv", tmp_path / "wanted.csv")
    with (tmp_path / "wanted.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT - COUNT // 3
    lines, _ = run("missing", "--edition", edition, "--jsonl", "-", "--limit", "3")
    assert [json.loads(line)["id"] for line in lines.splitlines()] == [row["id"] for row in rows[:3]]
    told = json.loads(run("missing", "--edition", edition, "--by", "label", "--json", "--limit", "50")[0])
    assert told["by"] == "label" and sum(row["missing"] for row in told["rows"]) == len(rows)


def test_names_cannot_write_lines_or_controls_of_their_own(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "e", 3, shape=Shape(state=lambda track: 0))
    with sqlite3.connect(tmp_path / "e") as writer:
        writer.execute("UPDATE tracks SET title = 'a' || char(10) || 'b' || char(27) || '[2J' || char(8238)")
    for command in ("shuffle", "missing"):
        said, _ = run(command, "--edition", tmp_path / "e")
        assert "\x1b" not in said and "\u202e" not in said and "a\\nb" in said


@pytest.mark.parametrize("command", ["shuffle --seed x", "missing --csv -", "missing --jsonl -", "missing --by artist --csv -"])
def test_a_reader_that_has_enough_ends_it_quietly(edition: Path, command: str) -> None:
    script = f"{sys.executable} -m fonoteca {command} --edition {edition} | (read; read; read)"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    assert done.stderr == ""


def test_the_command_that_is_told_goes_on_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "it's my $folder"
    folder.mkdir()
    write_catalogue(folder / "an edition", 30)
    whole, _ = run("shuffle", "--edition", folder / "an edition", "--seed", "x")
    head, said = run("shuffle", "--edition", folder / "an edition", "--seed", "x", "--limit", "7")
    options = ("--m3u", folder / "list.m3u8", "--base", "https://music.example/?a&b")
    run("shuffle", "--edition", folder / "an edition", "--seed", "x", "--limit", "7", *options)
    _, said_of_list = run("shuffle", "--edition", folder / "an edition", "--seed", "x", "--limit", "7", *options)

    def go_on(text: str) -> str:
        told = text.split("this goes on: fonoteca ")[1]
        script = f"{sys.executable} -m fonoteca {told}"
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout

    assert head + go_on(said) == whole
    go_on(said_of_list)
    lists = [(folder / name).read_text().splitlines() for name in ("list.m3u8", "list-2.m3u8")]
    assert [len(lines) for lines in lists] == [1 + 2 * 7, 1 + 2 * 23]


def test_held_tracks_whose_files_are_elsewhere_are_left_out_and_told(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive / "catalogue.sqlite3", tmp_path)
    shutil.copy(archive / "archive.toml", tmp_path)
    shutil.copy(archive / "ledger.sqlite3", tmp_path)
    lines, said = run("shuffle", "--archive", tmp_path, "--held", "--m3u", "-")
    assert lines == "#EXTM3U\n" and "6 held tracks left out" in said


def test_a_filter_that_nothing_passes_is_told(edition: Path) -> None:
    for command in (("shuffle",), ("shuffle", "--json"), ("missing",), ("missing", "--csv", "-"), ("missing", "--json")):
        assert "no track passes" in run(*command, "--edition", edition, "--artist", "nobody")[1]
        assert "no track passes" not in run(*command, "--edition", edition, "--artist", "Artist 7")[1]
