"""Over SSH: a real sshd of this user with a forced command, a stand-in for zfs behind it; every failure has its own words."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import (
    AccessError,
    DiskFullError,
    FonotecaError,
    HostKeyError,
    NotFoundError,
    PoolBusyError,
    SnapshotConflictError,
    StaleTokenError,
    StreamError,
    TargetError,
    UsageError,
)
from fonoteca.ground.pool_settings import ReplicaSettings
from fonoteca.ground.programs import ProgramEnd
from fonoteca.ground.progress import Silent
from fonoteca.pools import Zfs
from fonoteca.pools.replica_sides import RemoteSide, translate_stream_error
from fonoteca.pools.transport import Place, SshOptions, parse_place, ssh_command, translate_ssh_error
from fonoteca.workflows.pool.replicas import Replica, ReplicaReport, run_replica
from fonoteca.workflows.pool.replicate import ReplicationOptions

SOURCE = Path(__file__).resolve().parent.parent.parent / "src"
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PLACE = Place("backup/f", "attic", "mirror", 2222)


@given(
    st.from_regex(r"\A[a-z][A-Za-z0-9_.:-]{0,9}(/[A-Za-z0-9_:][A-Za-z0-9_.: -]{0,8}[a-z]){0,3}\Z"),
    st.sampled_from(["", "attic", "attic.example.org", "10.0.0.1", "2001:db8::1"]),
    st.sampled_from(["", "root", "backup-user"]), st.none() | st.integers(1, 65535),
)  # fmt: skip
def test_address_that_is_written_is_read_again(dataset: str, host: str, user: str, port: int | None) -> None:
    place = Place(dataset, host, user, port) if host else Place(dataset)
    assert parse_place(str(place)) == place


def test_dataset_with_a_space_has_an_address() -> None:
    assert parse_place("ssh://root@attic/tank/my%20music") == Place("tank/my music", "attic", "root")


@pytest.mark.parametrize("text", [
    "", "tank@monday", "-F", "tank/../else", "ssh://", "ssh://attic", "ssh://attic/", "ssh://-oProxyCommand=reboot/tank", "ssh://a b/tank",
    "ssh://-l@attic/tank", "ssh://attic:0/tank", "ssh://attic:99999/tank", "ssh://attic/tank@1", "tank/", "/tank", "tank//a", "tank\n/a",
    "1tank", "http://attic/tank", "ssh://attic/tank/-F/..",
])  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_place(text)


def test_request_is_quoted_for_the_shell_that_may_stand_there() -> None:
    command = ssh_command(PLACE, ["fonoteca", "list", "a b;reboot"], SshOptions("/k"))
    assert command[-3:] == ["--", "attic", "fonoteca list 'a b;reboot'"] and "StrictHostKeyChecking=yes" in command
    assert "StrictHostKeyChecking=accept-new" in ssh_command(PLACE, ["x"], SshOptions(is_first=True))


@pytest.mark.parametrize(("stderr", "kind", "word"), [
    ("@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@\nHost key verification failed.", HostKeyError, "[attic]:2222"),
    ("No ED25519 host key is known for attic and you have requested strict checking.\nHost key veri…", HostKeyError, "--first"),
    ("ssh: Could not resolve hostname attic: Name or service not known", TargetError, "name"),
    ("ssh: connect to host attic port 2222: Connection refused", TargetError, "sshd"),
    ("ssh: connect to host attic port 2222: Connection timed out", TargetError, "network"),
    ("ssh: connect to host attic port 2222: No route to host", TargetError, "goes on"),
    ("Timeout, server attic not responding.", TargetError, "goes on"),
    ("client_loop: send disconnect: Broken pipe", TargetError, "goes on"),
    ("mirror@attic: Permission denied (publickey).", TargetError, "authorized_keys"),
    ("bash: line 1: fonoteca: command not found", TargetError, "Install it"),
    ('{"code":"disk-full","message":"zfs receive: out of space","hint":"Make room"}', DiskFullError, "Make room"),
    ('Warning: odd\n{"code":"pool-busy","message":"busy","hint":"h"}\nConnection to attic closed.', PoolBusyError, "h"),
    ('{"code":"what-is-this","message":"m","hint":"h"}', TargetError, "h"),
    ("{broken", TargetError, "ssh -v"), ("", TargetError, "ssh -v"),
])  # fmt: skip
def test_each_failure_has_its_error_and_way_out(stderr: str, kind: type[FonotecaError], word: str) -> None:
    error = translate_ssh_error(ProgramEnd(("ssh",), 255, stderr), PLACE)
    assert type(error) is kind and word in error.hint


@given(st.text(max_size=300))
def test_whatever_ssh_says_is_an_error_of_ours(stderr: str) -> None:
    assert isinstance(translate_ssh_error(ProgramEnd(("ssh",), 255, stderr), PLACE), FonotecaError)


class Attic(NamedTuple):
    """The other machine: an sshd on the loopback, its stand-in for zfs, and the way there."""

    folder: Path
    port: int
    config: Path

    def place(self, dataset: str = "backup/f") -> Place:
        return Place(dataset, "127.0.0.1", port=self.port)

    @property
    def history(self) -> str:
        return (self.folder / "far" / "history").read_text()


@pytest.fixture(scope="module")
def attic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attic]:
    if SSHD is None:
        pytest.skip("openssh-server is not installed")
    folder = tmp_path_factory.mktemp("attic")
    folder.chmod(0o755)
    for name in ("host_key", "other_key", "user_key", "stranger_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    _write_zfs(folder)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _write_settings(folder, port)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    daemon = subprocess.Popen([SSHD, "-D", "-E", folder / "log", "-f", folder / "sshd_config"])
    try:
        _wait_for(port)
        yield Attic(folder, port, folder / "ssh_config")
    finally:
        daemon.terminate()
        daemon.wait()


def _write_zfs(folder: Path) -> None:
    """`zfs` of here and of there are one program with two folders."""
    for side in ("near", "far"):
        (folder / side).mkdir()
        for name in ("zfs", "zpool"):
            program = folder / side / name
            program.write_text(
                f'#!/bin/sh\nFAKE_ZFS={folder / side} exec {sys.executable} -ES {SOURCE.parent / "tests" / "fake_zfs.py"} "$@"\n'
            )
            program.chmod(0o755)
    answer = folder / "answer"
    answer.write_text(f'#!/bin/sh\nPATH={folder / "far"}:$PATH PYTHONPATH={SOURCE} exec {sys.executable} -m fonoteca pool answer "$@"\n')
    answer.chmod(0o755)


def _write_settings(folder: Path, port: int) -> None:
    (folder / "authorized_keys").write_text(
        f'command="{folder / "answer"} --dataset backup/f --may receive",restrict {(folder / "user_key.pub").read_text()}'
    )
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host_key'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nAuthorizedKeysFile {folder / 'authorized_keys'}\nPermitRootLogin prohibit-password\n"
    )
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    (folder / "ssh_config").write_text(f"UserKnownHostsFile {known}\nGlobalKnownHostsFile /dev/null\nIdentitiesOnly yes\n")


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("sshd does not start")


@pytest.fixture(autouse=True)
def _near_zfs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "attic" not in request.fixturenames:
        return
    folder = request.getfixturevalue("attic").folder
    monkeypatch.setenv("PATH", f"{folder / 'near'}:{os.environ['PATH']}")
    snapshots = [["one", 11], ["two", 12]]
    (folder / "near" / "datasets.json").write_text(json.dumps({"tank/f": {"snapshots": snapshots, "bookmarks": []}}))
    for name in ("datasets.json", "fail", "history"):
        (folder / "far" / name).unlink(missing_ok=True)


def replicate(attic: Attic, tmp_path: Path, place: Place | None = None, **options: str | bool) -> ReplicaReport:
    ssh = SshOptions(str(attic.folder / str(options.pop("key", "user_key"))), config=str(attic.config), **options)  # type: ignore[arg-type]
    there = place or attic.place()
    replica = Replica(ReplicaSettings("attic", str(there)), Place("tank/f"), there, tmp_path, ssh)
    return run_replica(replica, Zfs(), ReplicationOptions(), Silent(), 1_790_000_100)


def test_push_through_a_forced_command_arrives_and_then_has_nothing_to_do(attic: Attic, tmp_path: Path) -> None:
    report = replicate(attic, tmp_path)
    assert [(one.step.kind, one.step.snapshot, one.bytes) for one in report.replication.sent] == [
        ("full", "one", 100_312),
        ("incremental", "two", 100_312),
    ]
    again = replicate(attic, tmp_path)
    assert not again.replication.sent and [one.guid for one in again.replication.up_to_date] == [12] and not again.findings
    assert "receive -s -u -o readonly=on -o canmount=noauto -x mountpoint backup/f\n" in attic.history
    assert json.loads((tmp_path / "replicas.json").read_text())["replicas"][0]["snapshot"] == "two"


def test_key_opens_no_shell_and_nothing_outside_of_its_dataset(attic: Attic, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="not backup/f nor below"):
        replicate(attic, tmp_path, attic.place("backup/other"))
    options = ["-F", attic.config, "-i", attic.folder / "user_key", "-o", "BatchMode=yes", "-p", str(attic.port), "127.0.0.1"]
    for words in (["zfs destroy -r backup/f"], []):
        done = subprocess.run(["ssh", "-T", *options, *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and "refused" in done.stderr and not done.stdout
    assert "destroy" not in (attic.history if (attic.folder / "far" / "history").exists() else "")


def test_target_that_is_full_is_told_with_the_way_out(attic: Attic, tmp_path: Path) -> None:
    (attic.folder / "far" / "fail").write_text("cannot receive new filesystem stream: out of space")
    with pytest.raises(DiskFullError, match=r"the other side: zfs receive: .*out of space"):
        replicate(attic, tmp_path)
    assert "out of space" in json.loads((tmp_path / "replicas.json").read_text())["replicas"][0]["failure"]


@pytest.mark.parametrize(("stderr", "kind"), [
    ("cannot receive new filesystem stream: dataset is busy", PoolBusyError),
    ("cannot receive incremental stream: destination backup/f has been modified\nsince most recent snapshot", SnapshotConflictError),
    ("cannot receive new filesystem stream: destination 'backup/f' exists\nmust specify -F to overwrite it", SnapshotConflictError),
    ("cannot receive incremental stream: most recent snapshot of b does not\nmatch incremental source", SnapshotConflictError),
    ('cannot receive incremental stream: destination b contains partially-complete state from "zfs receive -s".', SnapshotConflictError),
    ("cannot receive resume stream: checksum mismatch or incomplete stream.\nPartially received snapshot is saved.", StreamError),
    ("cannot resume send: 'tank/f@2' used in the initial send no longer exists", StaleTokenError),
    ("cannot receive new filesystem stream: permission denied", AccessError),
    ("cannot receive incremental stream: out of space", DiskFullError),
])  # fmt: skip
def test_what_zfs_says_of_a_stream_has_its_error(stderr: str, kind: type[FonotecaError]) -> None:
    error = translate_stream_error(ProgramEnd(("zfs", "receive", "b"), 1, stderr))
    assert type(error) is kind and error.hint and "-F" not in error.hint


def test_host_key_that_changed_is_never_believed(attic: Attic, tmp_path: Path) -> None:
    known = attic.folder / "known_hosts"
    before = known.read_text()
    try:
        known.write_text(f"[127.0.0.1]:{attic.port} {(attic.folder / 'other_key.pub').read_text()}")
        for first in (False, True):
            with pytest.raises(HostKeyError, match="another host key"):
                replicate(attic, tmp_path, is_first=first)
        known.write_text("")
        with pytest.raises(HostKeyError, match="not known here"):
            replicate(attic, tmp_path)
        side = RemoteSide(attic.place(), "receive", "", SshOptions(str(attic.folder / "user_key"), True, str(attic.config)))
        assert side.states() == [] and "127.0.0.1" in known.read_text()
    finally:
        known.write_text(before)


def test_strange_key_closed_port_and_unknown_host_are_told_apart(attic: Attic, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="does not take our key"):
        replicate(attic, tmp_path, key="stranger_key")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    with pytest.raises(TargetError, match="does not take calls"):
        replicate(attic, tmp_path, Place("backup/f", "127.0.0.1", port=closed))
    with pytest.raises(TargetError, match="no such host"):
        replicate(attic, tmp_path, Place("backup/f", "no-such-host.invalid"))


def test_source_that_is_not_there_is_told(attic: Attic, tmp_path: Path) -> None:
    replica = Replica(ReplicaSettings("attic", "x"), Place("tank/none"), attic.place(), tmp_path)
    with pytest.raises(NotFoundError, match="tank/none"):
        run_replica(replica, Zfs(), ReplicationOptions(), Silent(), 0)
