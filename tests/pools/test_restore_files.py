"""Files brought back from a folder that stands for a snapshot: what was named, what is good already, what is not right there either."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.workflows.archive import Archive, open_archive
from fonoteca.workflows.pool.opened_snapshot import find_archive_below
from fonoteca.workflows.pool.restore_files import RestoredFiles, names_of, restore_files
from fonoteca.workflows.verify_release import verify_release


@pytest.fixture
def archive(small_archive: Path, tmp_path: Path) -> Iterator[Archive]:
    shutil.copytree(small_archive, tmp_path / "archive", symlinks=True, copy_function=os.link)
    for name in ("catalogue.sqlite3", "ledger.sqlite3"):
        (tmp_path / "archive" / name).unlink()
        shutil.copy(small_archive / name, tmp_path / "archive" / name)
    with open_archive(tmp_path / "archive", "test") as opened:
        yield opened


def bring(archive: Archive, source: Path, wanted: str, into: Path | None = None, *, dry_run: bool = False) -> RestoredFiles:
    return restore_files(archive, source, "tank@monday", wanted, into, Silent(), dry_run=dry_run)


def members(archive: Archive) -> list[str]:
    return sorted(names_of(archive, "Amoebax")) + sorted(names_of(archive, "Backgrounds"))


def spoil(path: Path) -> None:
    """Other bytes under the same name; the file that is linked elsewhere stays."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_albums_tracks_containers_and_paths_name_files(archive: Archive) -> None:
    amoebax, backgrounds = list(names_of(archive, "Amoebax")), list(names_of(archive, "Backgrounds"))
    assert len(amoebax) == len(backgrounds) == 2 and not set(amoebax) & set(backgrounds)
    assert list(names_of(archive, "training")) == [name for name in amoebax if name in names_of(archive, "training")]
    assert list(names_of(archive, amoebax[0])) == list(names_of(archive, str(archive.path / amoebax[0]))) == [amoebax[0]]
    assert list(names_of(archive, Path(amoebax[0]).name)) == [amoebax[0]]
    assert set(amoebax) <= set(names_of(archive, os.path.dirname(amoebax[0])))
    with pytest.raises(NotFoundError):
        list(names_of(archive, "no such song"))


def test_what_is_damaged_or_gone_comes_back_with_its_link_in_the_release(archive: Archive, small_archive: Path) -> None:
    first, second, *_ = members(archive)
    spoil(archive.path / first)
    (archive.path / second).unlink()
    assert {file.name: file.result for file in bring(archive, small_archive, "Amoebax", dry_run=True).files} == {
        first: "planned",
        second: "planned",
    }
    done = bring(archive, small_archive, "Amoebax")
    assert done.is_whole and {file.result for file in done.files} == {"restored"}
    for name in (first, second):
        assert (archive.path / name).read_bytes() == (small_archive / name).read_bytes()
        assert os.path.samefile(archive.path / name, archive.release / name)
    assert {file.result for file in bring(archive, small_archive, "Amoebax").files} == {"good"}
    assert not any(archive.staging.iterdir())
    assert not verify_release(archive.release, Silent()).has_damage


def test_a_copy_that_is_damaged_itself_never_takes_a_place(archive: Archive, small_archive: Path, tmp_path: Path) -> None:
    first, second, *_ = members(archive)
    snapshot = tmp_path / "snapshot"
    shutil.copytree(small_archive, snapshot)
    os.chmod(snapshot / first, 0o644)
    spoil(snapshot / first)
    (snapshot / second).unlink()
    good = (archive.path / first).read_bytes()
    (archive.path / first).unlink()
    (archive.path / second).unlink()
    found = bring(archive, snapshot, "Amoebax")
    assert {file.name: file.result for file in found.files} == {first: "damaged", second: "absent"} and not found.is_whole
    assert not (archive.path / first).exists() and good


def test_files_beside_are_never_written_over(archive: Archive, small_archive: Path, tmp_path: Path) -> None:
    first = members(archive)[0]
    assert [file.result for file in bring(archive, small_archive, first, tmp_path / "out").files] == ["restored"]
    assert [file.result for file in bring(archive, small_archive, first, tmp_path / "out").files] == ["good"]
    os.chmod(tmp_path / "out" / first, 0o644)
    (tmp_path / "out" / first).write_text("mine")
    assert [file.result for file in bring(archive, small_archive, first, tmp_path / "out").files] == ["in-the-way"]
    assert (tmp_path / "out" / first).read_text() == "mine"


def test_what_nobody_recorded_comes_back_beside_only(archive: Archive, small_archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nobody recorded"):
        bring(archive, small_archive, "archive.toml")
    assert [file.result for file in bring(archive, small_archive, "archive.toml", tmp_path / "out").files] == ["restored"]
    assert [file.result for file in bring(archive, small_archive, "ledger.sqlite3", tmp_path / "out").files] == ["restored"]


def test_a_folder_is_every_file_that_it_has_in_the_snapshot(archive: Archive, small_archive: Path, tmp_path: Path) -> None:
    shutil.rmtree(archive.release)
    beside = bring(archive, small_archive, "release", tmp_path / "out")
    assert beside.is_whole and len(beside.files) > 4
    assert {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        file.name for file in beside.files
    }
    first = members(archive)[0]
    (archive.path / first).unlink()
    back = bring(archive, small_archive, "containers/")
    assert back.is_whole and {file.name: file.result for file in back.files}[first] == "restored"
    (tmp_path / "bare" / "empty").mkdir(parents=True)
    with pytest.raises(NotFoundError, match="no file in empty"):
        bring(archive, tmp_path / "bare", "empty", tmp_path / "out")


def test_in_a_folder_what_nobody_recorded_is_left_out_and_told(archive: Archive, small_archive: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    shutil.copytree(small_archive, snapshot)
    (snapshot / "containers" / "notes.txt").write_text("mine")
    told = {file.name: file.result for file in bring(archive, snapshot, "containers").files}
    assert told.pop("containers/notes.txt") == "unrecorded" and set(told.values()) == {"good"}
    assert not (archive.path / "containers" / "notes.txt").exists()


def test_the_archive_is_found_where_it_lay_or_at_the_top(small_archive: Path, tmp_path: Path) -> None:
    assert find_archive_below(small_archive.parent, Path("archive")) == small_archive.parent / "archive"
    assert find_archive_below(small_archive, Path("store/archive")) == small_archive
    with pytest.raises(NotFoundError, match="holds no archive"):
        find_archive_below(tmp_path, Path("archive"))
