"""A replacement from its plan to the healthy pool, with a zpool that plays statuses: what is noticed on the way, and what is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from statuses_made import ID, RESILVER, disk, gone, play_statuses, status_text, ten

from fonoteca.ground.errors import DiskRefusedError, NotFoundError, PoolError, StoppedError
from fonoteca.pools.disk_checks import refuse_disk
from fonoteca.pools.disks import Disk, DiskUse, SmartVerdict
from fonoteca.pools.health import Scan
from fonoteca.pools.resilver_progress import TimeLeft
from fonoteca.pools.status import read_health
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.replace import Replacement, carry_out, plan_replacement

NEW = f"{ID}ZX200030"
REPLACING = "\t    replacing-3  DEGRADED  0     0     0\n" + gone(4, 77, depth=3) + "\n"


def here(number: int, *, size: int = 22 * 10**12, is_used: bool = True) -> Disk:
    link = f"{ID}ZX20{number:04}"
    uses = (DiskUse("zfs-active", link, "a disk of the pool tank", "tank"),) if is_used else ()
    return Disk(name=f"sd{number}", path=f"/dev/sd{number}", by_id=(link,), bytes=size, serial=f"ZX20{number:04}", bay=str(number),
                uses=uses, smart=SmartVerdict("good"))  # fmt: skip


INVENTORY = [*(here(number) for number in range(1, 11) if number != 4), here(30, is_used=False)]


def dead(**changed: str) -> str:
    return status_text(*ten(**{"d4": gone(4, 77), **changed}))


def filling(new: str = disk(30, note="(resilvering)", depth=3), **changed: str) -> str:
    rows = "\n".join(ten(**{"d4": REPLACING + new, **changed})).split("\n")
    return status_text(*rows, scan=RESILVER)


def healthy(state: str = "ONLINE") -> str:
    rows = [row.replace("DEGRADED", state) for row in ten(d4=disk(30))]
    return status_text(*rows, state=state, scan="resilvered 1.98T in 1 days 02:00:00 with 0 errors on Tue Nov 24 03:00:00 2026")


def plan(zfs: Zfs, new: str | None = NEW, text: str = "77", disks: Sequence[Disk] = INVENTORY, ignores_pulled: bool = False) -> Replacement:
    return plan_replacement(zfs, read_health(zfs), disks, text, new, refuse=refuse_disk, has_lights=False, ignores_pulled=ignores_pulled)


def quiet(scan: Scan, left: TimeLeft) -> None:
    pass


def test_it_is_replaced_watched_and_proved_healthy(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling(), filling(), healthy()))
    planned = plan(zfs)
    assert planned.commands == (("zpool", "replace", "tank", "77", NEW),)
    lines: list[str] = []
    report = carry_out(zfs, planned, lambda scan, left: lines.append(left.words), waits=True, every_s=0.01)
    assert report.outcome == "healthy" and lines == ["time left unknown yet"] * 2
    assert (tmp_path / "fake" / "commands").read_text() == f"replace tank 77 {NEW}\n"
    assert [step.line for step in report.next_steps] == ["fonoteca pool scrub tank"]


def test_ctrl_c_leaves_the_resilver_running_and_says_how_to_watch_on(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling()))

    def stop(scan: Scan, left: TimeLeft) -> None:
        raise KeyboardInterrupt

    with pytest.raises(StoppedError, match="the resilver goes on") as caught:
        carry_out(zfs, plan(zfs), stop, waits=True)
    assert caught.value.hint == "Watch on with: fonoteca pool replace 77", "the old disk"
    for text in ("77", NEW):
        again = plan(Zfs(play_statuses(tmp_path / "again", filling())), new=None, text=text)
        assert (again.judgement.verdict, again.handle, again.commands) == ("watch", "77", ()) and "ZX200030" in (again.successor or "")


def test_without_waiting_it_is_the_old_disk_that_is_named_to_watch_on(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling()))
    report = carry_out(zfs, plan(zfs), quiet, waits=False)
    assert [step.line for step in report.next_steps] == ["fonoteca pool replace 77"]


def test_settling_is_awaited_however_long_the_resilver_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fonoteca.workflows.pool.replace_watch.time.monotonic", iter(range(0, 100_000, 20)).__next__)
    ended = filling(disk(30, depth=3)).replace(RESILVER, "resilvered 1.98T in 1 days 02:00:00 with 0 errors on Tue Nov 24 03:00:00 2026")
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling(), filling(), filling(), ended, healthy()))
    assert carry_out(zfs, plan(zfs), quiet, waits=True, every_s=0.01).outcome == "healthy"


def test_a_resilver_that_was_put_off_is_awaited_too(tmp_path: Path) -> None:
    waiting = healthy().replace(disk(30), disk(30, note="(awaiting resilver)"))
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling(), waiting, filling(), healthy()))
    lines: list[str] = []
    assert carry_out(zfs, plan(zfs), lambda scan, left: lines.append(left.words), waits=True, every_s=0.01).outcome == "healthy"
    assert len(lines) == 2


def test_a_spare_that_zfs_sent_back_at_the_same_moment_is_no_error(tmp_path: Path) -> None:
    standing = "\t    spare-3  ONLINE  0     0     0\n" + disk(30, depth=3) + "\n" + disk(21, depth=3)
    rows = "\n".join(row.replace("DEGRADED", "ONLINE") for row in ten(d4=standing)).split("\n")
    fake = play_statuses(tmp_path / "fake", dead(), dead(), filling(), status_text(*rows, state="ONLINE"), status_text(*rows), healthy())
    program = tmp_path / "fake" / "zpool"
    program.write_text(
        program.read_text().replace('case "$1', 'case "$1" in detach) echo "no such device in pool" >&2; exit 1;; esac; case "$1', 1)
    )
    report = carry_out(Zfs(fake), plan(Zfs(fake)), quiet, waits=True, every_s=0.01)
    assert report.outcome == "healthy" and report.facts == ()


def test_run_again_it_watches_what_runs_already(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", filling(), filling(), filling(), healthy()))
    planned = plan(zfs, new=None)
    assert planned.judgement.verdict == "watch" and planned.commands == ()
    assert carry_out(zfs, planned, quiet, waits=True, every_s=0.01).outcome == "healthy"
    assert (tmp_path / "fake" / "commands").read_text() == ""


def test_a_second_death_is_told_and_the_end_is_not_called_healthy(tmp_path: Path) -> None:
    rows = ten(d4=disk(30), d6=disk(6, "FAULTED"))
    after = status_text(*rows, scan="resilvered 1.98T in 1 days 02:00:00 with 0 errors on Tue Nov 24 03:00:00 2026")
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling(), filling(d6=disk(6, "FAULTED")), after))
    report = carry_out(zfs, plan(zfs), quiet, waits=True, every_s=0.01)
    assert report.outcome == "not-healthy"
    assert any("ZX200006" in fact and "died too" in fact for fact in report.facts)
    assert report.next_steps[0].line == "fonoteca pool status"


def test_a_new_disk_that_vanishes_ends_the_watching_with_the_way_out(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(), dead(), filling(), filling(disk(30, "REMOVED", depth=3))))
    with pytest.raises(PoolError, match="vanished while it was filled"):
        carry_out(zfs, plan(zfs), quiet, waits=True, every_s=0.01)


def test_without_a_new_disk_it_is_taken_offline_so_that_it_can_be_pulled(tmp_path: Path) -> None:
    sick = status_text(*ten(d4=disk(4, "DEGRADED", "too many errors", "0     0    99")))
    zfs = Zfs(play_statuses(tmp_path / "fake", sick))
    report = carry_out(zfs, plan(zfs, new=None, text="ZX200004", disks=[*INVENTORY, here(4)]), quiet, waits=True)
    assert report.outcome == "taken-offline"
    assert (tmp_path / "fake" / "commands").read_text() == f"offline tank {ID}ZX200004-part1\n"


def test_no_command_is_run_for_a_disk_that_must_stay(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", dead(d5=gone(5, 78), d6=gone(6, 79))))
    assert plan(zfs, new=None, text="ZX200007").commands == ()


@pytest.mark.parametrize(
    ("new", "disks", "words"),
    [
        ("nowhere", INVENTORY, "there is no disk 'nowhere'"),
        (NEW, [*INVENTORY[:-1], here(30, size=20 * 10**12, is_used=False)], "2,000,000,000,000 more"),
        (f"{ID}ZX200007", INVENTORY, "a disk of the pool tank"),
    ],
)
def test_a_disk_that_does_not_do_is_refused_before_anything_is_run(tmp_path: Path, new: str, disks: list[Disk], words: str) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", dead()))
    with pytest.raises((DiskRefusedError, NotFoundError), match=words):
        plan(zfs, new=new, disks=disks)
    assert (tmp_path / "fake" / "commands").read_text() == ""


def test_the_old_disk_is_not_its_own_successor(tmp_path: Path) -> None:
    sick = status_text(*ten(d4=disk(4, "FAULTED", "too many errors", "9     9     0")))
    zfs = Zfs(play_statuses(tmp_path / "fake", sick))
    with pytest.raises(DiskRefusedError, match="is the disk that is to be replaced"):
        plan(zfs, new="ZX200004", text="ZX200004", disks=[*INVENTORY, here(4)])


def test_a_good_disk_that_was_pulled_goes_back_first_unless_it_is_said_to_be_meant(tmp_path: Path) -> None:
    wrong = status_text(*ten(d4=disk(4, "FAULTED", "too many errors", "9     9     0"), d6=gone(6, 79, "REMOVED")))
    zfs = Zfs(play_statuses(tmp_path / "fake", wrong))
    disks = [one for one in [*INVENTORY, here(4)] if one.serial != "ZX200006"]
    with pytest.raises(PoolError, match=r"ZX200006.* was pulled, and not") as caught:
        plan(zfs, text="ZX200004", disks=disks)
    assert "zpool online tank" in caught.value.hint and "--allow pulled" in caught.value.hint
    assert plan(zfs, text="ZX200004", disks=disks, ignores_pulled=True).commands


def test_two_successors_of_one_disk_are_one_too_many(tmp_path: Path) -> None:
    zfs = Zfs(play_statuses(tmp_path / "fake", filling(disk(31, note="(resilvering)", depth=3))))
    for text in ("77", "ZX200031"):
        with pytest.raises(DiskRefusedError, match=r"is being replaced by .*ZX200031.* already"):
            plan(zfs, text=text)


def test_the_same_command_after_a_stop_goes_on_and_after_the_end_says_so(tmp_path: Path) -> None:
    running = filling(disk(30, note="(resilvering)", depth=3))
    zfs = Zfs(play_statuses(tmp_path / "fake", running, running, running, healthy()))
    planned = plan(zfs, disks=[*INVENTORY[:-1], here(30)])
    assert planned.commands == () and carry_out(zfs, planned, quiet, waits=True, every_s=0.01).outcome == "healthy"
    with pytest.raises(NotFoundError, match="has taken over already"):
        plan(zfs, text="ZX200004")


def test_a_spare_that_took_over_says_how_it_goes_back_or_stays(tmp_path: Path) -> None:
    standing = "\t    spare-3  DEGRADED  0     0     0\n" + gone(4, 77, depth=3) + "\n" + disk(21, depth=3)
    rows = "\n".join(ten(d4=standing)).split("\n")
    spare = (f"\t  {ID}ZX200021-part1  AVAIL",)
    after = status_text(*rows, spares=(f"\t  {ID}ZX200021-part1  INUSE  currently in use",))
    before = status_text(*ten(d4=gone(4, 77)), spares=spare)
    zfs = Zfs(play_statuses(tmp_path / "fake", before, before, after))
    planned = plan(zfs, new="ZX200021", disks=[*INVENTORY, here(21)])
    assert planned.commands == (("zpool", "replace", "-f", "tank", "77", f"{ID}ZX200021"),)
    assert planned.steps[1].line == "zpool detach tank 77" and "Only after" in planned.steps[-1].words
    report = carry_out(zfs, planned, quiet, waits=True, every_s=0.01)
    assert report.outcome == "not-healthy" and "stands in for" in report.facts[-1] and "zpool detach tank" in report.facts[-1]
