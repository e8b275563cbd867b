"""Replicas one beside the other: what cannot be read, reached or believed is told and stops nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from fonoteca.ground.errors import (
    ArchiveBusyError,
    FonotecaError,
    NotFoundError,
    SnapshotConflictError,
    TargetError,
)
from fonoteca.ground.pool_settings import PoolSettings, ReplicaSettings
from fonoteca.ground.progress import Silent
from fonoteca.pools import Zfs
from fonoteca.pools.dataset_states import read_states
from fonoteca.pools.proving_replica import ReadRequest, SnapshotProof
from fonoteca.pools.replica_sides import RemoteSide, Side
from fonoteca.pools.replica_timers import write_units
from fonoteca.pools.replication import DatasetState, UpToDate
from fonoteca.pools.snapshots import Snapshot
from fonoteca.pools.transport import Place, SshOptions
from fonoteca.workflows.pool import replicas
from fonoteca.workflows.pool.prove_replica import _folder_of, prove_replica
from fonoteca.workflows.pool.replica_book import read_replica_states
from fonoteca.workflows.pool.replica_setup import setup_steps
from fonoteca.workflows.pool.replicas import (
    Proving,
    Replica,
    ReplicaReport,
    fetching,
    replicas_of,
    run_replica,
    run_replicas,
)
from fonoteca.workflows.pool.replicate import ReplicationOptions, ReplicationReport

NOW, HOUR = 1_790_000_000, 3600
ATTIC = ReplicaSettings("attic", "backup/f")
PROOF = SnapshotProof("backup/f", "one", 5, "ab" * 32, 10, 10, 1000)


class Machine(Zfs):
    """Answers by the first words of a command; notes what was asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        super().__init__()
        self.answers, self.asked = answers, list[str]()

    def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
        words = " ".join(map(str, arguments))
        self.asked.append(words)
        answer = next((told for start, told in self.answers.items() if words.startswith(start)), None)
        if answer is None:
            raise NotFoundError(f"{words}: does not exist", "")
        return answer


def test_dataset_that_fstab_mounts_is_read_from_a_mount_of_its_own() -> None:
    properties = "mounted\tyes\nmountpoint\t{}\n"
    legacy = Machine({"zfs get": properties.format("legacy"), "mount": "", "umount": ""})
    with _folder_of(legacy, "backup/f", "one") as folder:
        assert folder.is_dir() and folder.name.startswith(f"fonoteca-replica-{os.getpid()}-")
    assert not folder.exists() and [one.split()[0] for one in legacy.asked[-2:]] == ["mount", "umount"]
    with _folder_of(Machine({"zfs get": properties.format("/b")}), "backup/f", "one") as folder:
        assert folder == Path("/b/.zfs/snapshot/one")


class ReadSide:
    def __init__(self, answer: SnapshotProof | FonotecaError) -> None:
        self.answer = answer

    def read(self, request: ReadRequest) -> SnapshotProof:
        if isinstance(self.answer, FonotecaError):
            raise self.answer
        return self.answer


def test_only_another_snapshot_is_a_difference_not_one_that_cannot_be_read() -> None:
    bases = [UpToDate("tank/f", "backup/f", "one", 5)]

    def prove(answer: FonotecaError) -> str:
        return prove_replica(cast(Side, ReadSide(PROOF)), cast(Side, ReadSide(answer)), bases, None, None, 0)[1]

    assert prove(SnapshotConflictError("another guid", "")) == "another guid"
    with pytest.raises(NotFoundError, match="could not be proved: no list"):
        prove(NotFoundError("no list", ""))


def test_exported_pool_is_no_new_target() -> None:
    with pytest.raises(NotFoundError, match="the pool offsite is not imported"):
        read_states(Machine({}), "offsite/f")
    assert read_states(Machine({"zpool list": "offsite\n"}), "offsite/f") == []


def test_names_of_another_machine_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    side = RemoteSide(Place("backup/f", "attic"), "receive", "", SshOptions())
    for one in (Snapshot("backup/f", "a\nrm -r", 1, 1, 1), Snapshot("backup/f", "-a", 1, 1, 1), Snapshot("x; y", "a", 1, 1, 1)):
        told = msgspec.json.encode([DatasetState("backup/f", snapshots=(one,))])
        monkeypatch.setattr("fonoteca.pools.replica_sides.run_program", lambda *_, told=told, **__: told)
        with pytest.raises(TargetError, match="attic tells of a snapshot"):
            side.states()


def test_proof_does_not_stop_replication_and_both_write_what_is_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replica, options = Replica(ATTIC, Place("tank/f"), Place("backup/f"), tmp_path), ReplicationOptions()
    monkeypatch.setattr(replicas, "sides_of", lambda *_: (ReadSide(PROOF), ReadSide(PROOF)))
    monkeypatch.setattr(replicas, "replicate", lambda *_: ReplicationReport("tank/f", "backup/f"))
    monkeypatch.setattr(replicas, "_after", lambda report, source, now: {"replicated_at": now, "snapshot": f"s{now}", "snapshot_at": now})

    def prove(*_: object) -> tuple[SnapshotProof, str]:
        run_replica(replica, Zfs(), options, Silent(), NOW + HOUR)
        with pytest.raises(ArchiveBusyError):
            run_replica(replica, Zfs(), options, Silent(), NOW + HOUR, Proving())
        return PROOF, ""

    monkeypatch.setattr(replicas, "prove_replica", prove)
    run_replica(replica, Zfs(), options, Silent(), NOW, Proving())
    [state] = read_replica_states(tmp_path)
    assert (state.replicated_at, state.snapshot, state.proved_at, state.proof) == (NOW + HOUR, f"s{NOW + HOUR}", NOW, PROOF)


def test_replica_that_cannot_be_reached_stops_none_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def go(one: Replica, *_: object) -> ReplicaReport:
        if one.target.host:
            raise TargetError("no route", "")
        return ReplicaReport("attic", ReplicationReport("tank/f", "backup/f"))

    monkeypatch.setattr(replicas, "run_replica", go)
    both = [Replica(ATTIC, Place("tank/f"), place, tmp_path) for place in (Place("b/f", "attic"), Place("backup/f"))]
    reports, errors = run_replicas(both, Zfs(), ReplicationOptions(), Silent(), NOW)
    assert [one.failure for one in reports] == ["no route", ""] and [one.message for one in errors] == ["no route"]


def test_setup_ends_with_the_key_and_makes_no_whole_pool_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push = Replica(ATTIC, Place("tank/f"), Place("backup/f", "attic"), tmp_path)
    steps = setup_steps(push)
    assert steps[-1].lines == (
        "fonoteca pool replicate ssh://attic/backup/f --key ~/.ssh/fonoteca_replica",
        'key_file = "~/.ssh/fonoteca_replica"',
    )
    assert not any("readonly" in line for step in steps for line in step.lines)
    pull = fetching("ssh://music/tank/f", "backup/f", tmp_path, name="attic", key=Path("~/x"))
    assert setup_steps(pull)[-1].lines[0].endswith(f"--name attic --key {Path.home()}/x")
    pool = PoolSettings(dataset="tank/f", replicas=(msgspec.structs.replace(ATTIC, key_file="~/key"),))
    monkeypatch.setattr(replicas, "read_settings", lambda _: SimpleNamespace(pool=pool))
    machine = Machine({})
    [one] = replicas_of(tmp_path, machine, "attic", is_setup=True)
    assert one.ssh.key_file == str(Path.home() / "key") and not machine.asked


def test_timers_send_every_hour_and_prove_within_the_days_of_all() -> None:
    fetching_one = msgspec.structs.replace(ATTIC, mode="pull")
    assert write_units(["fonoteca"], "/a", []) == {} == write_units(["fonoteca"], "/a", [fetching_one])
    units = write_units(["/opt/f 100%/fonoteca"], "/a", [ATTIC, msgspec.structs.replace(ATTIC, prove_days=10)])
    assert 'ExecStart="/opt/f 100%%/fonoteca" pool replicate --archive /a\n' in units["fonoteca-replicate.service"]
    assert "OnCalendar=hourly" in units["fonoteca-replicate.timer"] and "OnCalendar=weekly" in units["fonoteca-prove-replicas.timer"]
    proof = units["fonoteca-prove-replicas.service"]
    assert "--archive /a --prove\n" in proof and "After=fonoteca-replicate.service" in proof
