"""How pools are made from plans: refusals, commands, the choice of disks and the comparison afterwards, all without ZFS."""

from __future__ import annotations

import shlex
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import DiskRefusedError
from fonoteca.pools.dataset_properties import differing, plain_value, reserve_for_databases, store_datasets, without_aliases
from fonoteca.pools.disk_checks import ALLOWED, check_disk, refuse_disk
from fonoteca.pools.disk_choice import choose_disks, place_of
from fonoteca.pools.disks import Disk, DiskUse, SmartVerdict
from fonoteca.pools.layout import parse_layout
from fonoteca.pools.making import (
    PoolFacts,
    check_making,
    compare_pool,
    create_command,
    layout_of,
    making_steps,
    planned_datasets,
    pool_properties,
    reckon_plan,
    store_plan,
)
from fonoteca.pools.plan_file import PLAN_PROPERTY, PlannedVdev, PoolPlan

TB22 = 22_000_000_000_000


def disk(number: int, **changes: object) -> Disk:
    name = f"sd{chr(97 + number % 26)}{number // 26 or ''}"
    plain = Disk(
        name=name, path=f"/dev/{name}", by_id=(f"/dev/disk/by-id/ata-ST22000_ZX{number:02}", f"/dev/disk/by-id/wwn-0x{number:04}"),
        bytes=TB22, physical_sector=4096, serial=f"ZX{number:02}", wwn=f"0x{number:04}", is_rotational=True, controller="mpt3sas",
        controller_at="0000:03:00.0", smart=SmartVerdict("good"),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def by_name(*disks: Disk) -> dict[str, Disk]:
    return {one.best_name: one for one in disks}


def mirror(disks: dict[str, Disk], **changes: object) -> PoolPlan:
    plan = PoolPlan(name="tank", vdevs=(PlannedVdev("mirror", len(disks), disks=tuple(disks)),), disk_bytes=TB22)
    return msgspec.structs.replace(plan, **changes)


def allows(plan: PoolPlan, disks: dict[str, Disk]) -> list[str | None]:
    return [refusal.allow for refusal in check_making(plan, disks)]


def test_good_disks_are_taken() -> None:
    disks = by_name(disk(1), disk(2))
    assert allows(mirror(disks), disks) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"uses": (DiskUse("mounted", "/dev/sdb1", "mounted at /srv"),)}, None),
        ({"uses": (DiskUse("swap", "/dev/sdb1", "swap space in use"),)}, None),
        ({"uses": (DiskUse("held", "/dev/sdb", "a logical volume: vg-a"),)}, None),
        ({"uses": (DiskUse("zfs-active", "/dev/sdb1", "in the pool old, which is imported", "old"),)}, None),
        ({"uses": (DiskUse("zfs-exported", "/dev/sdb1", "label of the pool old", "old"),)}, "labelled"),
        ({"uses": (DiskUse("partitioned", "/dev/sdb", "a GPT table with 2 partitions"),)}, "partitioned"),
        ({"uses": (DiskUse("formatted", "/dev/sdb", "a file system (ext4)"),)}, "formatted"),
        ({"smart": SmartVerdict("failing", ("it says itself that it is failing",))}, "failing"),
        ({"bytes": TB22 * 98 // 100}, "too-small"),
        ({"physical_sector": 512}, "mixed-sectors"),
        ({"physical_sector": 8192}, "ashift"),
        ({"serial": "ZX01"}, "same-serial"),
        ({"wwn": "0x0001"}, None),
        ({"path": "/dev/sdb"}, None),
        ({"by_id": (), "path": "/dev/sdq"}, "names"),
        ({"is_file": True}, "files"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_disk_that_must_not_be_taken_is_refused_under_the_word_that_overrides_it(changes: dict[str, object], word: str | None) -> None:
    disks = by_name(disk(1), disk(2, **changes))
    refusals = list(check_making(mirror(disks), disks))
    assert word in [refusal.allow for refusal in refusals]
    assert all(refusal.allow is None or refusal.allow in ALLOWED for refusal in refusals)
    assert all(
        "ZX02" in refusal.about or "ZX01" in refusal.words or "vdev 1" in refusal.about or "sdq" in refusal.about for refusal in refusals
    )


def test_one_disk_under_two_names_is_seen() -> None:
    twice = {name: disk(1) for name in disk(1).by_id}
    assert [refusal.fact for refusal in check_making(mirror(twice), twice)] == [
        "/dev/disk/by-id/ata-ST22000_ZX01 and /dev/disk/by-id/wwn-0x0001 are one and the same disk"
    ]


def test_a_partition_is_no_disk() -> None:
    disks = {f"{disk(1).best_name}-part1": disk(1), disk(2).best_name: disk(2)}
    assert [refusal.fact for refusal in check_making(mirror(disks), disks)] == [
        f"{disk(1).best_name}-part1 is a part of it; name the whole disk: {disk(1).best_name}"
    ]


def test_a_disk_that_is_not_there_is_named() -> None:
    disks = by_name(disk(1), disk(2))
    plan = mirror(disks)
    del disks[disk(2).best_name]
    assert [refusal.words for refusal in check_making(plan, disks)] == [
        "/dev/disk/by-id/ata-ST22000_ZX02: there is no such disk here; fonoteca pool disks lists them"
    ]


def test_disks_within_one_percent_are_alike_and_zpool_is_told_so() -> None:
    disks = by_name(disk(1), disk(2, bytes=TB22 - 10**11))
    plan = mirror(disks)
    assert allows(plan, disks) == []
    assert create_command(plan, disks)[2] == "-f"


def test_an_ashift_below_12_and_a_spare_that_is_too_small_are_refused() -> None:
    disks = by_name(disk(1, physical_sector=512), disk(2, physical_sector=512), disk(3, physical_sector=512, bytes=10**12))
    plan = mirror(dict(list(disks.items())[:2]), ashift=9, spares=(disk(3).best_name,), spare_count=1)
    assert allows(plan, disks) == ["ashift", "too-small"]


def test_a_replacement_is_held_to_its_brothers() -> None:
    brothers = [disk(1), disk(2)]
    refuse_disk(disk(3), brothers)
    with pytest.raises(DiskRefusedError, match="too small: its vdev needs"):
        refuse_disk(disk(3, bytes=20 * 10**12), brothers)
    with pytest.raises(DiskRefusedError, match="same serial"):
        refuse_disk(disk(3, serial="ZX02"), brothers)
    with pytest.raises(DiskRefusedError, match="may be another disk after the next start"):
        refuse_disk(disk(3), brothers, named="/dev/sdd")
    refuse_disk(disk(3, bytes=20 * 10**12), brothers, allow=["too-small"])


def test_all_reasons_are_told_at_once_with_the_words_that_override_them() -> None:
    uses = (
        DiskUse("partitioned", "/dev/sdb", "a GPT table with 2 partitions"),
        DiskUse("zfs-exported", "/dev/sdb1", "label of the pool old", "old"),
    )
    with pytest.raises(DiskRefusedError) as caught:
        refuse_disk(disk(2, uses=uses), [])
    assert "2 reasons" in caught.value.message
    assert "--allow labelled --allow partitioned" in caught.value.hint
    assert [refusal.allow for refusal in check_disk(disk(2), disk(2).best_name)] == []


def blueprint(**changes: object) -> tuple[PoolPlan, dict[str, Disk]]:
    disks = by_name(*(disk(number, **changes) for number in range(22)))
    plan = store_plan(parse_layout("2xraidz3x10+2spares"), TB22)
    return choose_disks(plan, list(disks.values())).plan, disks


def test_the_commands_are_those_that_a_person_would_type() -> None:
    plan, disks = blueprint()
    create, *datasets = making_steps(plan, disks, None)
    words = shlex.split(create.line)
    assert words[:5] == ["zpool", "create", "-o", "ashift=12", "-o"]
    assert words[-26:-24] == ["tank", "raidz3"]
    assert words[-14] == "raidz3"
    assert words[-3] == "spare"
    assert len({word for word in words if word.startswith("/dev/disk/by-id/ata-")}) == 22
    assert f"{PLAN_PROPERTY}={plan.digest}" in words
    assert "canmount=off" in words
    assert "autoreplace=on" in words
    assert "-f" not in words
    assert [shlex.split(step.line)[-1] for step in datasets] == ["tank/fonoteca", "tank/fonoteca/archive", "tank/fonoteca/databases"]
    assert [step.destroys is not None for step in making_steps(plan, disks, None)] == [True, False, False, False]


def test_a_special_mirror_and_a_log_come_behind_the_data() -> None:
    plan = store_plan(parse_layout("1xraidz2x6+special:mirrorx3+log:mirrorx2"), TB22, special_disk_bytes=10**12)
    disks = [*(disk(number) for number in range(6)), *(disk(20 + number, is_rotational=False, bytes=10**12) for number in range(5))]
    words = " ".join(create_command(choose_disks(plan, disks).plan, by_name(*disks)))
    assert words.index(" raidz2 ") < words.index(" special mirror ") < words.index(" log mirror ")
    assert " create -f " in words  # zpool calls a mirror beside RAIDZ a mismatch


def test_pools_of_solid_state_disks_are_trimmed() -> None:
    assert "autotrim" not in pool_properties(*blueprint())
    assert pool_properties(*blueprint(is_rotational=False))["autotrim"] == "on"


def test_what_was_allowed_to_go_is_cleared_first_and_told() -> None:
    uses = (
        DiskUse("partitioned", "/dev/sdb", "a GPT table with 2 partitions"),
        DiskUse("zfs-exported", "/dev/sdb1", "label of the pool old", "old"),
    )
    disks = by_name(disk(1, uses=uses), disk(2))
    steps = making_steps(mirror(disks), disks, None)
    named = "/dev/disk/by-id/ata-ST22000_ZX01"
    assert [step.command for step in steps[:2]] == [("zpool", "labelclear", "-f", f"{named}-part1"), ("wipefs", "--all", named)]
    assert "label of the pool old" in (steps[0].destroys or "")


def test_a_partition_is_named_by_its_device_where_the_disk_has_no_link() -> None:
    uses = (DiskUse("zfs-exported", "/dev/sdb1", "label of the pool old", "old"),)
    steps = making_steps(mirror({"/dev/sdb": disk(1, uses=uses)}), {"/dev/sdb": disk(1, uses=uses)}, None)
    assert steps[0].command == ("zpool", "labelclear", "-f", "/dev/sdb1")


@pytest.mark.parametrize(
    "text",
    ["2xraidz3x10+2spares", "3xmirrorx2", "draid3:8d:21c:1s", "2xraidz3x10+2spares+special:mirrorx3", "stripex3", "raidz1x3+log:stripex1"],
)
def test_a_layout_comes_through_a_plan(text: str) -> None:
    layout = parse_layout(text)
    assert layout_of(store_plan(layout, TB22, special_disk_bytes=10**12)) == layout


def test_a_plan_tells_what_zfs_will_show_and_limits_the_store_to_it() -> None:
    plan = store_plan(parse_layout("2xraidz3x10"), TB22, whole_disks=False)
    assert (plan.reckoned_pool_bytes, plan.reckoned_shown_bytes) == (439_976_449_802_240, 292_893_751_246_848)
    assert plan.datasets[0].properties["quota"] == str(292_893_751_246_848 * 80 // 100)
    assert plan.properties["canmount"] == "off"


def test_a_plan_carries_the_records_and_small_blocks_that_it_was_judged_with() -> None:
    layout = parse_layout("2xraidz3x12+special:mirrorx3")
    judged = store_plan(layout, TB22, special_disk_bytes=4 * 10**12, record_bytes=1 << 17, small_blocks=1 << 16)
    assert judged.datasets[1].properties == {"recordsize": "128K", "special_small_blocks": "64K"}
    assert store_plan(parse_layout("2xraidz3x12"), TB22, small_blocks=1 << 16).datasets[1].properties == {"recordsize": "1M"}


def test_every_special_and_dedup_vdev_counts_in_the_size_of_the_pool() -> None:
    one, three = (store_plan(parse_layout(f"raidz2x6+special:mirrorx{width}"), TB22, special_disk_bytes=10**12) for width in (2, 2))
    three = msgspec.structs.replace(three, vdevs=(*three.vdevs, PlannedVdev("mirror", 2, "special"), PlannedVdev("mirror", 2, "dedup")))
    sizes = []
    for plan in (one, three):
        disks = [disk(number, bytes=TB22 if number < 6 else 10**12) for number in range(sum(vdev.width for vdev in plan.vdevs))]
        names = iter(one.best_name for one in disks)
        filled = [msgspec.structs.replace(vdev, disks=tuple(next(names) for _ in range(vdev.width))) for vdev in plan.vdevs]
        sizes.append(reckon_plan(msgspec.structs.replace(plan, vdevs=tuple(filled)), by_name(*disks)))
    bare = store_plan(parse_layout("raidz2x6"), TB22).reckoned_pool_bytes
    assert sizes[0].pool_bytes == one.reckoned_pool_bytes
    assert sizes[1].pool_bytes - bare == 3 * (sizes[0].pool_bytes - bare)
    assert sizes[1].shown_bytes == sizes[0].shown_bytes


def test_a_disk_that_is_gone_is_told_and_stops_nothing() -> None:
    plan, disks = blueprint()
    found = as_planned(plan, disks)
    gone = plan.vdevs[0].disks[3]
    del disks[gone]
    assert making_steps(plan, disks, found) == []
    assert [(one.about, one.found) for one in compare_pool(plan, disks, found)] == [(gone, "not on this machine")]


def as_planned(plan: PoolPlan, disks: dict[str, Disk]) -> PoolFacts:
    reckoned = reckon_plan(plan, disks)
    properties = {name: {key: plain_value(value) for key, value in wanted.items()} for name, wanted in planned_datasets(plan).items()}
    return PoolFacts("tank", plan.digest, pool_properties(plan, disks), properties, reckoned.pool_bytes, reckoned.shown_bytes)


def test_a_pool_that_is_as_planned_needs_nothing() -> None:
    plan, disks = blueprint()
    found = as_planned(plan, disks)
    assert making_steps(plan, disks, found) == []
    assert compare_pool(plan, disks, found) == []


def test_a_pool_that_was_begun_gets_only_what_is_missing() -> None:
    plan, disks = blueprint()
    whole = as_planned(plan, disks)
    datasets = {name: dict(properties) for name, properties in whole.datasets.items()}
    del datasets["tank/fonoteca/databases"]
    datasets["tank/fonoteca"]["quota"] = "0"
    begun = msgspec.structs.replace(whole, datasets=datasets, pool_properties={"autoreplace": "off", "failmode": "wait"})
    assert [step.command[:3] for step in making_steps(plan, disks, begun)] == [
        ("zpool", "set", "autoreplace=on"),
        ("zfs", "set", f"quota={plan.datasets[0].properties['quota']}"),
        ("zfs", "create", "-o"),
    ]
    assert {one.about for one in compare_pool(plan, disks, begun)} == {"tank autoreplace", "tank/fonoteca quota", "tank/fonoteca/databases"}


def test_a_byte_too_few_is_a_difference() -> None:
    plan, disks = blueprint()
    whole = as_planned(plan, disks)
    short = msgspec.structs.replace(whole, shown_bytes=whole.shown_bytes - 1)
    assert [one.about for one in compare_pool(plan, disks, short)] == ["tank used and available (zfs list)"]


def test_metadata_on_a_special_vdev_may_be_shown_beyond_what_was_reckoned() -> None:
    plan = store_plan(parse_layout("raidz2x6+special:mirrorx3"), TB22, special_disk_bytes=10**12)
    disks = by_name(*(disk(number) for number in range(6)), *(disk(20 + number, is_rotational=False, bytes=10**12) for number in range(3)))
    plan = choose_disks(plan, list(disks.values())).plan
    whole = as_planned(plan, disks)
    told = [
        compare_pool(plan, disks, msgspec.structs.replace(whole, shown_bytes=whole.shown_bytes + more)) for more in (516_096, -1, 10**13)
    ]
    assert [len(differences) for differences in told] == [0, 1, 1]


def test_values_are_compared_as_zfs_prints_them() -> None:
    wanted = {"recordsize": "1M", "acltype": "posixacl", "quota": "none", "atime": "off", "refreservation": "1.5G", "xattr": "sa"}
    found = {"recordsize": "1048576", "acltype": "posix", "quota": "0", "atime": "on", "refreservation": "1610612736"}
    assert differing(wanted, found) == {"atime": ("off", "on"), "xattr": ("sa", "-")}


def test_since_2_3_sa_is_printed_as_on_and_before_on_was_another_thing() -> None:
    assert without_aliases({"xattr": "on", "atime": "on"}, (2, 3, 0)) == {"xattr": "sa", "atime": "on"}
    assert without_aliases({"xattr": "on"}, (2, 2, 7)) == {"xattr": "on"}


def test_databases_keep_room_when_the_archive_is_full() -> None:
    assert reserve_for_databases(234 * 10**12) == 200 * 10**9
    assert reserve_for_databases(10**12) == 10**10
    assert reserve_for_databases(10**10) == 0
    assert store_datasets(10**13, name="music")[2].name == "music/databases"


# Where disks go


def test_vdevs_are_spread_over_controllers() -> None:
    two = [disk(number, controller_at=f"0000:0{3 + number % 2}:00.0") for number in range(20)]
    choice = choose_disks(store_plan(parse_layout("2xraidz3x10"), TB22), two)
    disks = by_name(*two)
    for vdev in choice.plan.vdevs:
        assert Counter(place_of(disks[name]) for name in vdev.disks) == {"mpt3sas at 0000:03:00.0": 5, "mpt3sas at 0000:04:00.0": 5}
    assert "it stops without mpt3sas at 0000:03:00.0" in choice.notes[0]


def test_a_vdev_that_survives_a_whole_shelf_is_said_to() -> None:
    shelves = [disk(number, bay=f"slot {number} of enclosure {number % 4}", bay_source="enclosure") for number in range(16)]
    choice = choose_disks(store_plan(parse_layout("2xraidz2x8"), TB22), shelves)
    assert choice.notes[0].endswith("it survives any one of them")


def test_one_controller_for_all_is_said() -> None:
    choice = choose_disks(store_plan(parse_layout("raidz1x3"), TB22), [disk(number) for number in range(3)])
    assert choice.notes == (
        "vdev 1 (raidz1): all disks at mpt3sas at 0000:03:00.0; without it the pool stops, and goes on when it is back",
    )


def test_only_free_good_disks_of_one_sort_are_chosen() -> None:
    busy = disk(1, uses=(DiskUse("partitioned", "/dev/sdb", "a GPT table"),))
    failing = disk(2, smart=SmartVerdict("failing"))
    smaller, larger = disk(3, bytes=10**12), disk(4, bytes=24 * 10**12)
    good = [disk(number) for number in range(10, 13)]
    chosen = choose_disks(store_plan(parse_layout("raidz1x3"), TB22), [busy, failing, smaller, larger, *good]).plan
    assert set(chosen.disks) == {one.best_name for one in good}
    with pytest.raises(DiskRefusedError, match=r"4 free disks of one sort are needed for data and spares; there are: 3 of 22.0 TB"):
        choose_disks(store_plan(parse_layout("raidz1x4"), TB22), [busy, failing, smaller, larger, *good])


@given(st.lists(st.integers(0, 3), min_size=12, max_size=24))
def test_every_vdev_is_spread_as_evenly_as_the_disks_allow(places: list[int]) -> None:
    disks = [disk(number, controller_at=f"0000:0{place}:00.0") for number, place in enumerate(places)]
    plan = choose_disks(store_plan(parse_layout("2xraidz2x6"), TB22), disks).plan
    known = by_name(*disks)
    chosen = Counter(place_of(known[name]) for name in plan.disks)
    for vdev in plan.vdevs:
        here = Counter(place_of(known[name]) for name in vdev.disks)
        assert all(here[place] <= -(-count // 2) + 1 for place, count in chosen.items())
    assert len(set(plan.disks)) == 12
