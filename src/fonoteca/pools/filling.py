"""What files take on a pool: records rounded to sectors, parity, tails, and the metadata about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.pools.capacity import Capacity, allocated, deflate_ratio
from fonoteca.pools.histogram import SizeHistogram
from fonoteca.pools.layout import VdevShape

LEAST_RECORD, MOST_RECORD = 512, 1 << 24

POINTERS, POINTER_BYTES = 1024, 80
"""Block pointers in an indirect block of 128 KiB, and bytes of each after LZ4 (of 128)."""

_DNODES, _DNODE_BLOCK = 16, 4096
"""Dnodes of 1 KiB (dnodesize=auto with xattr=sa) in a block, and what LZ4 leaves of the block (measured on OpenZFS 2.3, November 2026)."""

_ENTRIES, _LEAF = 89, 8192
"""Names of 60 letters in a leaf of a folder, and what LZ4 leaves of it."""

_COPIES = 2
_MIRROR = VdevShape("mirror", 0, 2)


class Filling(msgspec.Struct, frozen=True):
    """What a set of files takes, in bytes as zfs shows them; metadata and small files are on the special vdev where there is one."""

    record_bytes: int
    file_bytes: int
    data_bytes: int
    metadata_bytes: int
    special_bytes: int
    """On each disk of the special mirror; 0 without one."""

    @property
    def shown_bytes(self) -> int:
        """All that counts against the shown size of the pool."""
        return self.data_bytes + self.metadata_bytes


class Blocks(msgspec.Struct, frozen=True):
    """Blocks of files before they are allocated: (bytes, how many) of content and of metadata, each copy counted."""

    data: tuple[tuple[int, float], ...]
    metadata: tuple[tuple[int, float], ...]


def check_record(record_bytes: int) -> int:
    """The record size itself where ZFS takes it, else UsageError."""
    if not LEAST_RECORD <= record_bytes <= MOST_RECORD or record_bytes & (record_bytes - 1):
        raise UsageError(
            f"recordsize {record_bytes:,}: ZFS takes powers of two from 512 bytes to 16 MiB",
            "1M (1 MiB) fits music; 128K is the default of ZFS.",
        )
    return record_bytes


def parse_record(text: str) -> int:
    """Bytes of a record size as ZFS writes it: 128K, 1M; the binary K and M are meant."""
    number, unit = text.strip().upper().removesuffix("IB").removesuffix("B"), 1
    if number[-1:] in ("K", "M"):
        number, unit = number[:-1], 1 << (10 if number[-1] == "K" else 20)
    if not (number.isascii() and number.isdecimal()) or len(number) > 9:
        raise UsageError(f"not a recordsize: {text!r}", "Write it as ZFS does: 128K, 1M.")
    return check_record(int(number) * unit)


def format_record(record_bytes: int) -> str:
    """The record size as ZFS writes it."""
    for unit, name in ((1 << 20, "M"), (1 << 10, "K")):
        if record_bytes % unit == 0:
            return f"{record_bytes // unit}{name}"
    return str(record_bytes)


def fill(
    capacity: Capacity, histogram: SizeHistogram, record_bytes: int, *, is_compressed: bool = True, small_blocks: int = 0
) -> Filling:  # fmt: skip
    """What the files take with this recordsize. Music itself cannot be compressed; padding of last records can.

    `small_blocks` is special_small_blocks: files of no more are on the special vdev whole.
    """
    cost = _shown_costs(capacity)
    if capacity.special is None:
        blocks = count_blocks(histogram, check_record(record_bytes), capacity.ashift, is_compressed)
        return Filling(record_bytes, histogram.bytes, _cost(blocks.data, cost), _cost(blocks.metadata, cost), 0)
    on_disks = histogram.above(min(small_blocks, record_bytes))
    data = _cost(count_blocks(on_disks, check_record(record_bytes), capacity.ashift, is_compressed).data, cost)
    return Filling(record_bytes, histogram.bytes, data, 0, special_bytes(histogram, record_bytes, capacity.ashift, small_blocks))


def special_bytes(histogram: SizeHistogram, record_bytes: int, ashift: int = 12, small_blocks: int = 0) -> int:
    """What metadata, and files of up to `small_blocks`, would take on each disk of a special mirror."""
    cost = partial(allocated, shape=_MIRROR, ashift=ashift)
    blocks = count_blocks(histogram, check_record(record_bytes), ashift, True)
    return _cost(blocks.metadata, cost) + _cost(histogram.up_to(min(small_blocks, record_bytes)).sizes, cost)


@lru_cache(maxsize=64)
def count_blocks(histogram: SizeHistogram, record_bytes: int, ashift: int, is_compressed: bool) -> Blocks:
    """The blocks that all the files are written as."""
    data, metadata = defaultdict[int, float](float), defaultdict[int, float](float)
    for size, count in histogram.sizes:
        for block, times in data_blocks(size, record_bytes, 1 << ashift, is_compressed=is_compressed):
            data[block] += times * count
        for block, times in metadata_blocks(size, record_bytes):
            metadata[block] += times * count
    metadata[_LEAF] += (histogram.files / _ENTRIES + histogram.folders) * _COPIES
    return Blocks(tuple(sorted(data.items())), tuple(sorted(metadata.items())))


def data_blocks(size: int, record_bytes: int, sector: int, *, is_compressed: bool) -> Iterator[tuple[int, float]]:
    """Of one file's content: one block where it fits into a record, else full records.

    The last is padded, and padding compresses where that saves an eighth of the record; less ZFS does not take.
    """
    if size <= record_bytes:
        if size:
            yield -(-size // 512) * 512, 1
        return
    full, tail = divmod(size, record_bytes)
    yield record_bytes, full
    if tail:
        last = -(-tail // sector) * sector
        yield (last if is_compressed and last <= record_bytes - record_bytes // 8 else record_bytes), 1


def metadata_blocks(size: int, record_bytes: int) -> Iterator[tuple[int, float]]:
    """About one file: its share of a block of dnodes, and its indirect blocks, each kept twice."""
    yield _DNODE_BLOCK, _COPIES / _DNODES
    blocks = -(-size // record_bytes)
    while blocks > 1:
        indirect, rest = divmod(blocks, POINTERS)
        if indirect:
            yield POINTERS * POINTER_BYTES, _COPIES * indirect
        if rest:
            yield rest * POINTER_BYTES, _COPIES
        blocks = -(-blocks // POINTERS)


def _cost(blocks: Iterable[tuple[int, float]], cost: Callable[[int], float]) -> int:
    return round(sum(count * cost(size) for size, count in blocks))


def _shown_costs(capacity: Capacity) -> Callable[[int], float]:
    """What zfs shows for one block of a size, over all vdevs by their share of the pool."""
    whole = sum(vdev.size_bytes for vdev in capacity.vdevs)
    shares: dict[VdevShape, float] = {}
    for vdev in capacity.vdevs:
        shares[vdev.shape] = shares.get(vdev.shape, 0.0) + vdev.size_bytes / whole
    ashift, ratios = capacity.ashift, {shape: deflate_ratio(shape, capacity.ashift) for shape in shares}
    return lambda size: sum(share * (allocated(size, shape, ashift) // 512 * ratios[shape]) for shape, share in shares.items())
