"""Reading again leaves in memory what was there before, and nothing else; measured with mincore(2)."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from fonoteca.integrity.paced_proving import Pace, prove_paced
from fonoteca.integrity.page_cache import QuietReader, file_system_of, resident_pages
from fonoteca.integrity.schedule import Provable

BYTES = 40 << 20
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def half_read(tmp_path: Path) -> Path:
    """A file on a real disk, of which two stretches are in memory because somebody works with them."""
    folder = ROOT / "build" if file_system_of(tmp_path) in ("tmpfs", "ramfs", "overlay") else tmp_path
    folder.mkdir(exist_ok=True)
    path = folder / f"page-cache-{os.getpid()}.bin"
    with open(path, "wb") as file:
        for _ in range(BYTES >> 20):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        os.pread(file.fileno(), 3 << 20, 5 << 20)
        os.pread(file.fileno(), 123_456, 33 << 20)
        before = resident_pages(file.fileno(), 0, BYTES)
        if not 0 < sum(before) < len(before):
            pytest.skip("this file system keeps no pages, or all of them")
    yield path
    path.unlink()


def pages_of(path: Path) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return resident_pages(file.fileno(), 0, BYTES)


@pytest.mark.parametrize("drops_behind", [True, False], ids=["dropped-behind-by-the-kernel", "dropped-by-us"])
def test_only_what_was_in_memory_before_stays_there(half_read: Path, drops_behind: bool) -> None:
    before = pages_of(half_read)
    digest = hashlib.sha256()
    with open(half_read, "rb", buffering=0) as file:
        reader = QuietReader(file.fileno(), BYTES, drops_behind=drops_behind)
        view = memoryview(bytearray(1 << 20))
        while count := reader.read_into(view):
            digest.update(view[:count])
        reader.close()
    after = pages_of(half_read)
    assert all(then <= now for then, now in zip(before, after, strict=True)), "what others work with was thrown out"
    assert sum(after) - sum(before) <= 16, f"{sum(after) - sum(before)} pages more are in memory"
    assert digest.hexdigest() == hashlib.sha256(half_read.read_bytes()).hexdigest()


def test_proving_leaves_the_page_cache_as_it_found_it(half_read: Path) -> None:
    sha256 = hashlib.sha256(half_read.read_bytes()).hexdigest()
    with open(half_read, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = sum(pages_of(half_read))
    item = Provable(key="one", path=half_read, size=BYTES, proved_at=0, sha256=sha256)
    (outcomes,) = prove_paced([item], Pace(threading.Event()))
    assert outcomes[0].finding is None and outcomes[0].read == BYTES
    assert sum(pages_of(half_read)) - before <= 16


MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tank /tank zfs rw,xattr 0 0
tank/music /tank/my\\040music zfs rw 0 0
/dev/sdb1 /tank/my\\040music/fast xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home", "ext4"), ("/tank/my music/x", "zfs"), ("/tank/my music/fast/y", "xfs"), ("/tankard", "ext4"), ("/tank", "zfs")],
)
def test_the_file_system_is_that_of_the_deepest_mount(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind
