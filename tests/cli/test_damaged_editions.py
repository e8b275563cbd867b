"""Commands on an edition that is damaged: words and an exit status, never a traceback; verify finds what can be found."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import apsw
import pytest

from fonoteca.catalogue import AlbumRecord, ArtistRecord, Catalogue, TrackRecord, track_id_of, write_edition
from fonoteca.cli.run import run as run_command

PAGE = 4096
READING = [
    ["search", "song"], ["search", ""], ["search", "--artists", "zoe"], ["search", "--albums", "cafe"], ["show", "Song 3"],
    ["show", "Café"], ["show", "USRC10000003"], ["shuffle", "--seed", "1"], ["missing"], ["stats"],
]  # fmt: skip


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with Catalogue.create(folder / "c.sqlite3") as catalogue:
        for number in range(12):
            catalogue.put_track(
                TrackRecord(id=track_id_of(f"{(number + 1) << 200:064x}"), title=f"Song {number}", artists=("Zoë", "Ana"), album="Café",
                            isrcs=(f"USRC1{number:07d}",), popularity=float(number), status="held" if number % 2 else "wanted")
            )  # fmt: skip
        catalogue.put_artist(ArtistRecord(name="Zoë", aliases=("Zo",)))
        catalogue.put_album(AlbumRecord(title="Silent", artists=("Zoë",), date="1999"))
        write_edition(catalogue, folder / "e.sqlite3", title="t", date="2026-01-01")
    return folder / "e.sqlite3"


def run(*arguments: str) -> tuple[int, str, str]:
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        status = run_command(list(arguments))
    return status, said.getvalue(), told.getvalue()


def changed(edition: Path, path: Path, sql: str) -> Path:
    """A copy of an edition after some SQL."""
    shutil.copy(edition, path)
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON; " + sql)
    connection.close()
    return path


@pytest.mark.parametrize(
    ("sql", "command"),
    [
        ("UPDATE tracks SET title = CAST(x'ff' AS TEXT)", ["search", "song"]),
        ("UPDATE tracks SET title = CAST(x'ff' AS TEXT)", ["shuffle"]),
        ("UPDATE tracks SET title = CAST(x'ff' AS TEXT)", ["missing"]),
        ("UPDATE albums SET title = CAST(x'ff' AS TEXT)", ["show", "Café"]),
        ("UPDATE artist_aliases SET alias = CAST(x'ff' AS TEXT)", ["search", "--artists", "zoe"]),
        ("UPDATE statistics SET name = CAST(x'ff' AS TEXT)", ["stats"]), ("DROP TABLE statistics; CREATE TABLE statistics (x)", ["stats"]),
        ("UPDATE edition SET value = CAST(x'ff' AS TEXT)", ["stats"]),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_are_told_as_damage(edition: Path, tmp_path: Path, sql: str, command: list[str]) -> None:
    damaged = changed(edition, tmp_path / "e.sqlite3", sql)
    status, _, told = run(*command, "--edition", str(damaged))
    assert status == 1 and str(damaged) in told and "\n  " in told, told
    assert ("damaged" in told and "fonoteca verify" in told) or "integrity_check" in told or "Check it" in told


def test_no_page_that_is_lost_or_in_another_place_makes_a_traceback(edition: Path, tmp_path: Path) -> None:
    whole, path = edition.read_bytes(), tmp_path / "e.sqlite3"
    pages = len(whole) // PAGE
    for page in range(1, pages):
        content = bytearray(whole)
        other = page * 7 % (pages - 1) + 1 if page % 2 else 0
        content[page * PAGE : (page + 1) * PAGE] = whole[other * PAGE : (other + 1) * PAGE] if other else bytes(PAGE)
        path.write_bytes(content)
        for place in range(3):
            command = READING[(page * 3 + place) % len(READING)]
            status, _, told = run(*command, "--edition", str(path))
            assert status in (0, 1) and (status == 0 or told.startswith("fonoteca: ")), (page, command, told)


def test_tables_and_deltas_are_not_made_of_a_damaged_edition(edition: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "e.sqlite3"
    content = bytearray(edition.read_bytes())
    with apsw.Connection(str(edition), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'artists'").fetchone()[0]
    content[(root - 1) * PAGE : root * PAGE] = bytes(PAGE)
    damaged.write_bytes(content)
    for command in (
        ["diff", str(edition), str(damaged), "--output", str(tmp_path / "d.zst")],
        ["diff", str(damaged), str(edition), "--output", str(tmp_path / "d.zst")],
        ["parquet", str(damaged), str(tmp_path / "tables")],
    ):
        status, _, told = run("catalogue", *command)
        assert status == 1 and str(damaged) in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.sqlite3"]


def test_a_folder_that_is_not_there_is_wrong_usage(edition: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    for command in (
        ["diff", str(edition), str(edition), "--output", str(missing / "d.zst")],
        ["apply", str(edition), str(tmp_path / "d.zst"), "--output", str(missing / "e.sqlite3")],
        ["parquet", str(edition), str(missing / "tables")],
    ):
        status, _, told = run("catalogue", *command)
        assert status == 2 and f"there is no folder {missing}" in told
    assert not missing.exists()


@pytest.mark.parametrize("has_list", [True, False])
def test_verify_proves_an_edition_alone(edition: Path, tmp_path: Path, has_list: bool) -> None:
    path = Path(shutil.copy(edition, tmp_path / "catalogue.sqlite3"))
    if has_list:
        sums = f"{'0' * 64}  other\n{hashlib.sha256(path.read_bytes()).hexdigest()}  catalogue.sqlite3\n"
        (tmp_path / "SHA256SUMS").write_text(sums)
    status, said, _ = run("verify", str(path), "--json")
    told: dict[str, Any] = json.loads(said)
    assert (status, told["what"], told["files"], told["bytes"], told["listed"]) == (0, "edition", 1, path.stat().st_size, [])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Song 3", b"Song 4"))
    status, said, _ = run("verify", str(path), "--json")
    assert ([finding["code"] for finding in json.loads(said)["listed"]][:1] == ["changed"]) == has_list == (status == 3)
    path.write_bytes(content[: PAGE * 5] + bytes(PAGE) + content[PAGE * 6 :])
    assert run("verify", str(path))[0] == 3
    path.write_bytes(content[:-1])
    status, said, _ = run("verify", str(path))
    assert status == 3 and "not whole" in said


def test_verify_of_a_catalogue_in_an_archive_names_the_archive(tmp_path: Path) -> None:
    assert run("init", str(tmp_path / "archive"))[0] == 0
    status, _, told = run("verify", str(tmp_path / "archive" / "catalogue.sqlite3"))
    assert status == 2 and "belongs to the archive" in told
