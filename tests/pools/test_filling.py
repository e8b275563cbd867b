"""What files take on a pool: records, tails, metadata."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import UsageError
from fonoteca.pools.capacity import allocated, reckon
from fonoteca.pools.filling import count_blocks, data_blocks, fill, format_record, metadata_blocks, parse_record, special_bytes
from fonoteca.pools.histogram import SizeHistogram, counted_histogram, workload_histogram
from fonoteca.pools.layout import parse_layout

TB = 10**12
BLUEPRINT = reckon(parse_layout("2xraidz3x10"), 22 * TB)
records = st.integers(9, 24).map(lambda shift: 1 << shift)


@given(st.integers(0, 1 << 26), records, st.booleans())
def test_the_blocks_of_a_file_hold_it_and_no_record_more(size: int, record: int, is_compressed: bool) -> None:
    blocks = list(data_blocks(size, record, 4096, is_compressed=is_compressed))
    whole = sum(block * count for block, count in blocks)
    assert size <= whole < size + max(record, 4096)
    assert all(block <= max(record, 512) for block, _ in blocks)


@given(st.integers(1, 1 << 40), records)
def test_every_record_has_its_pointer(size: int, record: int) -> None:
    pointers = sum(block * count for block, count in list(metadata_blocks(size, record))[1:]) / 80 / 2
    needed = -(-size // record)
    assert pointers >= needed if needed > 1 else pointers == 0


def test_the_reference_workload_has_its_published_size_and_mean() -> None:
    files = workload_histogram(300 * TB)
    assert files.bytes == pytest.approx(300 * TB, rel=1e-9)
    assert files.files == pytest.approx(86e6, rel=1e-6)
    small = sum(size * count for size, count in files.sizes if count) / files.files
    assert small == pytest.approx(3.49e6, rel=0.002)


def test_300_tb_overfill_the_blueprint_at_128k_and_nearly_fill_it_at_1m() -> None:
    files = workload_histogram(300 * TB)
    at_1m, at_128k = (fill(BLUEPRINT, files, record) for record in (1 << 20, 1 << 17))
    assert at_128k.shown_bytes > BLUEPRINT.shown_bytes
    assert 0.98 < at_1m.shown_bytes / BLUEPRINT.shown_bytes < 1


def test_without_compression_last_records_are_padded_and_300_tb_do_not_fit_at_1m_either() -> None:
    files = workload_histogram(300 * TB)
    assert fill(BLUEPRINT, files, 1 << 20, is_compressed=False).shown_bytes > 1.1 * BLUEPRINT.shown_bytes


@given(st.lists(st.tuples(st.integers(1, 10**8), st.integers(1, 1000)), min_size=1, max_size=20, unique_by=lambda one: one[0]))
def test_blocks_of_all_files_are_those_of_each(sizes: list[tuple[int, int]]) -> None:
    files = SizeHistogram(tuple(sorted((size, float(count)) for size, count in sizes)), 1, "")
    whole = sum(block * count for block, count in count_blocks(files, 1 << 20, 12, True).data)
    each = sum(count * sum(b * n for b, n in data_blocks(size, 1 << 20, 4096, is_compressed=True)) for size, count in sizes)
    assert whole == pytest.approx(each)


def test_a_special_mirror_takes_metadata_and_small_files_off_the_disks() -> None:
    files = SizeHistogram(((10_000, 1000.0), (5_000_000, 10.0)), 1, "")
    layout = parse_layout("2xraidz3x10+special:mirrorx2")
    apart = reckon(layout, 22 * TB, special_disk_bytes=4 * TB)
    plain, split = fill(BLUEPRINT, files, 1 << 20), fill(apart, files, 1 << 20, small_blocks=1 << 14)
    assert split.metadata_bytes == 0
    assert split.special_bytes > 1000 * 12_288
    assert split.data_bytes < plain.data_bytes / 1.2
    assert special_bytes(files, 1 << 20) < split.special_bytes


def test_an_archive_counted_in_grains_keeps_its_sum() -> None:
    files = counted_histogram([(0, 3, 3000), (2, 1, 9000), (1, 0, 0)], 2, "an archive")
    assert files.sizes == ((1000, 3.0), (9000, 1.0))
    assert (files.bytes, files.files, files.grown_to(24_000).files) == (12_000, 4.0, 8.0)


def test_a_file_of_one_sector_takes_four_on_raidz3() -> None:
    assert allocated(1, parse_layout("raidz3x10").vdevs[0]) == 4 * 4096


@given(records)
def test_record_sizes_are_written_as_zfs_does(record: int) -> None:
    assert parse_record(format_record(record)) == record


@pytest.mark.parametrize("text", ["100K", "3M", "32M", "256", "", "K", "-1M", "1e6", "1.5M", "9" * 400, "1T", "٤K"])
def test_record_sizes_that_zfs_refuses_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="recordsize") as caught:
        parse_record(text)
    assert caught.value.hint
