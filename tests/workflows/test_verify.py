"""What verify finds, in releases, archives, containers and folders of containers: everything, by name, never only the first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import copy_archive, environment, fonoteca_command, run_fonoteca, run_json, set_settings

from fonoteca.containers import parse_aacid
from fonoteca.ground.finding_list import FindingList
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Silent
from fonoteca.workflows.verify_container import verify_container, verify_containers


def members(release: Path) -> list[Path]:
    """Members of data folders, largest folder first."""
    folders = sorted((release / "containers").glob("*_files__*"), key=lambda folder: (folder.is_dir(), len(list(release.rglob("*")))))
    return sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())


def metadata_files(release: Path) -> list[Path]:
    return sorted((release / "containers").glob("*.jsonl.seekable.zst"))


def rewrite(path: Path, content: bytes) -> None:
    """New bytes under a name, without touching those that share its inode."""
    path.unlink()
    path.write_bytes(content)


def flip(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x20
    rewrite(path, bytes(content))


def findings(told: dict[str, Any]) -> set[tuple[str, str]]:
    """(code, file name) of each."""
    return {(finding["code"], Path(finding["path"]).name) for finding in told["listed"]}


def damage(member: Path, how: str, other: Path) -> str:
    """Damage a member in one way; gives the code that must be found."""
    if how == "missing":
        member.unlink()
    elif how == "extra":
        (member.parent / "aacid__intruder").write_bytes(b"x")
    elif how == "changed":
        flip(member)
    elif how == "truncated":
        rewrite(member, member.read_bytes()[:-1])
    elif how == "zero-length":
        rewrite(member, b"")
    elif how == "swapped":
        mine, theirs = member.read_bytes(), other.read_bytes()
        rewrite(member, theirs)
        rewrite(other, mine)
    return {"truncated": "wrong-size", "zero-length": "wrong-size", "swapped": "wrong-size"}.get(how, how)


WAYS = ("missing", "extra", "changed", "truncated", "zero-length", "swapped")


@pytest.fixture
def release(built_minute: Path, tmp_path: Path) -> Path:
    """A release as a stranger has it: alone, without its archive."""
    return Path(shutil.copytree(built_minute / "release", tmp_path / "release"))


@pytest.mark.parametrize(
    ("what", "how"),
    [*((what, how) for what in ("release", "archive") for how in WAYS),
     *((what, how) for what in ("containers", "container") for how in ("missing", "extra", "swapped"))],
)  # fmt: skip
def test_damage_of_a_member_is_found_and_named(published: Path, tmp_path: Path, what: str, how: str) -> None:
    if what == "release":
        top = place = Path(shutil.copytree(published / "release", tmp_path / "release"))
    else:
        top = place = published
    pair = [path for path in members(place) if path.parent == members(place)[0].parent]
    member, other = pair[0], pair[-1]
    assert member != other
    code = damage(member, how, other)
    target = {"release": top, "archive": top, "containers": member.parent.parent, "container": member.parent}[what]
    told = run_json("verify", target, status=3)
    assert told["what"] == what
    named = {finding["path"]: finding for finding in told["listed"]}
    if how == "extra":
        assert named[str(member.parent / "aacid__intruder")]["code"] == "extra"
        return
    for path in (member, other) if how == "swapped" else (member,):
        finding = named[str(path)]
        assert finding["code"] == code
        assert finding["container"] == path.parent.name
        assert finding["track"] == parse_aacid(path.name).id
    assert len(named) == (2 if how == "swapped" else 1)


@pytest.mark.parametrize("what", ["release", "archive"])
def test_everything_that_is_wrong_is_found_in_one_run(published: Path, tmp_path: Path, what: str) -> None:
    top = Path(shutil.copytree(published / "release", tmp_path / "release")) if what == "release" else published
    lists = top if what == "release" else top / "release"
    first, second, *rest = members(top)
    flip(first)
    second.unlink()
    third = metadata_files(top)[0]
    flip(third)
    fourth = sorted((lists / "torrents").iterdir())[-1]
    flip(fourth, 0.1)
    flip(lists / "index.html")
    (lists / "containers" / "what is this").write_text("?")
    told = run_json("verify", top, status=3)
    expected = {("changed", first.name), ("missing", second.name), ("changed", third.name), ("changed", fourth.name),
                ("changed", "index.html"), ("extra", "what is this")}  # fmt: skip
    assert expected <= findings(told)
    words = run_fonoteca("verify", top, status=3).stdout
    for _, name in expected:
        assert name in words
    assert "damage was found" in words
    assert told["files"] >= len(rest)


@pytest.mark.parametrize("name", ["SHA256SUMS.minisig", "SHA256SUMS.sig", "release.json.minisig", "release.json.sig"])
@pytest.mark.parametrize("how", ["removed", "changed", "foreign"])
def test_each_signature_matters(release: Path, tmp_path: Path, name: str, how: str) -> None:
    signature = release / name
    if how == "removed":
        signature.unlink()
    elif how == "changed":
        content = signature.read_text().splitlines()
        content[1] = content[1][:-20] + ("A" if content[1][-20] != "A" else "B") + content[1][-19:]
        signature.write_text("\n".join(content) + "\n")
    else:
        run_fonoteca("init", tmp_path / "other")
        from fonoteca.integrity import load_key, sign_file

        other = sign_file(load_key(tmp_path / "other" / "signing" / "release.key"), release / name.rpartition(".")[0], serial=1)
        assert other.minisig
    told = run_json("verify", release, status=3)
    assert "bad-signature" in told["counts"]


def test_a_release_signed_anew_by_a_stranger_is_found_where_the_key_is_given(release: Path, built_minute: Path, tmp_path: Path) -> None:
    run_fonoteca("init", tmp_path / "other")
    from fonoteca.integrity import load_key, sign_file

    key = load_key(tmp_path / "other" / "signing" / "release.key")
    (release / "minisign.pub").write_text(key.public.minisign_file)
    lines = (release / "SHA256SUMS").read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not line.endswith(b"  minisign.pub\n")]
    import hashlib

    digest = hashlib.sha256((release / "minisign.pub").read_bytes()).hexdigest()
    kept.append(f"{digest}  minisign.pub\n".encode())
    (release / "SHA256SUMS").write_bytes(b"".join(sorted(kept, key=lambda line: line[66:])))
    for name in ("SHA256SUMS", "release.json"):
        sign_file(key, release / name, serial=1)
    told = run_json("verify", release)
    assert "compare its fingerprint" in told["facts"][0]
    told = run_json("verify", release, "--key", built_minute / "release" / "minisign.pub", status=3)
    assert told["counts"] == {"bad-signature": 1}


@pytest.mark.parametrize("how", ["a line changed", "a line gone", "garbage", "a path out of the folder", "gone"])
def test_a_damaged_list_of_checksums_is_found(release: Path, how: str) -> None:
    sums = release / "SHA256SUMS"
    lines = sums.read_bytes().splitlines(keepends=True)
    if how == "a line changed":
        lines[3] = b"0" * 64 + lines[3][64:]
    elif how == "a line gone":
        del lines[3]
    elif how == "garbage":
        lines[3] = b"\x00\xff nothing\n"
    elif how == "a path out of the folder":
        lines[3] = b"0" * 64 + b"  ../../etc/passwd\n"
    sums.write_bytes(b"".join(lines))
    if how == "gone":
        sums.unlink()
    codes = run_json("verify", release, status=3)["counts"]
    assert "bad-signature" in codes
    also = {"a line changed": "changed", "a line gone": "extra", "garbage": "bad-list", "a path out of the folder": "bad-list",
            "gone": "missing"}[how]  # fmt: skip
    assert also in codes


def test_a_damaged_torrent_puts_no_blame_on_the_files_that_it_describes(release: Path) -> None:
    torrent = next(path for path in sorted((release / "torrents").iterdir()) if "_data__" in path.name)
    content = torrent.read_bytes()
    size = max(member.stat().st_size for member in (release / "containers" / torrent.stem).iterdir())
    assert f"6:lengthi{size}e".encode() in content
    torrent.write_bytes(content.replace(f"6:lengthi{size}e".encode(), f"6:lengthi{size - 1}e".encode()))
    told = run_json("verify", release, status=3)
    assert Counter(finding["code"] for finding in told["listed"]) == {"changed": 1, "bad-torrent": 1}
    assert told["listed"][0]["container"] == torrent.stem


def test_a_cut_metadata_file_is_too_short_and_named(release: Path) -> None:
    metadata = metadata_files(release)[-1]
    rewrite(metadata, metadata.read_bytes()[:-10])
    told = run_json("verify", release, status=3)
    assert [(finding["code"], finding["container"]) for finding in told["listed"]] == [("wrong-size", metadata.name)]


@pytest.mark.parametrize("damaging", [flip, lambda path: rewrite(path, path.read_bytes()[:30]), lambda path: rewrite(path, b"")])
def test_a_container_with_a_damaged_metadata_file_has_findings_and_no_traceback(published: Path, damaging: Callable[[Path], None]) -> None:
    metadata = next(path for path in metadata_files(published) if "original_files" in path.name)
    damaging(metadata)
    told = run_json("verify", published / "containers", status=3)
    assert metadata.name in {finding.get("container") for finding in told["listed"]} | {Path(f["path"]).name for f in told["listed"]}


def test_a_data_folder_without_its_metadata_is_found_among_the_containers(published: Path) -> None:
    metadata = next(path for path in metadata_files(published) if "original_files" in path.name)
    metadata.unlink()
    told = run_json("verify", published / "containers", status=3)
    assert [finding["code"] for finding in told["listed"]] == ["missing"]
    assert "_data__" in told["listed"][0]["path"]


def test_an_old_release_cannot_pass_for_a_new_one(published: Path, tmp_path: Path) -> None:
    old = shutil.copytree(published / "release", tmp_path / "old")
    set_settings(published, trackers='["udp://tracker.example:6969"]')
    assert run_json("publish", "--archive", published)["serial"] == 2
    assert run_json("verify", old)["counts"] == {}
    told = run_json("verify", old, "--serial", "2", status=3)
    assert "older than 2" in told["listed"][0]["fact"]
    shutil.rmtree(published / "release")
    shutil.copytree(old, published / "release")
    told = run_json("verify", published, status=3)
    assert "bad-signature" in told["counts"]


@pytest.mark.parametrize("name", ["catalogue.sqlite3", "ledger.sqlite3"])
@pytest.mark.parametrize("how", ["first page", "some pages", "gone", "empty", "cut"])
def test_a_damaged_database_is_found_and_the_rest_is_proved_too(published: Path, name: str, how: str) -> None:
    database = published / name
    content = bytearray(database.read_bytes())
    if how == "first page":
        content[:100] = b"\xff" * 100
    elif how == "some pages":
        for page in range(2, len(content) // 4096):
            content[page * 4096 : page * 4096 + 60] = b"\xaa" * 60
    elif how == "empty":
        content = bytearray()
    elif how == "cut":
        del content[len(content) // 2 :]
    database.write_bytes(content)
    if how == "gone":
        database.unlink()
    flip(members(published)[0])
    told = run_json("verify", published, status=3)
    found = findings(told)
    assert (("missing" if how == "gone" else "bad-database"), name) in found, found
    assert ("changed", members(published)[0].name) in found, found


def test_no_other_command_goes_on_without_its_ledger(published: Path) -> None:
    (published / "ledger.sqlite3").unlink()
    for command in ("status", "plan", "build", "publish"):
        assert "ledger" in run_fonoteca(command, "--archive", published, status=1).stderr
    assert not (published / "ledger.sqlite3").exists()


def without_rights(command: list[str]) -> list[str]:
    """As somebody to whom permissions apply, even where the tests run as root."""
    if os.geteuid():
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and root may write everywhere")
    return ["setpriv", "--bounding-set=-all", *command]


@pytest.mark.parametrize("command", [["verify"], ["status"], ["plan"], ["verify", "release"], ["verify", "containers"]])
def test_what_nobody_may_write_to_can_be_read_and_proved(published: Path, command: list[str]) -> None:
    folders = [published, *(path for path in published.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = subprocess.run(
            without_rights(fonoteca_command(*command)), cwd=published, env=environment(), capture_output=True, text=True, timeout=60
        )  # fmt: skip
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_time_of_the_last_proof_is_kept_and_findings_stand_until_mended(published: Path, tmp_path: Path) -> None:
    member = members(published)[0]
    told = run_json("show", member.name, "--archive", published)
    before = told["files"][0]["proved_at"]
    kept = member.read_bytes()
    flip(member)
    run_json("verify", published, status=3, SOURCE_DATE_EPOCH=str(before + 1000))
    told = run_json("show", member.name, "--archive", published)
    assert told["files"][0]["proved_at"] == before
    assert [finding["code"] for finding in told["findings"]] == ["changed"]
    member.unlink()
    member.write_bytes(kept)
    run_json("verify", published, SOURCE_DATE_EPOCH=str(before + 2000))
    told = run_json("show", member.name, "--archive", published)
    assert told["files"][0]["proved_at"] == before + 2000
    assert told["findings"] == []


def test_every_byte_is_read_once(published: Path, tmp_path: Path) -> None:
    """Read calls counted by the kernel: the archive, its release linked to it, costs its own bytes once, and not twice."""
    script = """
import json, sys
from pathlib import Path
from fonoteca.ground.progress import Silent
from fonoteca.workflows.verify_archive import verify_archive_at
count = lambda: int(dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())["rchar"])
before = count(); report = verify_archive_at(Path(sys.argv[1]), Silent()); print(json.dumps([count() - before, report.bytes]))
"""
    padded = copy_archive(published, tmp_path / "padded")
    import sys

    done = subprocess.run([sys.executable, "-c", script, str(padded)], capture_output=True, text=True, env=environment(), timeout=60)
    read, size = json.loads(done.stdout)
    containers = sum(path.stat().st_size for path in (padded / "containers").rglob("*") if path.is_file())
    assert containers > 1_000_000
    assert read < size + 3_000_000 < 2 * containers + 6_000_000


def test_every_finding_is_told_however_many_there_are(built_minute: Path, tmp_path: Path) -> None:
    """More than any list in memory should hold; the screen shows some and says where the rest is."""
    release = Path(shutil.copytree(built_minute / "release", tmp_path / "release"))
    for number in range(12_000):
        (release / "torrents" / f"{number}.txt").touch()
    listed = run_json("verify", release, status=3)["listed"]
    assert {Path(finding["path"]).name for finding in listed} == {f"{number}.txt" for number in range(12_000)}
    said = run_fonoteca("verify", release, status=3).stdout
    assert len(said.splitlines()) < 40 and "11,980 more: --json" in said


def test_every_finding_of_an_archive_stands_in_its_ledger(published: Path) -> None:
    for number in range(10_500):
        (published / "pictures" / f"{number}.txt").touch()
    assert len(run_json("verify", published, status=3)["listed"]) == 10_500
    assert run_json("status", "--archive", published)["findings"] == {"extra": 10_500}


class Bar(Silent):
    """What a person sees of the progress: how much there is, and how much was done."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0

    def start(self, what: str, total: int | None, unit: str) -> None:
        self.total = total

    def advance(self, amount: int = 1) -> None:
        self.done += amount


def test_containers_have_a_total_so_that_the_time_left_is_known(built_minute: Path) -> None:
    containers = built_minute / "release" / "containers"
    size = sum(path.stat().st_size for path in containers.rglob("*") if path.is_file())
    bar = Bar()
    verify_containers(containers, bar)
    assert (bar.total, bar.done) == (size, size)
    folder = next(path for path in containers.iterdir() if path.is_dir())
    for part in (folder, containers / (folder.name.replace("_data__", "_meta__", 1) + ".jsonl.seekable.zst")):
        bar = Bar()
        verify_container(part, bar)
        assert bar.total == bar.done > 0


def test_a_list_of_findings_lies_on_disk_and_is_read_again_and_again() -> None:
    findings = FindingList()
    for number in range(20_000):
        findings.append(Finding("extra", f"{number}\udcff" if number == 7 else str(number), "x" * 100))
    assert [len(list(findings)) for _ in range(2)] == [20_000, 20_000]
    findings.append(Finding("missing", "last", "y"))
    told = list(findings)
    assert told[-1] == Finding("missing", "last", "y") and told[7].path == "7\\udcff"
