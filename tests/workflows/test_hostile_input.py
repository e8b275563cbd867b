"""Broken and hostile files, folders and names: each is told under its code, none stops the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import mutagen.id3
import pytest
from codec_files import id3_bytes
from commands import environment, fonoteca_command, run_fonoteca, run_json, tree_digest
from hostile_files import HOSTILE_NAMES, broken_files, good_file, odd_files, write_good_files, write_hostile_names

from fonoteca.ground.findings import FINDING_KINDS
from fonoteca.ground.progress import Silent
from fonoteca.workflows import ingest
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.get import get_track
from fonoteca.workflows.lookup import show_track


def codes_by_name(report: dict) -> dict[str, set[str]]:
    """File name → codes, of the findings that set aside."""
    found: dict[str, set[str]] = {}
    for finding in report["findings"]:
        if FINDING_KINDS[finding["code"]].weight != "note":
            found.setdefault(os.path.basename(finding["path"]), set()).add(finding["code"])
    return found


def track_counts(archive: Path) -> dict[str, int]:
    return run_json("status", "--archive", archive)["tracks"]


def test_every_broken_file_is_set_aside_with_its_code_and_the_good_ones_beside_it_are_in(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_good_files(folder, 8)
    broken, odd = broken_files(), odd_files()
    for name, data in odd.items():
        (folder / name).write_bytes(data)
    for name, (data, _) in broken.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.ogg")
    os.symlink("missing.ogg", folder / "dangling.ogg")
    os.symlink("loop.ogg", folder / "loop.ogg")
    os.symlink(".", folder / "around")
    os.symlink("/dev/zero", folder / "device.wav")
    report = run_json("add", folder, "--archive", archive, status=3)
    told = codes_by_name(report)
    for name, (_, expected) in broken.items():
        assert told.pop(name, set()) & expected, f"{name} was not told as one of {expected}"
    assert told == {
        "pipe.ogg": {"unreadable-file"}, "dangling.ogg": {"dangling-link"}, "loop.ogg": {"link-loop"}, "around": {"link-loop"},
        "device.wav": {"unreadable-file"},
    }  # fmt: skip
    assert report["counts"]["kept"] == 8 + len(odd)
    assert track_counts(archive) == {"held": 8 + len(odd), "unreadable": len(broken)}
    run_fonoteca("build", "--archive", archive)
    assert run_json("verify", "--archive", archive)["listed"] == []


def test_what_is_set_aside_is_told_with_code_reason_and_way_out_again_and_again(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    path.write_bytes(good_file("flac")[:-5000])
    first = run_fonoteca("add", path, "--archive", archive, status=3).stdout
    assert f"truncated: {path}: the last frame" in first and FINDING_KINDS["truncated"].way_out in first
    second = run_json("add", path, "--archive", archive, status=3)
    assert second["counts"] == {"read": 1, "set-aside": 1} and [one["code"] for one in second["findings"]] == ["truncated"]
    shown = run_json("show", str(path), "--archive", archive)
    assert shown["status"] == "unreadable" and "CRC" in shown["status_reason"]


def test_chained_and_multiplexed_ogg_are_kept_as_they_came(archive: Path, tmp_path: Path) -> None:
    files = {name: data for name, data in odd_files().items() if name in ("chained.ogg", "multiplexed.ogg")}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    report = run_json("add", *(tmp_path / name for name in files), "--rights", "CC0-1.0", "--archive", archive)
    assert report["finding_counts"] == {"chained-stream": 1, "multiplexed-stream": 1}
    assert run_json("build", "--archive", archive)["members"] == {"copy": 2}
    for name, data in files.items():
        run_fonoteca("get", str(tmp_path / name), "-o", tmp_path / "out.ogg", "--archive", archive)
        assert (tmp_path / "out.ogg").read_bytes() == data
        (tmp_path / "out.ogg").unlink()


def test_odd_files_come_back_byte_for_byte_after_a_build(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for name, data in odd_files().items():
        (folder / name).write_bytes(data)
    run_fonoteca("add", folder, "--rights", "CC BY 4.0", "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    with open_archive(archive, "test", read_only=True) as opened:
        for name, data in odd_files().items():
            restored = get_track(opened, str(folder / name), tmp_path / f"original of {name}", original=True)
            assert restored.read_bytes() == data, name


def test_no_name_of_a_file_is_too_odd_to_add_build_publish_and_find(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    paths = write_hostile_names(folder)
    report = run_json("add", folder, "--rights", "CC0-1.0", "--archive", archive)
    assert report["counts"]["kept"] == len(HOSTILE_NAMES)
    for command in ("build", "publish", "verify"):
        run_fonoteca(command, "--archive", archive)
    assert run_json("status", "--archive", archive)["publishable"] == len(HOSTILE_NAMES)
    with open_archive(archive, "test", read_only=True) as opened:
        for number, path in enumerate(paths):
            assert show_track(opened, os.fsdecode(path))["title"] == f"Name {number}"
    by_bytes = subprocess.run(
        [*map(os.fsencode, fonoteca_command("show", "--json", "--archive", archive)), paths[2]],
        capture_output=True,
        env=environment(),
        check=True,
    )
    assert json.loads(by_bytes.stdout)["title"] == "Name 2"


def test_a_name_with_a_newline_or_escapes_cannot_write_lines_of_its_own(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "a\n0 x truncated: all is well\x1b[2J.ogg").write_bytes(b"no music")
    told = run_fonoteca("add", tmp_path, "--archive", archive, status=3).stdout
    assert "\x1b" not in told and "\n0 x truncated" not in told


def test_a_file_with_a_long_name_can_have_rights_though_it_can_have_no_sidecar(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / ("a" * 251 + ".ogg")
    path.write_bytes(good_file("vorbis"))
    run_fonoteca("add", path, "--rights", "CC0-1.0", "--archive", archive)
    assert run_json("status", "--archive", archive)["publishable"] == 1


def limited(*arguments: str | Path) -> list[str]:
    """A command without root's right to read everything; the same for anybody else."""
    drop = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--inh-caps={drop}", f"--bounding-set={drop}"] if os.geteuid() == 0 else []
    return [*prefix, *fonoteca_command(*arguments)]


def test_unreadable_files_and_folders_are_told_and_the_rest_goes_on(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "listed only" / "inner").mkdir(parents=True)
    write_good_files(folder, 3)
    write_good_files(folder / "closed", 1, seed=1)
    write_good_files(folder / "listed only", 1, seed=2)
    (folder / "good-0-000.ogg").chmod(0)
    (folder / "closed").chmod(0)
    (folder / "listed only").chmod(0o400)
    try:
        done = subprocess.run(
            limited("add", folder, "--json", "--archive", archive), capture_output=True, text=True, env=environment(), check=False
        )
    finally:
        for name in ("closed", "listed only"):
            (folder / name).chmod(0o700)
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert codes_by_name(report) == {name: {"unreadable-file"} for name in ("good-0-000.ogg", "closed", "inner", "good-2-000.ogg")}
    assert report["counts"]["kept"] == 2


def test_an_archive_without_the_right_to_write_is_one_clear_error(archive: Path, music_minute: Path) -> None:
    archive.chmod(0o500)
    for path in archive.iterdir():
        path.chmod(0o500 if path.is_dir() else 0o400)
    done = subprocess.run(
        limited("add", music_minute, "--archive", archive), capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 1 and done.stderr.startswith("fonoteca: ") and "Traceback" not in done.stderr


def test_links_to_the_same_folder_are_walked_and_noted_as_duplicates(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    (folder / "album").mkdir(parents=True)
    write_good_files(folder / "album", 2)
    os.symlink("album", folder / "best of")
    os.symlink("../..", folder / "album" / "up")
    report = run_json("add", folder, "--archive", archive, status=3)
    assert (report["counts"]["kept"], report["counts"]["duplicate"]) == (2, 2)
    assert report["finding_counts"] == {"duplicate-file": 2, "link-loop": 2}


@pytest.mark.parametrize("target", ["/missing/disk/music", "nothing"])
def test_a_link_to_a_folder_that_is_not_there_is_told(target: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    os.symlink(target, tmp_path / "music" / "Vol. 2")
    os.symlink(target, tmp_path / "music" / "cover.jpg")
    assert codes_by_name(run_json("add", tmp_path / "music", "--archive", archive, status=3)) == {"Vol. 2": {"dangling-link"}}


def test_a_file_that_changes_while_it_is_read_is_told_and_taken_when_it_rests(archive: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "growing.wav", good_file("wav")
    path.write_bytes(data * 40)
    is_done = threading.Event()

    def write_on() -> None:
        while not is_done.is_set():
            with open(path, "r+b") as file:
                file.write(os.urandom(4))
            time.sleep(0.0005)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        report = run_json("add", path, "--archive", archive, status=3)
    finally:
        is_done.set()
        writer.join()
    assert codes_by_name(report) == {"growing.wav": {"changed-while-read"}} or "changed-while-read" in report["finding_counts"]
    path.write_bytes(data)
    assert run_json("add", path, "--archive", archive)["counts"]["kept"] == 1
    assert track_counts(archive) == {"held": 1}


def _probe_or_die(work: ingest.Work) -> object:
    """The probe of a worker whose decoder crashes on one file, every time."""
    if b"crash" in os.path.basename(work.file.path):
        os.kill(os.getpid(), signal.SIGKILL)
    return ingest.probe_file(Path(os.fsdecode(work.file.path)), decode=work.decode)


def test_a_file_that_crashes_the_decoder_breaks_only_itself(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    write_good_files(folder, 24)
    (folder / "good-0-005-crash.ogg").write_bytes(good_file("vorbis"))
    monkeypatch.setattr(ingest, "_probe", _probe_or_die)
    with open_archive(archive, "add") as opened:
        report = ingest.add_files(opened, [folder], ingest.AddOptions(), Silent())
    assert report.counts["kept"] == 24 and report.counts["set-aside"] == 1
    assert [(finding.code, os.path.basename(finding.path)) for finding in report.findings] == [("corrupt", "good-0-005-crash.ogg")]


def test_a_worker_that_is_killed_by_somebody_loses_no_file(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    write_good_files(folder, 400)
    running = subprocess.Popen(fonoteca_command("add", folder, "--archive", archive), env=environment(), stdout=subprocess.PIPE, text=True)
    killed = 0
    while running.poll() is None and not killed:
        for worker in workers_of(running.pid):
            try:
                os.kill(worker, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed += 1
            break
        time.sleep(0.05)
    said = running.communicate(timeout=120)[0]
    assert killed, "no worker was seen"
    assert running.returncode == 0, said
    assert track_counts(archive) == {"held": 400}


def workers_of(process: int) -> list[int]:
    """Worker processes: the children of the fork server, which is a child of `process`; never `process` itself."""

    def children(parent: int) -> list[int]:
        try:
            return [int(word) for word in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        except OSError:
            return []

    return [worker for server in children(process) for worker in children(server)]


def test_a_title_of_twenty_megabytes_costs_its_tags_and_not_the_run(archive: Path, tmp_path: Path) -> None:
    tag = mutagen.id3.ID3()
    tag.add(mutagen.id3.TIT2(encoding=3, text="x" * (20 << 20)))
    (tmp_path / "wordy.mp3").write_bytes(id3_bytes(tag) + good_file("mp3"))
    write_good_files(tmp_path, 2)
    report = run_json("add", tmp_path, "--archive", archive)
    assert report["counts"]["kept"] == 3
    assert "bad-tags" in report["finding_counts"]


def test_add_never_touches_a_source(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    write_good_files(folder, 4)
    (folder / "bad.flac").write_bytes(b"fLaC")
    before, times = tree_digest(folder), {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    run_fonoteca("add", folder, "--keep-originals", "--archive", archive, status=3)
    run_fonoteca("build", "--archive", archive)
    assert tree_digest(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
