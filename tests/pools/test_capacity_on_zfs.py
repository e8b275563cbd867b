"""Capacity and allocation as reckoned, against what OpenZFS itself says of sparse disks: to the byte."""

from __future__ import annotations

import json

import pytest

from fonoteca.pools.capacity import Capacity, allocated, partition_bytes, reckon
from fonoteca.pools.filling import data_blocks, fill, metadata_blocks
from fonoteca.pools.histogram import SizeHistogram
from fonoteca.pools.layout import Layout, VdevShape, parse_layout
from zfs_lab import Guest

pytestmark = pytest.mark.xdist_group("zfs-lab")

GB, TB = 10**9, 10**12
POOLS = (
    ("2xraidz3x10", 22 * TB, 12),
    ("6xmirrorx2", 22 * TB, 12),
    ("draid3:8d:21c:1s", 22 * TB, 12),
    ("2xdraid2:4d:11c:1s", 10 * GB, 12),
    ("raidz1x3", 1 * GB, 9),
    ("raidz2x7", 300 * GB, 13),
    ("raidz1x5", 1 << 26, 12),
    ("stripex2", 7_654_321_987, 12),
    ("raidz1x3to5", 1 * GB, 12),
    ("raidz2x6+raidz2x8", 2 * TB, 12),
    ("raidz2x6+special:mirrorx2", 1 * TB, 12),
)


def words_for(layout: Layout, number: int) -> list[str]:
    """What `zpool create` is told, with files of its own for every place."""
    words, disk = [], 0
    for shape in layout.vdevs_and_special:
        kinds = {"mirror": ["mirror"], "stripe": [], "raidz": [f"raidz{shape.parity}"]}
        words += ["special"] if shape is layout.special else []
        words += kinds.get(shape.kind, [f"draid{shape.parity}:{shape.data}d:{shape.width}c:{shape.spares}s"])
        words += [f"/tmp/v/{number}-{disk + place}" for place in range(shape.made_width or shape.width)]
        disk += shape.width
    return words


def script_for(number: int, text: str, disk_bytes: int, ashift: int) -> str:
    """Make a pool, expand its first vdev where the layout says so, say its size, what it uses and has, and take it away."""
    layout = parse_layout(text)
    first, words = layout.vdevs[0], words_for(layout, number)
    added = [f"/tmp/v/{number}-{place}" for place in range(first.made_width, first.width) if first.made_width]
    disks = " ".join([*(word for word in words if word.startswith("/")), *added])
    expand = "\n".join(f"zpool attach -w p{number} raidz{first.parity}-0 {disk}" for disk in added)
    return f"""truncate -s {disk_bytes} {disks}
zpool create -f -o ashift={ashift} -O mountpoint=none p{number} {" ".join(words)}
{expand}
zpool sync p{number}
echo {number} $(zpool list -Hpo size p{number}) $(zfs list -Hpo used,available p{number})
zpool destroy p{number}; rm -f {disks}"""


def test_zpool_and_zfs_list_say_to_the_byte_what_was_reckoned(guest: Guest) -> None:
    script = "set -e; mkdir -p /tmp/v\n" + "\n".join(script_for(number, *pool) for number, pool in enumerate(POOLS))
    lines = guest.run(script, timeout_s=240).out.splitlines()
    found = {int(number): (int(size), int(used) + int(available)) for number, size, used, available in map(str.split, lines)}
    for number, (text, disk_bytes, ashift) in enumerate(POOLS):
        capacity = reckon(parse_layout(text), disk_bytes, ashift, whole_disks=False, special_disk_bytes=disk_bytes)
        size, shown = found[number]
        if capacity.special:  # the sum moves by the metadata on it, and is not that of one moment
            assert abs(shown - capacity.shown_bytes) < 1 << 20
            shown = capacity.shown_bytes
        assert (text, size, shown) == (text, capacity.pool_bytes, capacity.shown_bytes)


SIZES = (512, 513, 4096, 5000, 100_000, 131_072, 132_000, 255_000, 1_000_000, 1_048_576, 1_051_000, 1_900_000, 2_050_000, 3_490_000)
NAMES, SMALL = 1500, 4096
DATASETS = ("off-128K", "off-1M", "zstd-1M", "lz4-128K")
WRITE = f"""
import json, os
told = {{}}
for name in {DATASETS}:
    for size in {SIZES}:
        with open(f"/p/{{name}}/{{size}}", "wb") as file:
            file.write(os.urandom(size))
os.mkdir("/p/many/d")
for number in range({NAMES}):
    with open(f"/p/many/d/{{number:060}}", "wb") as file:
        file.write(os.urandom({SMALL}))
os.system("zpool sync p")
for name in {DATASETS}:
    told[name] = [os.stat(f"/p/{{name}}/{{size}}").st_blocks for size in {SIZES}]
print(json.dumps(told))
"""


def prepare(guest: Guest) -> Capacity:
    """A pool p of one RAIDZ3 of ten, with datasets by compression and recordsize."""
    disks = " ".join(f"/tmp/v/d{place}" for place in range(10))
    datasets = "\n".join(f"zfs create -o compression={name.split('-')[0]} -o recordsize={name.split('-')[1]} p/{name}" for name in DATASETS)
    guest.run(
        f"""set -e; mkdir -p /tmp/v; truncate -s {22 * TB} {disks}
zpool create -o ashift=12 -O atime=off -O xattr=sa -O dnodesize=auto p raidz3 {disks}
{datasets}
zfs create -o recordsize=1M -o compression=zstd p/many"""
    )
    return reckon(parse_layout("raidz3x10"), 22 * TB, whole_disks=False)


def blocks_of_file(capacity: Capacity, size: int, record: int, is_compressed: bool) -> int:
    """st_blocks of one file as zfs_getattr makes it: blocks and indirect blocks as zfs shows them, rounded, and two slots of its dnode."""
    shape: VdevShape = capacity.vdevs[0].shape
    blocks = [*data_blocks(size, record, 4096, is_compressed=is_compressed), *list(metadata_blocks(size, record))[1:]]
    return (sum(int(count) * capacity.shown(allocated(block, shape)) for block, count in blocks) + 256) // 512 + 2


def test_files_take_what_was_reckoned_of_raidz3(guest: Guest) -> None:
    capacity = prepare(guest)
    guest.put("/tmp/write.py", WRITE.encode())
    told = json.loads(guest.run("python3 /tmp/write.py", timeout_s=120).out)
    for name in DATASETS:
        record, is_compressed = 1 << (20 if "1M" in name else 17), not name.startswith("off")
        assert (name, told[name]) == (name, [blocks_of_file(capacity, size, record, is_compressed) for size in SIZES])
    taken = int(guest.run("zfs list -Hpo used p/many").out)
    reckoned = fill(capacity, SizeHistogram(((SMALL, float(NAMES)),), 1, ""), 1 << 20)
    assert (taken - reckoned.data_bytes) / reckoned.metadata_bytes == pytest.approx(1, abs=0.25)


@pytest.mark.slow
def test_whole_disks_are_partitioned_as_reckoned(guest_with_disks: Guest) -> None:
    disks = guest_with_disks.run("ls /dev/disk/by-id/wwn-* | grep -v part | head -5").out.split()
    guest_with_disks.run(["zpool", "create", "-f", "-o", "ashift=12", "whole", "raidz2", *disks])
    sizes = guest_with_disks.run(f"lsblk -bno SIZE {' '.join(f'{disk}-part1' for disk in disks)}").out.split()
    assert {int(size) for size in sizes} == {partition_bytes(22 * TB)}
    guest_with_disks.run("zpool sync whole")
    used, available = map(int, guest_with_disks.run("zfs list -Hpo used,available whole").out.split())
    capacity = reckon(parse_layout("raidz2x5"), 22 * TB)
    assert (int(guest_with_disks.run("zpool list -Hpo size whole").out), used + available) == (capacity.pool_bytes, capacity.shown_bytes)
