"""Is it safe to pull this disk? Decided from what `zpool status` prints; every mishap is named with its way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statuses_made import ID, RESILVER, disk, gone, pool, ten

from fonoteca.ground.errors import DiskRefusedError, NotFoundError, PoolError, PoolSuspendedError, UsageError
from fonoteca.pools.disks import Disk
from fonoteca.pools.health import PoolHealth, Vdev
from fonoteca.pools.redundancy import find_place, is_complete, may_still_die, places_of, without_partition
from fonoteca.pools.replace_steps import Step, Surroundings, introduce, plan_steps, serial_of_link
from fonoteca.pools.replacing import check_successor, compare, find_pulled_by_mistake, judge, spares_to_send_back
from fonoteca.pools.status_json import parse_status_json

# ---- which disk


def test_a_disk_is_found_by_every_name_that_it_has() -> None:
    health = pool(*ten(d4=gone(4, 12345678901234567890)))
    wanted = ("12345678901234567890", f"{ID}ZX200004", f"{ID}ZX200004-part1", "ata-ST22000NM001E-3HM103_ZX200004", "ZX200004", "zx200004")
    assert {find_place([health], [name]).handle for name in wanted} == {"12345678901234567890"}
    assert find_place([health], ["ZX200007"]).leaf.path == f"{ID}ZX200007-part1"


def test_a_name_that_several_have_is_asked_back() -> None:
    with pytest.raises(UsageError, match="10 disks answer to 'ZX20'"):
        find_place([pool(*ten())], ["ZX20"])


def test_a_disk_of_no_pool_is_told_with_the_pools() -> None:
    with pytest.raises(NotFoundError, match=r"pools: tank"):
        find_place([pool(*ten())], ["ZX99"])


def test_a_spare_in_use_is_found_where_it_is_used() -> None:
    rows = ten(d4="\t    spare-3  DEGRADED  0     0     0\n" + disk(4, "REMOVED", depth=3) + "\n" + disk(21, depth=3))
    health = pool(*"\n".join(rows).split("\n"), spares=(disk(21, "INUSE", "currently in use", "", 1),))
    found = find_place([health], ["ZX200021"])
    assert found.group.name == "raidz3-0" and [vdev.kind for vdev in found.parents] == ["raidz", "spare"]


@pytest.mark.parametrize(
    ("path", "whole"),
    [("/dev/disk/by-id/wwn-0x5-part1", "/dev/disk/by-id/wwn-0x5"), ("/dev/sdb1", "/dev/sdb"), ("/dev/nvme0n1p1", "/dev/nvme0n1"),
     ("/dev/nvme0n1", "/dev/nvme0n1"), ("/tmp/v/d01", "/tmp/v/d01"), ("/srv/sd1", "/srv/sd1"), ("sdaa1", "sdaa")],
)  # fmt: skip
def test_a_partition_made_by_zfs_is_its_disk(path: str, whole: str) -> None:
    assert without_partition(path) == whole


# ---- is it safe


def test_a_dead_disk_of_a_raidz3_is_safe_to_pull_and_two_more_may_die() -> None:
    judged = judge(health := pool(*ten(d4=gone(4, 77, "FAULTED"))), find_place([health], ["77"]))
    assert (judged.verdict, judged.spare_now, judged.spare_without, judged.holds_data) == ("safe", 2, 2, False)
    assert judged.facts == ("raidz3-0: now 2 more disks may die.",)


def test_a_disk_that_answers_costs_one_when_it_is_pulled() -> None:
    judged = judge(health := pool(*ten(), state="ONLINE"), find_place([health], ["ZX200004"]))
    assert (judged.verdict, judged.spare_now, judged.spare_without) == ("safe", 3, 2)
    assert judged.facts[1] == "raidz3-0: once it is pulled 2 more disks may die."


def test_pulling_a_good_disk_beside_two_dead_ones_leaves_nothing_to_spare() -> None:
    health = pool(*ten(d4=gone(4, 77), d5=gone(5, 78)))
    assert judge(health, find_place([health], ["ZX200006"])).verdict == "careful"


def test_pulling_a_good_disk_beside_three_dead_ones_is_forbidden() -> None:
    health = pool(*ten(d4=gone(4, 77), d5=gone(5, 78), d6=gone(6, 79)))
    judged = judge(health, find_place([health], ["ZX200007"]))
    assert (judged.verdict, judged.spare_now, judged.spare_without, judged.may_be_pulled) == ("keep", 0, -1, False)
    assert "At stake: everything in tank" in " ".join(judged.facts)
    assert "Leave" in plan_steps(find_place([health], ["ZX200007"]), judged, None, Surroundings())[0].words


def test_a_disk_that_is_being_filled_does_not_count_yet() -> None:
    rows = ten(d4="\t    replacing-3  DEGRADED  0     0     0\n" + gone(4, 77, depth=3) + "\n" + disk(22, note="(resilvering)", depth=3))
    rows = "\n".join(rows).split("\n")
    running, after = pool(*rows, scan=RESILVER), pool(*rows)
    assert may_still_die(find_place([running], ["ZX200022"]).group, is_resilvering=True) == 2
    assert judge(running, find_place([running], ["77"])).verdict == "watch"
    assert is_complete(find_place([after], ["77"]).group, is_resilvering=False)


def test_other_disks_with_errors_are_named() -> None:
    health = pool(*ten(d4=gone(4, 77), d9=disk(9, counts="0     0    17")))
    told = " ".join(judge(health, find_place([health], ["77"])).facts)
    assert "ZX200009" in told and "17 checksum" in told


def test_a_mirror_with_one_side_left_is_kept() -> None:
    rows = ["\t  mirror-0  DEGRADED  0     0     0", disk(1, depth=2), gone(2, 88, depth=2)]
    health = pool(*rows)
    assert judge(health, find_place([health], ["ZX200001"])).verdict == "keep"
    assert judge(health, find_place([health], ["88"])).verdict == "safe"


def test_a_disk_that_stands_alone_is_kept() -> None:
    health = pool(disk(1, depth=1), state="ONLINE")
    judged = judge(health, find_place([health], ["ZX200001"]))
    assert (judged.verdict, judged.spare_now, judged.spare_without) == ("keep", 0, -1)


def test_a_suspended_pool_is_touched_by_nobody() -> None:
    health = pool(*ten(d1=gone(1, 1, "REMOVED"), d2=gone(2, 2, "REMOVED"), d3=gone(3, 3, "REMOVED"), d4=gone(4, 4, "REMOVED")),
                  state="SUSPENDED", see="ZFS-8000-HC")  # fmt: skip
    with pytest.raises(PoolSuspendedError, match="tank is suspended") as caught:
        judge(health, find_place([health], ["ZX200005"]))
    assert "zpool clear tank" in caught.value.hint and "ZX200001" in caught.value.message


@given(st.integers(1, 3), st.integers(1, 12), st.data())
def test_no_disk_that_is_called_safe_takes_data_with_it(parity: int, more: int, data: st.DataObject) -> None:
    states = data.draw(
        st.lists(st.sampled_from(["ONLINE", "DEGRADED", "OFFLINE", "UNAVAIL"]), min_size=parity + more, max_size=parity + more)
    )
    leaves = tuple(Vdev(f"d{n}", "disk", state, guid=n + 1) for n, state in enumerate(states))  # type: ignore[arg-type]
    group = Vdev(f"raidz{parity}-0", "raidz", "ONLINE", parity=parity, children=leaves)
    health = PoolHealth("tank", "ONLINE", vdevs=(Vdev("tank", "root", "ONLINE", children=(group,)),))
    for one in places_of(health):
        judged = judge(health, one)
        readable = sum(leaf.state in ("ONLINE", "DEGRADED") for leaf in leaves if leaf != one.leaf)
        assert judged.may_be_pulled == (readable >= len(leaves) - parity)
        assert (judged.verdict == "keep") == (not judged.may_be_pulled)
        assert plan_steps(one, judged, None, Surroundings())


OUTPUT = Path(__file__).parent / "output"


def captured(name: str) -> PoolHealth:
    return parse_status_json((OUTPUT / f"2.3-{name}.json").read_bytes())[0]


def test_states_of_real_pools_are_judged() -> None:
    replacing = captured("replacing")
    judged = judge(replacing, find_place([replacing], ["/v/d01"]))
    assert (judged.verdict, judged.spare_now) == ("watch", 1)
    assert judge(replacing, find_place([replacing], ["/v/d02"])).spare_without == 0

    spare = captured("spare-in-use")
    judged = judge(spare, find_place([spare], ["d02"]))
    assert (judged.verdict, judged.spare_now, judged.holds_data) == ("safe", 2, False)
    assert "The spare /v/d12 stands in for it and holds its data." in judged.facts
    assert find_place([spare], ["/v/d12"]).group.name == "raidz2-0"
    assert spares_to_send_back(spare, "/v/d02") == [] and spares_to_send_back(captured("healthy"), "/v/d02") == []

    two = captured("offline-two")
    gone = [place for place in places_of(two) if place.leaf.state == "OFFLINE"]
    assert {judge(two, place).verdict for place in gone} == {"safe"}
    others = [place for place in places_of(two) if place.group == gone[0].group and place.leaf.state == "ONLINE"]
    assert {judge(two, place).verdict for place in others} == {"keep"}


# ---- mishaps


def present(*numbers: int) -> Callable[[Vdev], bool]:
    return lambda leaf: any(f"ZX20{number:04}" in (leaf.path or leaf.former_path or leaf.name) for number in numbers)


def test_a_good_disk_pulled_instead_of_the_dead_one_is_noticed() -> None:
    health = pool(*ten(d4=disk(4, "FAULTED", "too many errors", "12     3     0"), d5=gone(5, 78, "REMOVED")))
    dead = find_place([health], ["ZX200004"])
    wrong = find_pulled_by_mistake(health, dead, present(1, 2, 3, 4, 6, 7, 8, 9, 10))
    assert wrong is not None and "ZX200005" in (wrong.former_path or "")
    assert find_pulled_by_mistake(health, dead, present(1, 2, 3, 5, 6, 7, 8, 9, 10)) is None
    assert find_pulled_by_mistake(health, find_place([health], ["78"]), present(4)) is None


def test_a_good_disk_that_was_pulled_is_noticed_also_with_a_spare_in_its_place_and_the_errors_of_the_pull() -> None:
    pulled = f"\t      78  REMOVED  0     6     0  was {ID}ZX200005-part1\n"
    rows = ten(d4=disk(4, "FAULTED"), d5="\t    spare-4  DEGRADED  0     0     0\n" + pulled + disk(21, depth=3))
    health = pool(*"\n".join(rows).split("\n"))
    wrong = find_pulled_by_mistake(health, find_place([health], ["ZX200004"]), present(1, 2, 3, 4, 6, 7, 8, 9, 10, 21))
    assert wrong is not None and wrong.name == "78"


def test_a_disk_is_not_replaced_by_itself() -> None:
    health = pool(*ten(d4=disk(4, "FAULTED")))
    with pytest.raises(DiskRefusedError, match="by itself"):
        check_successor(find_place([health], ["ZX200004"]), {f"{ID}ZX200004"}, 22 * 10**12, None)


def test_a_disk_that_is_too_small_is_refused_with_what_it_lacks() -> None:
    health = pool(*ten(d4=disk(4, "FAULTED")))
    with pytest.raises(DiskRefusedError, match="2,000,000,000,000 more") as caught:
        check_successor(find_place([health], ["ZX200004"]), {f"{ID}ZX200030"}, 20 * 10**12, 22 * 10**12)
    assert "raidz3-0 needs 22,000,000,000,000" in caught.value.message


REPLACING = "\t    replacing-3  DEGRADED  0     0     0\n" + gone(4, 77, depth=3) + "\n"


def filling(new: str, **others: str) -> PoolHealth:
    return pool(*"\n".join(ten(d4=REPLACING + new, **others)).split("\n"), scan=RESILVER)


def test_a_second_disk_that_dies_while_one_is_filled_is_told_with_what_is_left() -> None:
    new = disk(22, note="(resilvering)", depth=3)
    watched = compare(filling(new), filling(new, d6=disk(6, "FAULTED")), f"{ID}ZX200022")
    assert not watched.is_over and len(watched.lost) == 1
    assert "ZX200006" in watched.facts[0] and "1 more disk may die" in watched.facts[0] and "Pull nothing" in watched.facts[0]


def test_a_new_disk_that_vanishes_is_an_error_with_both_ways_out() -> None:
    new = disk(22, note="(resilvering)", depth=3)
    with pytest.raises(PoolError, match="vanished while it was filled") as caught:
        compare(filling(new), filling(disk(22, "REMOVED", depth=3)), f"{ID}ZX200022")
    assert "zpool online tank" in caught.value.hint and "ANOTHER" in caught.value.hint


def standing_in(first: str) -> list[str]:
    spare = "\t    spare-3  ONLINE  0     0     0\n"
    return "\n".join(ten(d4=spare + first + "\n" + disk(21, depth=3))).split("\n")


def test_a_spare_goes_back_only_from_the_new_disk_and_when_that_is_whole() -> None:
    whole = standing_in(disk(4, depth=3))
    assert spares_to_send_back(pool(*whole), f"{ID}ZX200004") == [f"{ID}ZX200021-part1"]
    assert spares_to_send_back(pool(*whole, scan=RESILVER), f"{ID}ZX200004") == []
    assert spares_to_send_back(pool(*standing_in(gone(4, 77, depth=3))), "77") == []


@pytest.mark.parametrize("failing", [disk(4, "DEGRADED", "too many errors", "0     0   900", 3), disk(4, counts="0     0    17", depth=3)])
def test_the_spare_of_a_disk_that_fails_is_left_where_it_is(failing: str) -> None:
    health = pool(*standing_in(failing))
    assert spares_to_send_back(health, f"{ID}ZX200004") == [], "not whole"
    assert spares_to_send_back(health, f"{ID}ZX200021") == [], "the spare itself was put in its place"
    assert spares_to_send_back(pool(*standing_in(disk(4, depth=3))), f"{ID}ZX200030") == [], "that of another disk"


def test_the_disk_that_is_being_filled_is_watched_and_never_pulled() -> None:
    health = captured("replacing")
    for name in ("/v/d13", "/v/d01"):
        place = find_place([health], [name])
        judged = judge(health, place)
        steps = plan_steps(place, judged, None, Surroundings())
        assert judged.verdict == "watch" and not any(step.is_ours for step in steps), name
        assert lines(steps) == ["fonoteca pool replace 5159416319053584211"], "the old disk"
    assert "in the place of /v/d01" in judge(health, find_place([health], ["/v/d13"])).facts[0]
    still = "\n".join(ten(d4=REPLACING + disk(22, depth=3))).split("\n")
    assert judge(pool(*still), find_place([pool(*still)], ["ZX200022"])).verdict == "watch", "also before the resilver begins"
    filled = pool(*standing_in(gone(4, 77, depth=3)), scan=RESILVER)
    assert judge(filled, find_place([filled], ["ZX200021"])).verdict == "watch"


def test_a_disk_that_answers_is_left_in_where_files_are_lost_or_others_have_errors() -> None:
    noisy = {f"d{number}": disk(number, counts="0     0    17") for number in range(1, 6)}
    health = msgspec.structs.replace(pool(*ten(**noisy), state="ONLINE"), error_count=40)
    for health_now in (health, pool(*ten(**noisy), state="ONLINE"), msgspec.structs.replace(pool(*ten()), error_count=1)):
        place = find_place([health_now], ["ZX200004"])
        judged = judge(health_now, place)
        assert judged.verdict == "careful" and judged.spare_without == 2
        steps = plan_steps(place, judged, None, Surroundings())
        assert steps[0].words.startswith("Leave ") and "may still read" in steps[0].words and not any(step.is_ours for step in steps)
    dead = msgspec.structs.replace(pool(*ten(d4=gone(4, 77))), error_count=40)
    assert judge(dead, find_place([dead], ["77"])).verdict == "safe", "it can read nothing"
    beside = pool(*ten(d4=gone(4, 77)))
    assert judge(beside, find_place([beside], ["ZX200005"])).verdict == "safe", "the dead one is counted already"


def test_a_cache_is_removed_and_another_added() -> None:
    health = captured("replacing")
    place = find_place([health], ["/v/d09"])
    steps = plan_steps(place, judge(health, place), "/dev/disk/by-id/new", Surroundings())
    assert lines(steps) == [f"zpool remove tank {place.handle}", "zpool add tank cache /dev/disk/by-id/new"]
    assert [step.is_ours for step in plan_steps(place, judge(health, place), None, Surroundings())] == [True, False, False]


# ---- steps


def here(number: int, **changed: object) -> Disk:
    link, serial = f"{ID}ZX20{number:04}", f"ZX20{number:04}"
    whole = Disk(name="sdq", path="/dev/sdq", by_id=(link,), bytes=22 * 10**12, model="ST22000NM001E", serial=serial, bay="7")
    return msgspec.structs.replace(whole, **changed)


def lines(steps: tuple[Step, ...]) -> list[str]:
    return [step.line for step in steps if step.command]


def test_steps_name_bay_and_label_and_every_command() -> None:
    health = pool(*ten(d4=disk(4, "DEGRADED", "too many errors", "0     0    99")))
    found = find_place([health], ["ZX200004"])
    steps = plan_steps(found, judge(health, found), None, Surroundings(here(4), (here(30, serial="ZX200030"),), has_lights=True))
    told = " ".join(step.words for step in steps)
    assert "bay 7" in told and "serial ZX200004" in told
    assert [line.split()[:2] for line in lines(steps)] == [["zpool", "offline"], ["ledctl", "locate=/dev/sdq"], ["fonoteca", "pool"]]
    assert lines(steps)[-1].endswith(f"{ID}ZX200030 --yes")
    assert [step.command[1] for step in steps if step.is_ours] == ["offline"]


def test_a_disk_that_is_gone_is_named_by_the_serial_on_its_label() -> None:
    health = pool(*ten(d4=gone(4, 77)))
    found = find_place([health], ["77"])
    told = " ".join(step.words for step in plan_steps(found, judge(health, found), None, Surroundings()))
    assert "serial ZX200004" in told and "offline" not in told
    assert "ZX200004" in introduce(found, None) and "one of 10 of raidz3-0 in tank" in introduce(found, None)


def test_a_disk_that_is_gone_and_went_by_its_wwn_is_named_by_that() -> None:
    row = "\t    77  REMOVED  0     0     0  was /dev/disk/by-id/wwn-0x5000c500a0000004-part1"
    health = pool(*ten(d4=row))
    found = find_place([health], ["/dev/disk/by-id/wwn-0x5000c500a0000004"])
    assert "WWN 5000C500A0000004" in " ".join(step.words for step in plan_steps(found, judge(health, found), None, Surroundings()))


def test_a_disk_that_answers_stays_in_while_the_new_one_is_filled() -> None:
    health = pool(*ten(), state="ONLINE")
    found = find_place([health], ["ZX200004"])
    steps = plan_steps(found, judge(health, found), f"{ID}ZX200030", Surroundings(here(4)))
    assert lines(steps) == [f"zpool replace tank {found.handle} {ID}ZX200030"]
    assert "stays in" in steps[0].words and "not before" in steps[-1].words


@pytest.mark.parametrize(
    ("link", "serial"),
    [("/dev/disk/by-id/ata-ST22000NM001E-3HM103_ZX20ABCD-part1", "ZX20ABCD"), ("scsi-SSEAGATE_ST22000NM001E_ZT0004", "ZT0004"),
     ("nvme-Samsung_SSD_990_PRO_2TB_S7DNNJ0X", "S7DNNJ0X"), ("/dev/disk/by-id/wwn-0x5000c500a0000004", None), ("/tmp/v/d04", None)],
)  # fmt: skip
def test_the_serial_is_read_from_the_link_of_a_disk_that_is_gone(link: str, serial: str | None) -> None:
    assert serial_of_link(link) == serial
