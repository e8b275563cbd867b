"""Who scrubs a pool, when a scrub may start, and the timer where nobody does."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import NotFoundError, PoolBusyError, PoolError, UsageError
from fonoteca.pools import Scan, Zfs
from fonoteca.pools.scrubbing import (
    CRON_FILE,
    DEBIAN_SCRIPT,
    ScrubSources,
    escape_unit,
    find_scrub_sources,
    plan_schedule,
    read_last_scrub,
    refuse_scrub,
    unit_name,
    who_scrubs,
    words_about_scrubbers,
)
from fonoteca.workflows.pool.scrub import schedule_scrub, show_scrub, start_scrub, steer_scrub, wait_for_scrub

OUTPUT = Path(__file__).parent / "output"
PROGRAM = ("/usr/bin/fonoteca",)
CRON = ScrubSources(has_debian_cron=True, has_cron=True)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


# ---- who


def test_debian_scrubs_once_a_month_unless_told_not_to() -> None:
    assert [one.who for one in who_scrubs("tank", "-", CRON)] == ["debian"]
    assert [one.who for one in who_scrubs("tank", "enable", CRON)] == ["debian"]
    assert who_scrubs("tank", "disable", CRON) == []
    assert "disable" in words_about_scrubbers("tank", "disable", CRON)[0]


def test_cron_file_without_a_cron_scrubs_nothing(tmp_path: Path) -> None:
    touch(tmp_path, CRON_FILE, DEBIAN_SCRIPT)
    sources = find_scrub_sources(tmp_path)
    assert sources.has_debian_cron and not sources.has_cron and who_scrubs("tank", "-", sources) == []
    assert "no cron is installed" in words_about_scrubbers("tank", "-", sources)[0]
    touch(tmp_path, "usr/sbin/anacron")
    assert not find_scrub_sources(tmp_path).has_cron, "it reads no /etc/cron.d"
    touch(tmp_path, "usr/sbin/cron")
    assert [one.who for one in who_scrubs("tank", "-", find_scrub_sources(tmp_path))] == ["debian"]


def test_two_who_scrub_are_told_to_be_one_too_many(tmp_path: Path) -> None:
    touch(tmp_path, CRON_FILE, DEBIAN_SCRIPT, "usr/sbin/cron", "etc/systemd/system/timers.target.wants/zfs-scrub-monthly@tank.timer")
    words = words_about_scrubbers("tank", "-", find_scrub_sources(tmp_path))
    assert len(words) == 3 and "more than once a month" in words[2]
    assert len(words_about_scrubbers("other", "-", find_scrub_sources(tmp_path))) == 1


def test_timer_is_planned_only_where_nobody_scrubs() -> None:
    with pytest.raises(UsageError) as error:
        plan_schedule("tank", "-", CRON, PROGRAM, 35)
    assert "second Sunday" in error.value.message and "periodic-scrub=disable" in error.value.hint
    files = plan_schedule("tank", "disable", CRON, PROGRAM, 35)
    assert set(files) == {"fonoteca-scrub-tank.service", "fonoteca-scrub-tank.timer"}
    assert "ExecStart=/usr/bin/fonoteca pool scrub tank\n" in files["fonoteca-scrub-tank.service"]
    assert "OnCalendar=monthly" in files["fonoteca-scrub-tank.timer"]
    assert "OnCalendar=weekly" in plan_schedule("tank", "disable", CRON, PROGRAM, 14)["fonoteca-scrub-tank.timer"]


def test_no_timer_is_made_where_none_would_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no systemd") as error:
        plan_schedule("tank", "-", find_scrub_sources(tmp_path), PROGRAM, 35)
    assert "/usr/bin/fonoteca pool scrub tank" in error.value.hint


def test_pool_with_odd_signs_is_one_word_of_the_unit() -> None:
    service = plan_schedule("my 50% pool", "-", ScrubSources(), ("/opt/a b/fonoteca", "-m"), 35)
    text = service["fonoteca-scrub-my\\x2050\\x25\\x20pool.service"]
    assert 'ExecStart="/opt/a b/fonoteca" -m pool scrub "my 50%% pool"' in text and "Description=Scrub of the ZFS pool my 50%% pool" in text


@given(st.text("abcXYZ019 _-:.", min_size=1, max_size=12))
def test_escaped_names_are_read_back_as_systemd_does(name: str) -> None:
    escaped = escape_unit(name)
    assert not set(escaped) & set(" /-")
    assert escaped.encode().decode("unicode_escape") == name
    assert unit_name(name).startswith("fonoteca-scrub-")


# ---- when


def test_last_scrub_is_that_of_the_status_else_of_the_history() -> None:
    assert read_last_scrub(Scan("scrub", "finished", ended_at=7)) == 7
    history = (OUTPUT / "2.3-history-i.txt").read_text()
    ended = int(time.mktime((2026, 11, 23, 1, 32, 22, 0, 0, -1)))
    assert read_last_scrub(Scan("resilver", "finished", ended_at=9), history) == ended, "not the canceled one, not the resilvers"
    assert read_last_scrub(None, "") is None


def test_scrub_waits_for_a_resilver_and_goes_on_after_a_pause() -> None:
    assert refuse_scrub(None, errors=False) is None
    assert refuse_scrub(Scan("scrub", "paused"), errors=False) is None
    assert "resilver" in (refuse_scrub(Scan("resilver", "scanning"), errors=False) or "")
    assert "must wait" in (refuse_scrub(Scan("scrub", "scanning"), errors=True) or "")


# ---- doing, with a stand-in for zpool


@pytest.fixture
def zpool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with `status` (what zpool status prints) and `calls` (what was asked of zpool scrub)."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (tmp_path / "version").write_text("zfs-2.1.11-1\n")
    for name, script in {
        "zpool": f"""case "$*" in *-j*) echo "invalid option 'j'" >&2; echo usage >&2; exit 2;; "status -g"*) exit 1;;
            status*) cat {tmp_path}/status;; *) echo "$*" >> {tmp_path}/calls;; esac""",
        "zfs": f"""case "$*" in version) cat {tmp_path}/version;; get*) printf 'org.debian:periodic-scrub\\t-\\n';; esac""",
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    say(tmp_path, "2.1-never-scrubbed")
    return tmp_path


def say(place: Path, name: str) -> None:
    (place / "status").write_bytes((OUTPUT / f"{name}-by-source.txt").read_bytes())


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines() if (place / "calls").exists() else []


def test_scrub_starts_and_one_that_runs_is_left_alone(zpool: Path) -> None:
    assert start_scrub(Zfs(), None, dry_run=True).done == "would run: zpool scrub tank" and calls(zpool) == []
    start_scrub(Zfs(), None)
    say(zpool, "2.1-scrub-running")
    assert "running already" in start_scrub(Zfs(), "tank").done and calls(zpool) == ["scrub tank"]
    say(zpool, "2.1-scrub-paused")
    assert start_scrub(Zfs(), "tank").done == "the scrub goes on"


def test_scrub_during_a_resilver_is_refused_with_the_reason(zpool: Path) -> None:
    say(zpool, "2.1-resilvering")
    with pytest.raises(PoolBusyError) as error:
        start_scrub(Zfs(), "tank")
    assert "resilver" in error.value.message and calls(zpool) == []


def test_only_damaged_files_are_scrubbed_where_openzfs_can(zpool: Path) -> None:
    with pytest.raises(UsageError) as error:
        start_scrub(Zfs(), "tank", errors=True)
    assert "2.1.11" in error.value.message
    (zpool / "version").write_text("zfs-2.2.0-1\n")
    start_scrub(Zfs(), "tank", errors=True)
    assert calls(zpool) == ["scrub -e tank"]


def test_scrub_is_paused_and_stopped_only_where_one_runs(zpool: Path) -> None:
    with pytest.raises(PoolError) as error:
        steer_scrub(Zfs(), "tank", stop=True)
    assert "no scrub" in error.value.message
    say(zpool, "2.2-scrub-running")
    steer_scrub(Zfs(), "tank", stop=False)
    steer_scrub(Zfs(), "tank", stop=True)
    assert calls(zpool) == ["scrub -p tank", "scrub -s tank"]


def test_wait_ends_with_the_scrub_and_tells_what_it_found(zpool: Path) -> None:
    say(zpool, "2.1-scrub-running")
    seen = []

    def sleep(_: float) -> None:
        say(zpool, "2.1-permanent-errors")

    report = wait_for_scrub(Zfs(), "tank", lambda health: seen.append(health.scan), sleep=sleep)
    assert len(seen) == 1 and report.is_bad and report.errors == 6 and "could not be repaired" in report.done


def test_scrub_that_a_resilver_ended_is_not_called_whole(zpool: Path) -> None:
    resilvered = "  scan: resilvered 4K in 00:00:03 with 0 errors on Mon Nov 23 03:00:00 2026\n"
    stopped = "  scan: scrub canceled on Mon Nov 23 03:00:00 2026\n"
    running = (OUTPUT / "2.1-scrub-running-by-source.txt").read_text()
    resilvering = (OUTPUT / "2.1-resilvering-by-source.txt").read_text()
    for after, words in (
        (resilvering, "ended by a resilver"), (_with_scan(running, resilvered), "ended by a resilver"),
        (_with_scan(running, stopped), "stopped before its end"),
    ):  # fmt: skip
        say(zpool, "2.1-scrub-running")
        report = wait_for_scrub(Zfs(), "tank", lambda health: None, sleep=_becomes(zpool, after))
        assert words in report.done and report.is_bad and not report.damaged_files


def _becomes(place: Path, after: str) -> Callable[[float], None]:
    def sleep(_: float) -> None:
        (place / "status").write_text(after)

    return sleep


def _with_scan(status: str, scan: str) -> str:
    return re.sub(r"  scan: .*\n(\t.*\n)*", scan, status, count=1)


def test_one_of_several_pools_must_be_named(zpool: Path) -> None:
    say(zpool, "2.1-two-pools")
    with pytest.raises(UsageError) as error:
        show_scrub(Zfs(), None)
    assert "tank, back up" in error.value.message
    (zpool / "status").write_text("no pools available\n")
    with pytest.raises(NotFoundError):
        show_scrub(Zfs(), None)


def test_units_are_written_once_asked_and_accepted_by_systemd(zpool: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root, "usr/lib/systemd/systemd")
    report, files = schedule_scrub(Zfs(), "tank", ("/bin/true",), 35, write=False, root=root)
    assert "would write" in report.done and not (root / "etc").exists()
    (root / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    report, files = schedule_scrub(Zfs(), "tank", ("/bin/true",), 35, write=True, root=root)
    written = sorted(path.name for path in (root / "etc/systemd/system").iterdir())
    assert written == sorted(files) and any("enable --now" in line for line in report.schedule)
    if shutil.which("systemd-analyze") is None:
        return  # the lab has it
    units = [str(root / "etc/systemd/system" / name) for name in files]
    done = subprocess.run(["systemd-analyze", "--man=no", "verify", *units], capture_output=True, text=True, check=False)
    assert "fonoteca-scrub" not in done.stderr, done.stderr
