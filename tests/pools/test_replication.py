"""What to send is decided from two lists, ends up to date, never needs force, and names every conflict."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import SnapshotConflictError, StaleTokenError
from fonoteca.pools.replication import Conflict, Forget, Step, UpToDate, decide, with_step
from zfs_model import ModelDataset, ModelTarget, as_seen_from_afar, make_token

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 9)),
        st.tuples(st.just("snapshot"), st.integers(0, 99)),
        st.tuples(st.just("bookmark"), st.integers(0, 99)),
        st.tuples(st.just("destroy"), st.integers(0, 99)),
        st.tuples(st.just("send"), st.integers(0, 3)),
        st.tuples(st.just("cut"), st.integers(0, 3)),
        st.tuples(st.just("prune target"), st.integers(0, 99)),
    ),
    max_size=40,
)


def model(*names: str) -> ModelDataset:
    dataset = ModelDataset("tank/f")
    for name in names:
        dataset.write(len(dataset.content))
        dataset.snapshot(name)
    return dataset


def next_step(source: ModelDataset, target: ModelTarget, **options: bool) -> Step | Forget | UpToDate | Conflict:
    state = target.state()
    return decide(as_seen_from_afar(source.state()), as_seen_from_afar(state) if state else None, "backup/f", **options)


def send(source: ModelDataset, target: ModelTarget, **options: bool) -> Step | Forget | UpToDate | Conflict:
    """Until nothing is left to send, or nothing can be; every step is taken by the model, which refuses what zfs would."""
    for _ in range(100):
        decision = next_step(source, target, **options)
        if isinstance(decision, Step):
            target.receive(source, decision, is_cut=False)
        elif isinstance(decision, Forget):
            target.forget(decision)
            options = {}
        else:
            return decision
    raise AssertionError("never comes to an end")


@given(ACTIONS, st.booleans())
def test_whatever_happened_sends_are_never_refused_and_end_with_the_newest_or_a_conflict(
    actions: list[tuple[str, int]], sends_all: bool
) -> None:
    source, target = model("s0"), ModelTarget("backup/f")
    for number, (action, which) in enumerate(actions):
        names = sorted(source.points)
        match action:
            case "write":
                source.write(which)
            case "snapshot":
                source.snapshot(f"s{number + 1}")
            case "bookmark" if names:
                source.bookmark(names[which % len(names)])
            case "destroy" if len(names) > 1:
                source.destroy(names[which % len(names)])
            case "send" | "cut":
                decision = next_step(source, target, sends_all=sends_all)
                if isinstance(decision, Step):
                    target.receive(source, decision, is_cut=action == "cut")
            case "prune target" if target.dataset and len(target.dataset.points) > 1:
                newest = max(one.createtxg for one, _ in target.dataset.points.values())
                older = sorted(name for name, (one, _) in target.dataset.points.items() if one.createtxg < newest)
                target.dataset.destroy(older[which % len(older)])
    before = set(target.dataset.points) if target.dataset else set()
    ended = send(source, target, sends_all=sends_all)
    assert target.dataset is None or before <= set(target.dataset.points)
    if isinstance(ended, Conflict):
        assert ended.code in ("nothing-in-common", "stale-token", "target-ahead")
    else:
        assert isinstance(ended, UpToDate) and target.dataset is not None
        newest_here = max((one for one, _ in source.points.values()), key=lambda one: one.createtxg)
        newest_there = max((one for one, _ in target.dataset.points.values()), key=lambda one: one.createtxg)
        assert newest_there.guid == ended.guid
        if newest_there.guid == newest_here.guid:
            assert target.dataset.points[newest_there.name][1] == source.points[newest_here.name][1]


@given(st.integers(1, 8), st.integers(0, 8), st.booleans())
def test_with_a_base_that_is_held_a_replica_always_catches_up(count: int, sent: int, by_bookmark: bool) -> None:
    source, target = model("s0"), ModelTarget("backup/f")
    send(source, target)
    for number in range(count):
        source.write(number)
        source.snapshot(f"n{number}")
    if by_bookmark:
        source.bookmark("s0")
        source.destroy("s0")
    for number in range(min(sent, count - 1)):
        source.destroy(f"n{number}")
    assert isinstance(send(source, target), UpToDate)
    assert target.dataset is not None and target.dataset.content == source.content


def test_first_send_is_full_of_the_oldest_and_then_one_by_one() -> None:
    source, target = model("a", "b", "c"), ModelTarget("backup/f")
    kinds = []
    while isinstance(step := next_step(source, target), Step):
        kinds.append((step.kind, step.base, step.snapshot))
        target.receive(source, step, is_cut=False)
    assert kinds == [("full", "", "a"), ("incremental", "a", "b"), ("incremental", "b", "c")]


def test_newest_only_leaves_out_what_lies_between() -> None:
    source, target = model("a", "b", "c"), ModelTarget("backup/f")
    send(source, target, sends_all=False)
    source.snapshot("d")
    source.snapshot("e")
    send(source, target, sends_all=False)
    assert target.dataset is not None and list(target.dataset.points) == ["c", "e"]


def test_base_whose_snapshot_is_gone_serves_as_a_bookmark() -> None:
    source, target = model("a"), ModelTarget("backup/f")
    send(source, target)
    source.bookmark("a")
    source.snapshot("b")
    source.destroy("a")
    step = next_step(source, target)
    assert isinstance(step, Step) and (step.kind, step.base, step.snapshot) == ("bookmark", f"mark-{step.base_guid}", "b")


def test_snapshot_that_was_renamed_is_still_the_base() -> None:
    source, target = model("a", "b"), ModelTarget("backup/f")
    send(source, target)
    point, content = source.points.pop("b")
    source.points["renamed"] = msgspec.structs.replace(point, name="renamed"), content
    source.snapshot("c")
    step = next_step(source, target)
    assert isinstance(step, Step) and step.base == "renamed"


def test_clocks_decide_nothing() -> None:
    source, target = model("a", "b"), ModelTarget("backup/f")
    point, content = source.points["b"]
    source.points["b"] = msgspec.structs.replace(point, created_at=-5), content
    assert isinstance(send(source, target), UpToDate)
    assert target.dataset is not None and list(target.dataset.points) == ["a", "b"]


def test_what_was_cut_is_resumed_and_then_goes_on() -> None:
    source, target = model("a", "b"), ModelTarget("backup/f")
    first = next_step(source, target)
    assert isinstance(first, Step)
    target.receive(source, first, is_cut=True)
    step = next_step(source, target)
    assert isinstance(step, Step) and step.kind == "resume" and step.snapshot == "a"
    assert isinstance(send(source, target), UpToDate)


def test_snapshot_gone_that_was_under_way_is_told_and_forgotten_only_when_asked() -> None:
    source, target = model("a", "b"), ModelTarget("backup/f")
    send(source, target)
    source.snapshot("c")
    step = next_step(source, target)
    assert isinstance(step, Step)
    target.receive(source, step, is_cut=True)
    source.snapshot("d")
    source.destroy("c")
    stale = next_step(source, target)
    assert isinstance(stale, Conflict) and stale.code == "stale-token" and "--forget-partial" in stale.way_out
    assert isinstance(stale.error(), StaleTokenError)
    assert isinstance(send(source, target, forgets_partial=True), UpToDate)
    assert target.dataset is not None and list(target.dataset.points) == ["a", "b", "d"]


@pytest.mark.parametrize("token", ["1-abc", "nonsense", make_token("tank/else@a", 1000), "1-0-10-" + "00" * 16])
def test_token_of_something_else_is_stale(token: str) -> None:
    source, target = model("a"), ModelTarget("backup/f")
    target.dataset = ModelDataset("backup/f")
    target.dataset.token = token
    conflict = next_step(source, target)
    assert isinstance(conflict, Conflict) and conflict.code == "stale-token"


def conflict_of(source: ModelDataset, target: ModelTarget) -> Conflict:
    conflict = next_step(source, target)
    assert isinstance(conflict, Conflict)
    assert conflict.way_out and conflict.dataset == "tank/f" and conflict.target == "backup/f"
    assert isinstance(conflict.error(), SnapshotConflictError | StaleTokenError)
    return conflict


def test_source_without_snapshots_is_told() -> None:
    assert conflict_of(ModelDataset("tank/f"), ModelTarget("backup/f")).code == "no-snapshots"


def test_target_that_replication_did_not_make_is_left_alone() -> None:
    target = ModelTarget("backup/f")
    target.dataset = ModelDataset("backup/f")
    assert conflict_of(model("a"), target).code == "target-not-ours"


def test_nothing_in_common_is_told() -> None:
    target = ModelTarget("backup/f")
    target.dataset = model("x", "y")
    assert conflict_of(model("a"), target).code == "nothing-in-common"


def test_one_name_for_two_snapshots_is_told() -> None:
    target = ModelTarget("backup/f")
    target.dataset = model("a")
    assert conflict_of(model("a", "b"), target).code == "diverged"
    source, target = model("a"), ModelTarget("backup/f")
    send(source, target)
    assert target.dataset is not None
    target.dataset.snapshot("mine")
    target.dataset.destroy("mine")
    source.snapshot("b")
    point, content = source.points["b"]
    target.dataset.points["b"] = msgspec.structs.replace(point, guid=7, createtxg=0), content
    assert conflict_of(source, target).code == "diverged"


def test_target_with_snapshots_of_its_own_is_told() -> None:
    source, target = model("a"), ModelTarget("backup/f")
    send(source, target)
    assert target.dataset is not None
    target.dataset.snapshot("mine")
    source.snapshot("b")
    conflict = conflict_of(source, target)
    assert conflict.code == "target-ahead" and "@mine" in conflict.fact and "@a" in conflict.fact


def test_target_that_was_written_to_is_told_even_when_nothing_is_to_be_sent() -> None:
    source, target = model("a"), ModelTarget("backup/f")
    send(source, target)
    assert target.dataset is not None
    target.dataset.write(5)
    assert conflict_of(source, target).code == "target-changed"


def test_encrypted_source_does_not_follow_onto_a_plain_target() -> None:
    source, target = model("a", "b"), ModelTarget("backup/f")
    ours = msgspec.structs.replace(source.state(), is_encrypted=True)
    full = decide(ours, None, "backup/f")
    assert isinstance(full, Step) and full.is_raw
    target.receive(source, full, is_cut=False)
    conflict = decide(ours, target.state(), "backup/f")
    assert isinstance(conflict, Conflict) and conflict.code == "encryption"


def test_volume_does_not_follow_a_file_system() -> None:
    source, target = model("a", "b"), ModelTarget("backup/f")
    send(source, target)
    conflict = decide(msgspec.structs.replace(source.state(), kind="volume"), target.state(), "backup/f")
    assert isinstance(conflict, Conflict) and conflict.code == "kind"


def test_dry_run_foresees_every_step() -> None:
    source, target = model("a", "b", "c"), ModelTarget("backup/f")
    state, foreseen = None, []
    while isinstance(step := decide(source.state(), state, "backup/f"), Step):
        foreseen.append(step)
        state = with_step(state, step)
    done = []
    while isinstance(step := next_step(source, target), Step):
        done.append(step)
        target.receive(source, step, is_cut=False)
    assert foreseen == done and len(done) == 3
