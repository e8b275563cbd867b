"""What files take on a pool: records rounded to sectors, parity, tails, and the metadata about them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.pools.capacity import Capacity, allocated, deflate_ratio
from fonoteca.pools.histogram import SizeHistogram
from fonoteca.pools.layout import VdevShape

LEAST_RECORD, MOST_RECORD = 512, 1 << 24

POINTERS, POINTER_BYTES = 1024, 80
"""Block pointers in an indirect block of 128 KiB, and bytes of each after LZ4 (of 128)."""

DNODE_BYTES = 1024
"""Of dnodesize=auto with xattr=sa; 16 in a block of 16 KiB, which LZ4 halves."""

_DNODE_BLOCK, _ENTRIES, _COPIES = 16384, 89, 2
_HALF = 8192
"""What LZ4 leaves of 16 KiB of dnodes, or of a leaf of a directory with 89 names of 60 letters."""


class Filling(msgspec.Struct, frozen=True):
    """What a set of files takes, in bytes as zfs shows them. `small` blocks and metadata are on the special vdev where there is one."""

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
    if not number.isdecimal() or len(number) > 9:
        raise UsageError(f"not a recordsize: {text!r}", "Write it as ZFS does: 128K, 1M.")
    return check_record(int(number) * unit)


def format_record(record_bytes: int) -> str:
    """The record size as ZFS writes it."""
    for unit, name in ((1 << 20, "M"), (1 << 10, "K")):
        if record_bytes % unit == 0:
            return f"{record_bytes // unit}{name}"
    return str(record_bytes)


def fill(capacity: Capacity, histogram: SizeHistogram, record_bytes: int, *, is_compressed: bool = True, small_blocks: int = 0) -> Filling:
    """What the files take with this recordsize. Music itself cannot be compressed; padding of last records can.

    `small_blocks` is special_small_blocks: files of no more are on the special vdev whole.
    """
    check_record(record_bytes)
    costs, whole, apart = _Costs(capacity), histogram.bytes, 0
    if capacity.special is not None:
        apart = special_bytes(histogram, record_bytes, capacity.ashift, small_blocks)
        histogram = histogram.above(min(small_blocks, record_bytes))
    data = metadata = 0.0
    for size, count in histogram.sizes:
        data += count * data_cost(size, record_bytes, costs.block, 1 << capacity.ashift, is_compressed=is_compressed)
        metadata += count * metadata_cost(size, record_bytes, costs.block)
    metadata += (histogram.files / _ENTRIES + histogram.folders) * _COPIES * costs.block(_HALF)
    if capacity.special is not None:
        return Filling(record_bytes, whole, round(data), 0, apart)
    return Filling(record_bytes, whole, round(data), round(metadata), 0)


def special_bytes(histogram: SizeHistogram, record_bytes: int, ashift: int = 12, small_blocks: int = 0) -> int:
    """What metadata, and files of up to `small_blocks`, would take on each disk of a special mirror."""

    def cost(size: int) -> float:
        return float(allocated(size, VdevShape("mirror", 0, 2), ashift))

    found = (histogram.files / _ENTRIES + histogram.folders) * _COPIES * cost(_HALF)
    for size, count in histogram.sizes:
        found += count * metadata_cost(size, record_bytes, cost)
        found += count * cost(size) if size <= min(small_blocks, record_bytes) else 0.0
    return round(found)


def data_cost(size: int, record_bytes: int, cost: Callable[[int], float], sector: int, *, is_compressed: bool) -> float:
    """Of one file's content: one block where it fits into a record, else full records; the last is padded, and padding compresses."""
    if size <= record_bytes:
        return cost(-(-size // 512) * 512) if size else 0.0
    full, tail = divmod(size, record_bytes)
    last = min(record_bytes, -(-tail // sector) * sector) if is_compressed else record_bytes
    return full * cost(record_bytes) + (cost(last) if tail else 0.0)


def metadata_cost(size: int, record_bytes: int, cost: Callable[[int], float]) -> float:
    """About one file: its share of a block of dnodes, and its indirect blocks, each kept twice."""
    found = _COPIES * cost(_HALF) * DNODE_BYTES / _DNODE_BLOCK
    blocks = -(-size // record_bytes)
    while blocks > 1:
        indirect, rest = divmod(blocks, POINTERS)
        found += _COPIES * (indirect * cost(POINTERS * POINTER_BYTES) + (cost(rest * POINTER_BYTES) if rest else 0.0))
        blocks = -(-blocks // POINTERS)
    return found


class _Costs:
    """What zfs shows for one block of a size, over all vdevs by their share of the pool; remembered."""

    def __init__(self, capacity: Capacity) -> None:
        self.ashift = capacity.ashift
        whole = sum(vdev.size_bytes for vdev in capacity.vdevs)
        shares: dict[VdevShape, float] = {}
        for vdev in capacity.vdevs:
            shares[vdev.shape] = shares.get(vdev.shape, 0.0) + vdev.size_bytes / whole
        self.shares = [(shape, share, deflate_ratio(shape, self.ashift)) for shape, share in shares.items()]
        self.known: dict[int, float] = {}

    def block(self, size: int) -> float:
        if size not in self.known:
            parts = (share * (allocated(size, shape, self.ashift) // 512 * ratio) for shape, share, ratio in self.shares)
            self.known[size] = sum(parts)
        return self.known[size]
