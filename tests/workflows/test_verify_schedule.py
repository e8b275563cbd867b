"""`verify --schedule` over real archives: every byte in time, damage told, nothing read twice but what a kill left open."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from commands import EPOCH, run_fonoteca, run_json
from killing import Running

from fonoteca.ground.errors import ArchiveBusyError
from fonoteca.ground.files import lock_folder
from fonoteca.ground.progress import Silent
from fonoteca.integrity import read_public_key, verify_file
from fonoteca.integrity.windows import Hours
from fonoteca.workflows.schedule_open import open_book
from fonoteca.workflows.verify_schedule import PROOF_NAMESPACE, ProofReport, ScheduleOptions, next_start, run_schedule

DAY = 86_400
START = int(EPOCH)


def prove(archive: Path, second: int, **options: object) -> ProofReport:
    """One run at a made-up time."""
    with open_book(archive) as opened:
        chosen = ScheduleOptions(pressure=100, **options)  # type: ignore[arg-type]
        return run_schedule(opened.book, opened.name, chosen, Silent(), now=lambda: second, small_checks=opened.small_checks)


def damage(path: Path) -> None:
    """Another byte in the middle; the name and size stay."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.chmod(0o644)
    path.write_bytes(content)


def members_of(archive: Path) -> list[Path]:
    return sorted(path for path in (archive / "containers").rglob("*") if path.parent.name.count("data__") and path.is_file())


def test_every_byte_is_read_within_the_days(published: Path) -> None:
    prove(published, START + DAY, reads_all=True)
    amounts = []
    for day in range(2, 14):
        report = prove(published, START + day * DAY + 100, days=5)
        assert report.oldest_days is not None and report.oldest_days <= 5
        assert report.summary.startswith("100 % read within") and report.summary.endswith("0 damaged")
        amounts.append(report.read_bytes)
    total = report.bytes
    assert sum(amounts[:5]) >= total, "within five days everything was read"
    assert max(amounts) < total * 0.75, "but not all of it on one day"


def test_what_was_just_read_is_not_read_again(published: Path) -> None:
    assert prove(published, START + DAY, reads_all=True).read_files > 20
    report = prove(published, START + DAY, days=45)
    assert (report.read_files, report.damaged) == (0, 0)


def test_damage_is_told_recorded_and_forgotten_once_it_is_mended(published: Path) -> None:
    victim, lost = members_of(published)[:2]
    whole = victim.read_bytes()
    damage(victim)
    lost.unlink()
    told = run_json("verify", "--schedule", "--days", "0.5", "--archive", published, status=3, SOURCE_DATE_EPOCH=str(START + DAY))
    assert {Path(one["path"]).name: one["code"] for one in told["listed"]} == {victim.name: "changed", lost.name: "missing"}
    assert told["damaged"] == 2 and told["summary"].endswith("2 damaged")
    assert run_json("status", "--archive", published)["findings"] == {"changed": 1, "missing": 1}
    victim.write_bytes(whole)
    shutil.copy(published / "release" / lost.relative_to(published), lost)
    report = prove(published, START + 2 * DAY, days=0.5)
    assert report.damaged == 0 and not report.has_damage
    assert run_json("status", "--archive", published)["findings"] == {}


def test_a_release_that_is_no_link_is_read_itself(published: Path) -> None:
    member = members_of(published)[0]
    twin = published / "release" / member.relative_to(published)
    content = twin.read_bytes()
    twin.unlink()
    twin.write_bytes(content)
    assert not prove(published, START + DAY, reads_all=True).has_damage
    damage(twin)
    report = prove(published, START + 2 * DAY, reads_all=True)
    assert [(finding.code, finding.path) for finding in report.listed] == [("changed", str(twin))]


def test_lists_signatures_databases_and_strangers_are_looked_at(published: Path) -> None:
    prove(published, START + DAY, reads_all=True)
    damage(published / "release" / "feed.xml")
    damage(published / "release" / "release.json.minisig")
    (members_of(published)[0].parent / "stranger").write_text("?")
    (published / "release" / "notes.txt").write_text("?")
    with open(published / "catalogue.sqlite3", "r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096))
    report = prove(published, START + 2 * DAY, reads_all=True)
    found = {(finding.code, Path(finding.path).name) for finding in report.listed}
    assert found == {
        ("changed", "feed.xml"), ("bad-signature", "release"), ("extra", "stranger"), ("extra", "notes.txt"),
        ("bad-database", "catalogue.sqlite3"),
    }  # fmt: skip


def test_the_report_is_signed_by_the_archives_key(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "proof.json"
    second = START + 40 * DAY
    run_fonoteca("verify", "--schedule", "--report", target, "--archive", published, SOURCE_DATE_EPOCH=str(second))
    told = json.loads(target.read_bytes())
    assert told["summary"].startswith("100 % read within ") and told["what"] == "archive" and told["at"] == second
    key = read_public_key((published / "release" / "minisign.pub").read_text())
    assert verify_file(key, target, PROOF_NAMESPACE) == second
    if shutil.which("minisign"):
        subprocess.run(["minisign", "-V", "-p", published / "release" / "minisign.pub", "-m", target], check=True, capture_output=True)


def test_outside_of_the_hours_nothing_is_read(published: Path) -> None:
    now = time.localtime()
    closed = Hours(((now.tm_hour + 2) % 24) * 60, ((now.tm_hour + 3) % 24) * 60)
    report = prove(published, START + 40 * DAY, hours=closed)
    assert report.read_files == 0
    assert report.ended.startswith(("the hours begin in 1 h", "the hours begin in 2 h"))


class OpenUntil:
    """Hours that end at a moment."""

    seconds_a_day = DAY

    def __init__(self, end: float) -> None:
        self.end = end

    def is_open(self, second: float) -> bool:
        return second < self.end


def test_the_hours_end_a_run_in_the_middle_of_a_file_also_while_it_waits(published: Path) -> None:
    began = time.time()
    report = prove(published, START + DAY, hours=OpenUntil(began + 1), rate=1000)
    assert time.time() - began < 4
    assert report.ended == "the hours are over"


def test_strangers_in_folders_of_the_release_are_found(published: Path) -> None:
    strangers = [published / "release" / "torrents" / "stranger", published / "release" / "new" / "deep" / "stranger"]
    for stranger in strangers:
        stranger.parent.mkdir(parents=True, exist_ok=True)
        stranger.write_text("?")
    report = prove(published, START + DAY, reads_all=True)
    assert {(finding.code, finding.path) for finding in report.listed} == {("extra", str(path)) for path in strangers}
    run_fonoteca("heal", published)
    assert not any(path.exists() for path in strangers)
    assert not prove(published, START + 2 * DAY, reads_all=True).has_damage


def test_forever_waits_for_a_day_and_for_the_hours() -> None:
    assert next_start(ScheduleOptions(), 1000, 5000) == DAY - 4000
    assert next_start(ScheduleOptions(), 1000, 1000 + 2 * DAY) == 1
    now = time.time()
    local = time.localtime(now)
    closed = Hours(((local.tm_hour + 2) % 24) * 60, ((local.tm_hour + 3) % 24) * 60)
    assert 3600 <= next_start(ScheduleOptions(hours=closed), now, now) <= 2 * 3600


def test_it_works_beside_a_command_that_writes_but_not_beside_itself(published: Path) -> None:
    with lock_folder(published, "build"):
        assert not prove(published, START + DAY, reads_all=True).has_damage
    with open_book(published):
        with pytest.raises(ArchiveBusyError):
            prove(published, START + DAY)


def test_a_rate_is_kept(published: Path) -> None:
    began = time.monotonic()
    report = prove(published, START + DAY, reads_all=True, rate=1_500_000)
    seconds = time.monotonic() - began
    assert report.read_bytes / seconds <= 1_500_000 * 1.3, f"{report.read_bytes} bytes in {seconds:.1f} s"


def test_options_of_a_schedule_are_refused_without_it(published: Path) -> None:
    told = run_fonoteca("verify", "--days", "3", "--archive", published, status=2)
    assert "--schedule" in told.stderr
    for rate in ("0", "0.5B/s"):
        told = run_fonoteca("verify", "--schedule", "--rate", rate, "--archive", published, status=2)
        assert "less than one byte" in told.stderr and "Traceback" not in told.stderr
        assert "less than one byte" in run_fonoteca("heal", published, "--rate", rate, status=2).stderr
    assert "hours" in run_fonoteca("verify", "--schedule", "--hours", "25-26", "--archive", published, status=2).stderr


HOOK = """
import os, sys
def hook(event, arguments, log=os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)):
    if event == "open" and isinstance(arguments[0], str) and os.environ["WATCHED"] in arguments[0] and ".sqlite3" not in arguments[0]:
        os.write(log, arguments[0].encode() + b"\\n")
sys.addaudithook(hook)
"""


def proved(archive: Path, second: int) -> set[str]:
    """Names below the archive of what was proved at `second`."""
    with sqlite3.connect(archive / "ledger.sqlite3") as ledger:
        members = ledger.execute("SELECT 'containers/' || container || '/' || aacid FROM members WHERE proved_at = ?", (second,))
        metadata = ledger.execute("SELECT 'containers/' || metadata_file FROM containers WHERE metadata_proved_at = ?", (second,))
        others = ledger.execute("SELECT name FROM proofs WHERE proved_at = ?", (second,))
        return {row[0] for row in (*members, *metadata, *others)}


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_kill_9_loses_only_the_files_open_at_that_moment(published: Path, tmp_path: Path, kills: int) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(HOOK)
    chance = random.Random(kills)
    second = START + 10 * DAY
    done = 0
    while done < kills:
        second += 1000
        log = tmp_path / f"opened-{done}"
        more = {
            "PYTHONPATH": f"{hooks}:{os.environ.get('PYTHONPATH', 'src')}", "OPENED": str(log), "WATCHED": f"{published}/",
            "SOURCE_DATE_EPOCH": str(second), "FONOTECA_JOBS": "2",
        }  # fmt: skip
        running = Running("verify", "--schedule", "--days", "0.001", "--rate", "6MB/s", "--archive", published, **more)
        while running.process.poll() is None and not _has_begun(log, published):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.5)
        if running.process.poll() is not None:
            status, out, err = running.finish()
            assert status == 0, out + err
            log.unlink()  # this one was done before it could be killed
            continue
        running.kill()
        done += 1
        read = {os.path.relpath(line, published) for line in log.read_text().splitlines()}
        read = {name for name in read if name.startswith(("containers/", "release/")) and "SHA256SUMS" not in name}
        read -= {"release/release.json", "release/release.json.sig", "release/release.json.minisig", "release/minisign.pub"}
        lost = read - proved(published, second)
        assert len(lost) <= 4, f"{len(lost)} files were read and are not known to be"
    report = prove(published, second + DAY, reads_all=True)
    assert not report.has_damage, list(report.listed)


def _has_begun(log: Path, archive: Path) -> bool:
    return log.exists() and f"{archive}/containers/" in log.read_text()
