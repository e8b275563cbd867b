"""Bytes of pools as OpenZFS reckons them; what real zpool and zfs printed for sparse disks stands here as it was printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts_made import draids, layouts, mirrors, raidz

from fonoteca.ground.errors import UsageError
from fonoteca.pools.capacity import allocated, deflate_ratio, leaf_bytes, partition_bytes, reckon
from fonoteca.pools.layout import Layout, VdevShape, parse_layout

TB = 10**12
BLUEPRINT = parse_layout("2xraidz3x10")


def test_the_blueprint_is_what_openzfs_2_3_shows_for_it() -> None:
    capacity = reckon(BLUEPRINT, 22 * TB, whole_disks=False)
    assert capacity.pool_bytes == 439_976_449_802_240
    assert capacity.shown_bytes == 292_893_751_246_848


@pytest.mark.parametrize(
    ("layout", "disk", "pool", "shown", "records"),
    [
        ("2xraidz3x10", 22, 439.98, 292.89, 305.9),
        ("2xraidz3x11", 22, 483.99, 351.51, 351.9),
        ("2xraidz3x10", 24, 479.97, 319.53, 333.7),
        ("2xraidz3x12", 22, 527.97, 383.47, 392.8),
        ("2xraidz2x10", 22, 439.98, 335.00, 350.7),
        ("draid3:8d:21c:1s", 22, 439.99, 319.54, 319.86),
    ],
)
def test_layouts_of_large_disks_hold_what_was_measured(layout: str, disk: int, pool: float, shown: float, records: float) -> None:
    capacity = reckon(parse_layout(layout), disk * TB)
    assert capacity.pool_bytes / TB == pytest.approx(pool, abs=0.006)
    assert capacity.shown_bytes / TB == pytest.approx(shown, abs=0.006)
    assert capacity.holds(1 << 20) / TB == pytest.approx(records, abs=0.06)


def test_300_tb_do_not_fit_the_blueprint_at_128k_and_fill_it_at_1m() -> None:
    capacity = reckon(BLUEPRINT, 22 * TB)
    assert capacity.holds(1 << 17) / TB == pytest.approx(293, abs=0.5)
    assert 300 / (capacity.holds(1 << 20) / TB) == pytest.approx(0.98, abs=0.005)


def write_by_hand(sectors: int, width: int, parity: int) -> int:
    """Sectors that RAIDZ takes, row by row: parity in front of each row, then skips until a hole of parity + 1 fits."""
    taken = 0
    while sectors > 0:
        taken += parity + min(sectors, width - parity)
        sectors -= width - parity
    while taken % (parity + 1):
        taken += 1
    return taken


@given(raidz, st.integers(1, 1 << 22), st.integers(9, 16))
def test_raidz_allocates_rows_with_parity_and_skips(shape: VdevShape, size: int, ashift: int) -> None:
    sectors = -(-size // (1 << ashift))
    assert allocated(size, shape, ashift) == write_by_hand(sectors, shape.width, shape.parity) << ashift


@given(draids, st.integers(1, 1 << 22), st.integers(9, 16))
def test_draid_allocates_whole_stripes(shape: VdevShape, size: int, ashift: int) -> None:
    taken = allocated(size, shape, ashift)
    assert taken % (shape.group_width << ashift) == 0
    assert 0 <= taken // shape.group_width * shape.data - size < shape.data << ashift


@given(mirrors, st.integers(1, 1 << 22), st.integers(9, 16))
def test_a_mirror_allocates_sectors(shape: VdevShape, size: int, ashift: int) -> None:
    assert 0 <= allocated(size, shape, ashift) - size < 1 << ashift
    assert deflate_ratio(shape, ashift) == 512


@given(layouts, st.integers(1 << 30, 1 << 46), st.integers(0, 1 << 40), st.integers(9, 16))
def test_larger_disks_never_hold_less_and_nothing_is_shown_twice(layout: Layout, disk: int, more: int, ashift: int) -> None:
    small, large = reckon(layout, disk, ashift), reckon(layout, disk + more, ashift)
    assert large.raw_bytes >= small.raw_bytes
    assert 0 < small.shown_bytes <= small.pool_bytes <= small.raw_bytes
    assert small.shown_bytes <= large.shown_bytes + (large.shown_bytes >> 3)  # metaslabs become larger, and the last is cut off


def test_what_zpool_create_leaves_of_a_whole_disk() -> None:
    assert partition_bytes(22 * TB) % (1 << 20) == 0
    assert 22 * TB - partition_bytes(22 * TB) < 11 << 20
    assert partition_bytes(22 * TB, 4096) < partition_bytes(22 * TB)


def test_leaves_of_different_sizes_count_as_the_smallest_of_their_vdev() -> None:
    sizes = [4 * TB, 4 * TB, 2 * TB, 2 * TB]
    mixed = reckon(parse_layout("2xmirrorx2"), sizes)
    assert [vdev.leaf_bytes for vdev in mixed.vdevs] == [leaf_bytes(4 * TB), leaf_bytes(2 * TB)]
    assert reckon(parse_layout("2xmirrorx2"), [4 * TB, 2 * TB, 2 * TB, 2 * TB]) == reckon(
        parse_layout("2xmirrorx2"), [2 * TB, 4 * TB, 2 * TB, 2 * TB]
    )


def test_an_expanded_raidz_is_shown_with_the_parity_it_was_made_with() -> None:
    made, expanded, new = (reckon(parse_layout(text), 22 * TB) for text in ("raidz3x10", "raidz3x10to12", "raidz3x12"))
    assert expanded.vdevs[0].deflate == made.vdevs[0].deflate < new.vdevs[0].deflate
    assert expanded.pool_bytes == new.pool_bytes
    assert expanded.shown_bytes < new.shown_bytes
    assert expanded.holds(1 << 20) == pytest.approx(new.holds(1 << 20), rel=0.001)


def test_a_special_vdev_is_part_of_the_pool_and_not_of_what_files_may_fill() -> None:
    layout = parse_layout("2xraidz3x10+special:mirrorx3")
    with_it, without = reckon(layout, 22 * TB, special_disk_bytes=4 * TB), reckon(BLUEPRINT, 22 * TB)
    assert with_it.pool_bytes - without.pool_bytes == pytest.approx(4 * TB, rel=0.01)
    assert with_it.shown_bytes == without.shown_bytes


@pytest.mark.parametrize(
    ("disk", "ashift", "words"),
    [((1 << 26) - 1, 12, "64 MiB"), (22, 12, "TB left out"), (0, 12, "64 MiB"), (-5, 12, "64 MiB"), (TB, 8, "9"), (TB, 17, "16")],
)
def test_disks_too_small_and_sectors_out_of_range_are_refused(disk: int, ashift: int, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        reckon(BLUEPRINT, disk, ashift)
    assert words in str(caught.value)


def test_as_many_sizes_as_disks_are_needed() -> None:
    with pytest.raises(UsageError, match="3 sizes of disks for 20"):
        reckon(BLUEPRINT, [TB] * 3)
