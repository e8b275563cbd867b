"""What the state of a pool means, and which steps follow; decided from captured output."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.findings import FINDING_KINDS, counts_as_damage
from fonoteca.pools import PoolHealth, Scan, Vdev
from fonoteca.pools.advice import advise
from fonoteca.pools.diagnosis import Diagnosis, count_by_name, diagnose
from fonoteca.pools.disks import Disk
from fonoteca.pools.events import Troubles
from fonoteca.pools.pool_facts import DamageCounts, PoolFacts
from fonoteca.pools.scan_words import seconds_left, words_of_scan
from fonoteca.pools.status_json import parse_status_json
from fonoteca.pools.status_text import parse_status_text

OUTPUT = Path(__file__).parent / "output"
DAY = 86400
NOW = 1_800_000_000
FACTS = PoolFacts(now=NOW, used_bytes=50, available_bytes=50, scrubbed_at=NOW - 3 * DAY)


def health_of(name: str) -> PoolHealth:
    path = next(OUTPUT.glob(f"{name}.*"))
    if path.suffix == ".json":
        return parse_status_json(path.read_bytes())[0]
    return parse_status_text(path.read_text("utf-8", "surrogateescape"))[0]


def raidz(gone: int, parity: int = 3, width: int = 10) -> PoolHealth:
    """A pool of one raidz vdev of which `gone` disks are gone."""
    leaves = tuple(
        Vdev(
            f"/dev/disk/by-id/d{number}",
            "disk",
            "FAULTED" if number < gone else "ONLINE",
            path=f"/dev/disk/by-id/d{number}",
            guid=number + 1,
        )
        for number in range(width)
    )
    state = "ONLINE" if not gone else "DEGRADED" if gone <= parity else "UNAVAIL"
    group = Vdev(f"raidz{parity}-0", "raidz", state, parity=parity, children=leaves)  # type: ignore[arg-type]
    return PoolHealth("tank", state, vdevs=(Vdev("tank", "root", state, children=(group,)),))  # type: ignore[arg-type]


def codes(diagnosis: Diagnosis) -> set[str]:
    return {finding.code for finding in diagnosis.findings}


def test_pool_without_fault_is_well_and_asks_for_nothing() -> None:
    health = raidz(0)
    diagnosis = diagnose(health, FACTS)
    assert (diagnosis.verdict, diagnosis.headline, diagnosis.findings) == ("well", "tank is well.", ())
    assert diagnosis.groups[0].words == "vdev raidz3-0: 10 disks, 3 may die" and advise(health, diagnosis, DamageCounts()) == []


@given(st.integers(0, 10), st.sampled_from([1, 2, 3]))
def test_redundancy_left_is_parity_less_what_is_gone(gone: int, parity: int) -> None:
    diagnosis = diagnose(raidz(gone, parity), FACTS)
    assert diagnosis.groups[0].may_still_die == parity - gone
    assert (diagnosis.verdict == "damaged") == (gone > parity)
    assert ("and no data" in diagnosis.headline) == (0 < gone <= parity)
    assert any(map(counts_as_damage, diagnosis.findings)) == (gone > 0)


def test_one_disk_of_ten_gone_says_how_many_more_may_die_and_names_the_bay() -> None:
    disk = Disk("sda", "/dev/sda", serial="ZX2004", bay="Slot 07")
    health = raidz(1)
    diagnosis = diagnose(health, msgspec.structs.replace(FACTS, disks={"/dev/disk/by-id/d0": disk}))
    assert diagnosis.groups[0].words == "vdev raidz3-0: 1 of 10 disks gone or not yet filled, 2 more may die"
    assert diagnosis.disks[0].where == "/dev/disk/by-id/d0, bay Slot 07, serial ZX2004"
    steps = advise(health, diagnosis, DamageCounts())
    assert steps == ["Replace /dev/disk/by-id/d0, bay Slot 07, serial ZX2004: fonoteca pool replace /dev/disk/by-id/d0"]


def test_pool_that_says_online_with_files_it_cannot_repair_has_lost_data() -> None:
    for name in (
        "2.1-permanent-errors-by-source",
        "2.2-errors-unavailable-by-source",
        "2.1-without-v-by-source",
        "2.3-blueprint-scrub-paused",
    ):
        health = health_of(name)
        diagnosis = diagnose(health, FACTS)
        assert health.state == "ONLINE" and diagnosis.verdict == "damaged" and diagnosis.headline.startswith("tank has lost data")


def test_damage_without_a_count_is_known_by_its_message() -> None:
    """2.1 prints nothing behind -v to a user who may not see the list."""
    health = msgspec.structs.replace(raidz(0), message_id="ZFS-8000-8A")
    assert diagnose(health, FACTS).verdict == "damaged"


def test_damage_in_snapshots_only_loses_nothing_of_today() -> None:
    health = msgspec.structs.replace(health_of("2.1-permanent-errors-by-source"))
    only = tuple(one for one in health.damaged if one.snapshot)
    health = msgspec.structs.replace(health, damaged=only, error_count=len(only))
    diagnosis = diagnose(health, FACTS)
    assert diagnosis.verdict == "watch" and "no file of today" in diagnosis.headline
    assert count_by_name(health) == DamageCounts(in_snapshots=2)


@pytest.mark.parametrize("name", ["2.1-suspended-by-source", "2.3-suspended-wait", "2.3-suspended-continue"])
def test_suspended_pool_tells_to_pull_nothing_and_then_to_clear(name: str) -> None:
    health = health_of(name)
    diagnosis = diagnose(health, FACTS)
    steps = advise(health, diagnosis, DamageCounts())
    assert diagnosis.verdict == "suspended" and "stopped" in diagnosis.headline
    assert steps[0].startswith("Pull nothing") and any(f"zpool clear {health.name}" in step for step in steps)


def test_count_of_errors_is_not_taken_for_a_count_of_files() -> None:
    health = health_of("2.1-without-v-by-source")
    assert diagnose(health, FACTS).headline == "tank has lost data (3 errors)."
    assert any("as root" in step for step in advise(health, diagnose(health, FACTS), count_by_name(health)))


def test_resilver_is_waited_for_before_anything_else_is_pulled() -> None:
    health = health_of("2.1-resilvering-by-source")
    diagnosis = diagnose(health, FACTS)
    assert "being filled" in diagnosis.headline and diagnosis.seconds_left == 6 * DAY + 3 * 3600 + 12 * 60 + 44
    assert any(step.startswith("Wait for the resilver") for step in advise(health, diagnosis, DamageCounts()))


def test_missing_log_degrades_but_loses_nothing() -> None:
    diagnosis = diagnose(health_of("2.1-missing-log-by-source"), FACTS)
    assert diagnosis.verdict == "degraded" and "pool-degraded" in codes(diagnosis)
    assert any(disk.disk == "/dev/nvme2n1p1" for disk in diagnosis.disks)


def test_spare_that_stands_in_gives_the_redundancy_back_but_the_disk_is_still_to_be_replaced() -> None:
    health = health_of("2.3-spare-in-use")
    diagnosis = diagnose(health, FACTS)
    assert diagnosis.headline == "tank has lost 1 disk and no data; a spare stands in."
    assert diagnosis.groups[0].may_still_die == 2 and "fonoteca pool replace" in advise(health, diagnosis, DamageCounts())[0]


@pytest.mark.parametrize(("gone", "words"), [(1, "1 disk and no data, 2 more may die"), (3, "3 disks and no data, none more may die")])
def test_deaths_during_a_resilver_are_counted_in_the_first_sentence(gone: int, words: str) -> None:
    health = msgspec.structs.replace(raidz(gone), scan=Scan("resilver", "scanning", started_at=NOW - 60))
    assert diagnose(health, FACTS).headline == f"tank has lost {words}; a new disk is being filled."


def test_disk_that_is_being_replaced_asks_for_nothing_but_to_wait() -> None:
    health = health_of("2.3-replacing")
    diagnosis = diagnose(health, FACTS)
    assert "1 disk and no data" in diagnosis.headline
    steps = advise(health, diagnosis, DamageCounts())
    assert len(steps) == 1 and steps[0].startswith("Wait for the resilver")
    other = health_of("2.3-replacing-and-offline")
    steps = advise(other, diagnose(other, FACTS), DamageCounts())
    assert "/v/d2" in steps[0] and steps[1].startswith("Wait for the resilver") and len(steps) == 2


def test_disk_that_zfs_counts_as_failing_is_named_though_its_counts_are_nought() -> None:
    health = health_of("2.3-degraded-disk")
    diagnosis = diagnose(health, FACTS)
    assert diagnosis.headline == "p has lost no data, but 1 disk is failing." and diagnosis.disks[0].disk == "/v/d4"
    assert advise(health, diagnosis, DamageCounts()) == ["/v/d4 is failing (too many errors): fonoteca pool replace /v/d4"]
    assert any("DEGRADED (too many errors)" in one.fact and one.path == "/v/d4" for one in diagnosis.findings)


def test_files_that_heal_does_not_know_come_from_a_replica() -> None:
    health = health_of("2.1-permanent-errors-by-source")
    steps = advise(health, diagnose(health, FACTS), count_by_name(health))
    assert any("from a replica" in step and "shares the damaged blocks" in step for step in steps)


def test_metadata_damage_is_said_as_such() -> None:
    health = health_of("2.1-permanent-errors-by-source")
    assert "pool-damaged-metadata" in codes(diagnose(health, FACTS))
    assert any("of ZFS itself" in step for step in advise(health, diagnose(health, FACTS), DamageCounts(mendable=2)))


def test_steps_for_damage_name_heal_and_the_two_scrubs() -> None:
    health = health_of("2.1-permanent-errors-by-source")
    steps = advise(health, diagnose(health, FACTS, DamageCounts(mendable=2)), DamageCounts(mendable=2), "/tank/my archive")
    assert "Mend the files of the archive: fonoteca heal '/tank/my archive'" in steps
    assert any(step.count("fonoteca pool scrub tank --wait") == 2 for step in steps)


@pytest.mark.parametrize(("used", "limit", "is_full"), [(80, 80, False), (81, 80, True), (99, 100, False)])
def test_fill_is_held_against_the_limit(used: int, limit: float, is_full: bool) -> None:
    facts = msgspec.structs.replace(FACTS, used_bytes=used, available_bytes=100 - used, fill_limit=limit)
    assert ("pool-full" in codes(diagnose(raidz(0), facts))) == is_full


def test_scrub_is_late_by_age_not_while_one_runs_and_not_in_a_new_pool() -> None:
    def late(**changes: object) -> bool:
        return "scrub-late" in codes(diagnose(raidz(0), msgspec.structs.replace(FACTS, **changes)))

    assert not late(scrubbed_at=NOW - 35 * DAY) and late(scrubbed_at=NOW - 36 * DAY)
    assert late(scrubbed_at=None) and not late(scrubbed_at=None, made_at=NOW - DAY) and late(scrubbed_at=None, made_at=NOW - 40 * DAY)
    running = msgspec.structs.replace(raidz(0), scan=Scan("scrub", "scanning", started_at=NOW - 60))
    assert diagnose(running, msgspec.structs.replace(FACTS, scrubbed_at=None)).verdict == "well"


def test_errors_that_rise_are_told_from_old_ones_and_many_at_once_from_one() -> None:
    def noisy(count: int) -> PoolHealth:
        group = raidz(0).vdevs[0].children[0]
        leaves = tuple(msgspec.structs.replace(leaf, checksum_errors=3) if at < count else leaf for at, leaf in enumerate(group.children))
        group = msgspec.structs.replace(group, children=leaves)
        return PoolHealth("tank", "ONLINE", vdevs=(Vdev("tank", "root", "ONLINE", children=(group,)),))

    rising = msgspec.structs.replace(FACTS, troubles=(Troubles(1, "/dev/disk/by-id/d0", 9, 2, NOW - 60, {"checksum": 9}),))
    one = diagnose(noisy(1), rising)
    assert one.verdict == "watch" and one.disks[0].is_rising and "1 disk made errors" in one.headline
    assert "makes errors now" in advise(noisy(1), one, DamageCounts())[0]
    assert "then forget them: zpool clear tank" in advise(noisy(1), diagnose(noisy(1), FACTS), DamageCounts())[0]
    many = advise(noisy(5), diagnose(noisy(5), FACTS), DamageCounts())
    assert len(many) == 1 and "suspect what they share" in many[0]


def test_time_left_is_unknown_at_first_when_slow_and_when_paused() -> None:
    scan = Scan("resilver", "scanning", started_at=NOW - 1000, total_bytes=10**12, issued_bytes=10**11)
    assert seconds_left(scan, NOW) == 9000
    assert seconds_left(scan, NOW - 990) is None
    assert seconds_left(msgspec.structs.replace(scan, issued_bytes=10**6), NOW) is None
    assert seconds_left(msgspec.structs.replace(scan, state="paused"), NOW) is None
    assert "time left not known yet" in words_of_scan(scan, NOW - 990) and "paused" in words_of_scan(Scan("scrub", "paused"), NOW)


def test_every_captured_state_gets_a_verdict_and_known_findings() -> None:
    for path in sorted(OUTPUT.glob("*.json")):
        for health in parse_status_json(path.read_bytes()):
            diagnosis = diagnose(health, FACTS)
            assert diagnosis.headline.startswith(health.name) and codes(diagnosis) <= FINDING_KINDS.keys(), path
            steps = advise(health, diagnosis, count_by_name(health))
            assert steps or diagnosis.verdict == "well" or diagnosis.findings, path
