"""What zpool and zfs say when they refuse, each as an error with a way out; captured from OpenZFS 2.3.9, or from the sources named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fonoteca.ground.errors import (
    AccessError,
    DiskFullError,
    DiskGoneError,
    DiskRefusedError,
    FonotecaError,
    NotFoundError,
    NoZfsError,
    PoolBusyError,
    PoolError,
    PoolSuspendedError,
    ProgramError,
    StaleTokenError,
    StreamError,
    UsageError,
)
from fonoteca.pools.zfs import Zfs, translate_zfs_error

IN_USE = "invalid vdev specification\nuse '-f' to override the following errors:\n"
SAID: list[tuple[str, type[FonotecaError]]] = [
    # captured from 2.3.9
    ("Permission denied the ZFS utilities must be run as root.", AccessError),
    ("cannot unmount '/tank/a b': pool or dataset is busy", PoolBusyError),
    ("cannot scrub tank: currently scrubbing; use 'zpool scrub -s' to cancel scrub", PoolBusyError),
    ("cannot destroy 'tank/a@b': it's being held. Run 'zfs holds -r tank/a@b' to see holders.", PoolBusyError),
    ("cannot offline d09: no such device in pool", NotFoundError),
    ("couldn't find device \"nix\" in pool \"tank\"", NotFoundError),
    ("cannot open 'nope': no such pool", NotFoundError),
    ("cannot open 'tank/zzz': dataset does not exist", NotFoundError),
    ("cannot resolve path '/tmp/nonexist'", NotFoundError),
    ("cannot open 'd02': no such device in /dev\nmust be a full path or shorthand device name", DiskGoneError),
    (f"{IN_USE}/tmp/v/d21 is reserved as a hot spare for pool tank", DiskRefusedError),
    (f"{IN_USE}/tmp/v/d01 is part of active pool 'tank'", DiskRefusedError),
    ("cannot create 'tank/a@b': snapshot delimiter '@' is not expected here", UsageError),
    # lib/libzfs/libzfs_util.c, libzfs_pool.c, libzfs_sendrecv.c and cmd/zpool of 2.1 and 2.2
    ("The ZFS modules are not loaded.\nTry running '/sbin/modprobe zfs' as root to load them.", NoZfsError),
    ("The ZFS modules cannot be auto-loaded.\nTry running 'modprobe zfs' as root to manually load them.", NoZfsError),
    ("Unable to open /dev/zfs: No such file or directory.", NoZfsError),
    ("cannot create 'tank/q': permission denied", AccessError),
    ("cannot scrub 'tank': pool is currently resilvering", PoolBusyError),
    ("cannot replace sdb with sdc: already in replacing/spare config; wait for completion or use 'zpool detach'", PoolBusyError),
    ("cannot replace sdb with sdc: sdc is busy, or device removal is in progress", PoolBusyError),
    ("cannot export 'tank': pool is busy", PoolBusyError),
    ("cannot import 'tank': pool was previously in use from other system.\nLast accessed by old at Mon Nov 23",
     PoolBusyError),
    ("cannot replace sdb with sdc: device is too small", DiskRefusedError),
    ("cannot replace sdb with sdc: new device has a different optimal sector size; use the option '-o ashift=N'",
     DiskRefusedError),
    ("cannot offline sdb: no valid replicas", DiskRefusedError),
    ("cannot open 'tank': pool I/O is currently suspended", PoolSuspendedError),
    ("cannot clear errors for tank: I/O error", DiskGoneError),
    ("cannot open '/dev/disk/by-id/ata-X': No such file or directory", DiskGoneError),
    ("cannot open '/dev/sdq': No such device or address", DiskGoneError),
    ("cannot receive new filesystem stream: out of space", DiskFullError),
    ("cannot create 'tank/q': out of space", DiskFullError),
    ("cannot resume send: 'tank/a@b' used in the initial send no longer exists", StaleTokenError),
    ("cannot receive: invalid stream (checksum mismatch)", StreamError),
    ("cannot create 'tank/a%b': invalid character '%' in name", UsageError),
    ("cannot create 'mirror': name is reserved", UsageError),
    ("cannot create '-tank': name must begin with a letter", UsageError),
    ("something that no version has said so far", PoolError),
]  # fmt: skip


@pytest.mark.parametrize(("words", "kind"), SAID, ids=[words.splitlines()[-1][:60] for words, _ in SAID])
def test_what_zfs_says_is_an_error_with_the_fact_and_a_way_out(words: str, kind: type[FonotecaError]) -> None:
    error = translate_zfs_error(ProgramError("zpool ended with status 1", "Run it by hand.", status=1, stderr=words), "zpool replace")
    assert type(error) is kind
    assert words.splitlines()[-1].strip() in error.message and error.message.startswith("zpool replace: ")
    assert error.hint


def test_a_machine_without_zfs_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoZfsError, match="zpool is not installed") as caught:
        Zfs(prefix=[str(tmp_path / "none")] if shutil.which("zpool") else []).zpool("status")
    assert "zfsutils-linux" in caught.value.hint


WHERE_TESTED = {
    "no ZFS": ("test_pool_errors", "test_a_machine_without_zfs_says_how_to_install_it"),
    "no permission": ("test_pool_errors", "test_what_zfs_says_is_an_error_with_the_fact_and_a_way_out"),
    "pool busy": ("test_pool_errors", "test_what_zfs_says_is_an_error_with_the_fact_and_a_way_out"),
    "disk vanishes in the middle": ("test_replacing_runs", "test_a_new_disk_that_vanishes_ends_the_watching_with_the_way_out"),
    "second disk dies in the middle": ("test_replacing_runs", "test_a_second_death_is_told_and_the_end_is_not_called_healthy"),
    "wrong disk pulled": ("test_replacing_runs", "test_a_good_disk_that_was_pulled_goes_back_first_unless_it_is_said_to_be_meant"),
    "pool suspended": ("test_replacing", "test_a_suspended_pool_is_touched_by_nobody"),
    "target full": ("test_transport", "test_target_that_is_full_is_told_with_the_way_out"),
    "target unreachable": ("test_transport", "test_strange_key_closed_port_and_unknown_host_are_told_apart"),
    "SSH host key changed": ("test_transport", "test_host_key_that_changed_is_never_believed"),
    "token stale": ("test_replication", "test_token_of_something_else_is_stale"),
    "snapshot gone": ("test_replication", "test_snapshot_gone_that_was_under_way_is_told_and_forgotten_only_when_asked"),
    "dataset name with a space": ("test_transport", "test_dataset_with_a_space_has_an_address"),
    "clock wrong": ("test_retention", "test_snapshot_from_the_future_is_a_fault_of_the_clock"),
    "clock wrong on a replica": ("test_proving_replica", "test_snapshot_from_the_future_says_that_a_clock_is_wrong"),
}


@pytest.mark.parametrize("error", WHERE_TESTED)
def test_every_error_that_can_be_foreseen_has_a_test(error: str) -> None:
    file, name = WHERE_TESTED[error]
    assert f"def {name}(" in (Path(__file__).parent / f"{file}.py").read_text("utf-8")
