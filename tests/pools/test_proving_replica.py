"""A replica is proved by guid, list and bytes; one that is late, unproved or not the same is an alarm."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import (
    DatabaseError,
    NotFoundError,
    UsageError,
)
from fonoteca.ground.findings import FINDING_KINDS
from fonoteca.ground.pool_settings import ReplicaSettings
from fonoteca.pools import Zfs
from fonoteca.pools.proving_replica import ReadRequest, ReplicaState, SnapshotProof, compare_proofs, judge_replicas
from fonoteca.pools.snapshots import Snapshot
from fonoteca.pools.transport import Place
from fonoteca.workflows.pool.prove_replica import read_release, stale_mounts
from fonoteca.workflows.pool.replica_book import change_replica_state, read_replica_states, state_of, with_holds
from fonoteca.workflows.pool.replica_setup import setup_steps
from fonoteca.workflows.pool.replicas import (
    Replica,
    fetching,
    name_of,
    sides_of,
)

NOW, HOUR, DAY = 1_790_000_000, 3600, 86_400
ATTIC = ReplicaSettings("attic", "backup/f")
PROOF = SnapshotProof("backup/f", "one", 5, "ab" * 32, 10, 10, 1000, scrubbed_at=NOW - DAY, scrub_errors=0, pool_errors=0)
WELL = ReplicaState("attic", "backup/f", "push", NOW - 9 * DAY, NOW - HOUR, "one", NOW - HOUR, NOW - HOUR, "", NOW - DAY, PROOF)


def make_release(folder: Path, count: int = 10) -> ReadRequest:
    (folder / "release").mkdir()
    lines = []
    for number in range(count):
        content = bytes([number]) * 1000
        (folder / "release" / f"file{number}").write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  file{number}\n")
    (folder / "release" / "SHA256SUMS").write_text("".join(lines))
    return ReadRequest("backup/f", "one", 5, "release")


def test_every_listed_file_is_read_and_a_flipped_byte_is_found(tmp_path: Path) -> None:
    request = make_release(tmp_path)
    proof = read_release(tmp_path, request)
    assert (proof.files_listed, proof.files_read, proof.bytes_read, proof.damaged) == (10, 10, 10_000, ())
    (tmp_path / "release" / "file3").write_bytes(b"\3" * 999 + b"\4")
    (tmp_path / "release" / "file4").unlink()
    assert [one.split(":")[0] for one in read_release(tmp_path, request).damaged] == ["file3", "file4"]


@pytest.mark.parametrize("seed", [0, 3, 9, 10, 123])
def test_a_part_is_read_from_another_place_each_time(tmp_path: Path, seed: int) -> None:
    request = msgspec.structs.replace(make_release(tmp_path), read_bytes=2500, seed=seed)
    (tmp_path / "release" / f"file{(seed + 2) % 10}").write_bytes(b"x" * 1000)
    proof = read_release(tmp_path, request)
    assert proof.files_read == 3 and proof.damaged_count == 1 and proof.files_listed == 10


def test_nothing_is_read_where_only_the_list_is_asked_for(tmp_path: Path) -> None:
    proof = read_release(tmp_path, msgspec.structs.replace(make_release(tmp_path), read_bytes=0))
    assert proof.files_read == 0 and proof.list_sha256 == hashlib.sha256((tmp_path / "release" / "SHA256SUMS").read_bytes()).hexdigest()


def test_links_of_a_stranger_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    request = make_release(folder)
    (tmp_path / "secret").write_bytes(b"\0" * 1000)
    for name in ("file0", "file1"):
        (folder / "release" / name).unlink()
    (folder / "release" / "file0").symlink_to(tmp_path / "secret")
    (folder / "release" / "file1").mkdir()
    assert read_release(folder, request).damaged_count == 2
    (folder / "release").rename(tmp_path / "elsewhere")
    (folder / "release").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotFoundError, match="SHA256SUMS"):
        read_release(folder, request)


def test_replica_is_the_same_only_by_guid_list_and_bytes() -> None:
    assert compare_proofs(PROOF, msgspec.structs.replace(PROOF, files_read=3)) == ""
    assert "guid" in compare_proofs(PROOF, msgspec.structs.replace(PROOF, guid=6))
    assert "SHA256SUMS" in compare_proofs(PROOF, msgspec.structs.replace(PROOF, list_sha256="cd" * 32))
    assert "file3" in compare_proofs(PROOF, msgspec.structs.replace(PROOF, damaged=("file3: changed",), damaged_count=1))


def codes(state: ReplicaState | None, now: int = NOW, wanted: ReplicaSettings = ATTIC) -> list[str]:
    found = judge_replicas([wanted], [state] if state else [], now)
    assert all(one.code in FINDING_KINDS and one.path == wanted.name for one in found)
    return [one.code for one in found]


def test_replica_that_is_well_is_no_alarm() -> None:
    assert codes(WELL) == []


def test_replica_that_lags_or_never_was_is_an_alarm() -> None:
    assert codes(WELL, NOW + 25 * HOUR) == [] and codes(WELL, NOW + 26 * HOUR) == ["replica-late"]
    assert codes(None) == ["replica-late"]
    failing = msgspec.structs.replace(WELL, failure="target: no route", snapshot_at=NOW - 30 * HOUR)
    assert "no route" in judge_replicas([ATTIC], [failing], NOW)[0].fact


def test_snapshot_from_the_future_says_that_a_clock_is_wrong() -> None:
    future = msgspec.structs.replace(WELL, snapshot_at=NOW + 5 * HOUR)
    assert "clock is wrong" in judge_replicas([ATTIC], [future], NOW)[0].fact


def test_replica_that_is_not_proved_or_not_scrubbed_for_long_is_an_alarm() -> None:
    fresh = msgspec.structs.replace(WELL, proved_at=0, proof=None)
    assert codes(fresh) == [] and codes(msgspec.structs.replace(fresh, first_at=NOW - 36 * DAY)) == ["replica-unproved"]
    assert codes(msgspec.structs.replace(WELL, proved_at=NOW - 36 * DAY)) == ["replica-unproved"]
    long_ago = msgspec.structs.replace(WELL, proof=msgspec.structs.replace(PROOF, scrubbed_at=NOW - 36 * DAY))
    never = msgspec.structs.replace(WELL, proof=msgspec.structs.replace(PROOF, scrubbed_at=None))
    assert codes(long_ago) == ["replica-unproved"] and codes(never) == []
    assert codes(msgspec.structs.replace(never, first_at=NOW - 36 * DAY)) == ["replica-unproved"]
    assert codes(msgspec.structs.replace(WELL, proof=msgspec.structs.replace(PROOF, pool_errors=2))) == ["replica-unproved"]
    fetching_one = msgspec.structs.replace(ATTIC, mode="pull")
    assert codes(msgspec.structs.replace(WELL, proved_at=0, first_at=1), wanted=fetching_one) == []


def test_replica_that_is_not_the_same_is_damage() -> None:
    assert codes(msgspec.structs.replace(WELL, mismatch="another list")) == ["replica-differs"]


@given(st.lists(st.builds(ReplicaState, st.from_regex(r"\A[a-z][a-z0-9-]{0,9}\Z"), st.text(max_size=20), failure=st.text(max_size=20)),
                max_size=5, unique_by=lambda one: one.name))  # fmt: skip
def test_what_is_written_down_is_read_again(tmp_path_factory: pytest.TempPathFactory, states: list[ReplicaState]) -> None:
    folder = tmp_path_factory.mktemp("book")
    for state in (*states, *states):
        change_replica_state(folder, state.name, state.target, **msgspec.structs.asdict(state))
    assert sorted(read_replica_states(folder), key=lambda one: one.name) == sorted(states, key=lambda one: one.name)


def test_book_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for content in ("{", '{"format": 2, "replicas": []}', '{"format": 1, "replicas": [{"name": 5}]}'):
        (tmp_path / "replicas.json").write_text(content)
        with pytest.raises(DatabaseError):
            read_replica_states(tmp_path)


def test_state_of_a_name_that_leads_elsewhere_begins_anew() -> None:
    assert state_of([WELL], "attic", "backup/f") == WELL and state_of([WELL], "attic", "other/f").snapshot == ""


def test_replica_that_fetches_is_known_by_its_holds() -> None:
    def held(dataset: str, name: str, txg: int, at: int) -> Snapshot:
        return Snapshot(dataset, name, txg, txg, at, holds=("fonoteca:attic",))

    snapshots = [
        held("tank/f", "a", 1, 100),
        held("tank/f", "b", 2, 200),
        held("tank/f/x", "a", 3, 150),
        Snapshot("tank/f/x", "c", 4, 4, 300),
    ]
    [state] = with_holds([], ["attic", "never"], snapshots)
    assert (state.name, state.snapshot, state.snapshot_at, state.mode) == ("attic", "a", 150, "pull")


def test_replica_within_its_own_source_is_refused(tmp_path: Path) -> None:
    for target in ("tank/f", "tank/f/copy", "tank"):
        with pytest.raises(UsageError, match="within"):
            sides_of(Replica(ATTIC, Place("tank/f"), Place(target), tmp_path), Zfs())


def test_setup_prints_forced_commands_and_permissions_that_cannot_destroy(tmp_path: Path) -> None:
    push = Replica(ATTIC, Place("tank/f"), Place("backup/kept/my f", "attic", "replica"), tmp_path)
    pull = fetching("ssh://replica@music:2222/tank/f", "backup/kept/f", tmp_path, name="attic")
    for replica, may in ((push, "--may receive"), (pull, "--may send --replica attic")):
        lines = [line for step in setup_steps(replica) for line in step.lines]
        [forced] = [line for line in lines if line.startswith('command="fonoteca pool answer')]
        assert may in forced and ",restrict " in forced and forced.count('"') == 2
        [allow] = [line for line in lines if line.startswith("zfs allow")]
        assert not {"destroy", "rollback", "rename", "mountpoint"} & set(allow.replace(",", " ").split())
    assert "'backup/kept/my f'" in next(line for step in setup_steps(push) for line in step.lines if line.startswith("command="))


def test_place_without_a_name_gets_the_same_one_each_time() -> None:
    place = Place("tank/f", "Attic.Example.org", "root", 22)
    assert name_of(place) == name_of(place) != name_of(Place("tank/g", "Attic.Example.org", "root", 22))
    assert msgspec.convert({"name": name_of(place), "target": "x"}, ReplicaSettings).name.startswith("attic-example-org-")


def test_what_a_killed_proof_left_mounted_is_found() -> None:
    dead, alive = f"/tmp/fonoteca-replica-{2**22 + 1}-abc_1", f"/tmp/fonoteca-replica-{os.getpid()}-abc"
    mounts = f"b/f@one {dead} zfs ro 0 0\nb/f@one {alive} zfs ro 0 0\nx {dead}2 fuse ro 0 0\nb/g /tmp/fonoteca-replica-x zfs ro 0 0\n"
    assert stale_mounts(mounts, "/tmp") == [Path(dead)]
