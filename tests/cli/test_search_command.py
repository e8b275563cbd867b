"""`search` as typed: in an archive and on an edition alone, as a table, as JSON and as JSON lines."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from fonoteca.catalogue import Catalogue, TrackRecord, track_id_of, write_edition
from fonoteca.cli.name_table import cell_width, fit_cell
from fonoteca.cli.run import run as run_command
from fonoteca.workflows.archive import init_archive

TRACKS = [
    ("東京事変", "群青日和", 61.0), ("Queen", "Bohemian Rhapsody", 90.0), ("Queen", "Bohemian Rhapsody - Live", 40.0),
    ("evil\u202e\x1b[31m", "two\nlines", 10.0), ("-minus", "--double", None),
]  # fmt: skip


def run(*arguments: str | Path, status: int = 0) -> tuple[str, str]:
    """stdout and stderr of one command, which must end with `status`."""
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        done = run_command(["search", *map(str, arguments)])
    assert done == status, f"{arguments}: exit {done}\n{said.getvalue()}\n{told.getvalue()}"
    return said.getvalue(), told.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of five known tracks, with its edition beside it as edition.sqlite3."""
    folder = tmp_path_factory.mktemp("searched") / "archive"
    init_archive(folder, "Test")
    with Catalogue.open(folder / "catalogue.sqlite3") as catalogue:
        for number, (artist, title, popularity) in enumerate(TRACKS):
            catalogue.put_track(
                TrackRecord(id=track_id_of(f"{number:032x}" + "0" * 32), title=title, artists=(artist,), popularity=popularity)
            )
        write_edition(catalogue, folder / "edition.sqlite3", title="t", date="2026-01-01")
    return folder


@pytest.mark.parametrize("place", ["--archive", "--edition"])
def test_words_find_tracks_in_an_archive_and_in_an_edition(archive: Path, place: str) -> None:
    where = (place, archive if place == "--archive" else archive / "edition.sqlite3")
    said, told = run("rhapsody", "bohem", *where)
    assert [line.split("  ")[0] for line in said.splitlines()] == ["title", "Bohemian Rhapsody", "Bohemian Rhapsody - Live"]
    assert told == ""
    assert [json.loads(line)["title"] for line in run("京", "--jsonl", *where)[0].splitlines()] == ["群青日和"]
    result = json.loads(run("bohemain", "-live", "--json", *where)[0])
    assert result["shown_for"] == "bohemian" and [found["title"] for found in result["found"]] == ["Bohemian Rhapsody"]
    assert "results for: bohemian" in run("bohemain", *where)[1]
    assert run("bohemain", "--exact", *where) == ("", "fonoteca: nothing was found\n")
    assert json.loads(run("queen", "--artists", "--jsonl", *where)[0])["name"] == "Queen"


def test_pages_follow_each_other(archive: Path) -> None:
    first, told = run("queen", "--limit", "1", "--jsonl", "--archive", archive)
    cursor = told.split("--after ")[1].strip()
    second, end = run("queen", "--limit", "1", "--jsonl", "--after", cursor, "--archive", archive)
    assert [json.loads(line)["popularity"] for line in (first + second).splitlines()] == [90.0, 40.0] and end == ""
    assert "another query" in run("rhapsody", "--after", cursor, "--archive", archive, status=2)[1]


def test_filters_are_options_too(archive: Path) -> None:
    assert len(run("--popularity", "50..", "--jsonl", "--archive", archive)[0].splitlines()) == 2
    assert len(run("--artist", "queen", "bohemian", "--popularity", "..50", "--jsonl", "--archive", archive)[0].splitlines()) == 1


def test_names_cannot_write_lines_or_colours_of_their_own(archive: Path) -> None:
    said, _ = run("evil", "--archive", archive)
    assert "\x1b" not in said and "\u202e" not in said and len(said.splitlines()) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--jsno", "x"), ("x", "--limit", "0"), ("x", "--time-limit", "0"), ("x", "--time-limit", "nan"), ("x", "--artists", "--albums"),
        ("x", "--json", "--jsonl"), ("--year", "soon"), ("--status", "lost"), ("x", "--after", "y"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(archive: Path, arguments: tuple[str, ...]) -> None:
    run(*arguments, "--archive", archive, status=2)


@pytest.mark.parametrize("query", ["'; DROP TABLE tracks; --", 'a "b (c* ^d OR', "\udcff\udcfe", "-", "-queen", "\u202e", "NEAR(a b)", " "])
def test_any_words_are_a_query(archive: Path, query: str) -> None:
    run(query, "--archive", archive)


def test_a_page_is_no_dump_of_the_whole(archive: Path) -> None:
    assert "--after" in run("--limit", "10001", "--archive", archive, status=2)[1]
    assert len(run("--limit", "10000", "--jsonl", "--archive", archive)[0].splitlines()) == len(TRACKS)


def test_a_long_name_does_not_widen_every_line(archive: Path, tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        for number, title in enumerate(("long " + "x" * 100_000, "long")):
            catalogue.put_track(TrackRecord(id=track_id_of(f"{number + 1:032x}" + "0" * 32), title=title, artists=("y" * 201,)))
        write_edition(catalogue, tmp_path / "e.sqlite3", title="t", date="2026-01-01")
    said, _ = run("long", "--edition", tmp_path / "e.sqlite3")
    assert max(map(len, said.splitlines())) < 500 and said.count("…") == 3 and "x" * 190 in said


def test_cells_have_the_width_that_terminals_give_them() -> None:
    assert [cell_width(text) for text in ("abc", "東京", "e\u0301", "한글", "\u200d")] == [3, 4, 1, 4, 0]
    assert fit_cell("東京事変", 5) == "東京…" and fit_cell("東京事変", 6) == "東京… " and fit_cell("abc", 5, to_right=True) == "  abc"
