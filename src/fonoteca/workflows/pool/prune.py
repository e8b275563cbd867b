"""Pruning: sanoid destroys what the policy lets go; before it, holds are set on what must stay all the same."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fonoteca.ground.errors import NotFoundError, PoolError
from fonoteca.pools.holds import release_hold, replicas_named, set_hold, steps_to_forget
from fonoteca.pools.policy import Policy, lies_in, outermost, policy_for
from fonoteca.pools.retention import MARGIN_S, Retention, decide_retention, find_clock_faults
from fonoteca.pools.sanoid import parse_pruned, write_sanoid_conf
from fonoteca.pools.snapshots import Bookmark, Snapshot, read_bookmarks, read_snapshots
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.sanoid_runs import refresh_sanoid_cache, run_sanoid
from fonoteca.workflows.pool.snapshot import Store, replicas_of, store_policies


class PruneReport(msgspec.Struct, frozen=True, kw_only=True):
    """The decision for each dataset, and what came of it. `destroyed` and `left` are full names; `left` was due and is still there."""

    datasets: tuple[Retention, ...]
    destroyed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    is_done: bool = False

    @property
    def doomed(self) -> list[Snapshot]:
        """All that goes."""
        return [one for retention in self.datasets for one in retention.doomed]

    @property
    def listed(self) -> list[Snapshot]:
        """All that was looked at."""
        return [fate.snapshot for retention in self.datasets for fate in retention.fates]

    @property
    def due(self) -> set[str]:
        """The full names of what the policy lets go, held or not."""
        return {fate.snapshot.full_name for retention in self.datasets for fate in retention.fates if fate.is_due}


class ForgetReport(msgspec.Struct, frozen=True):
    """The commands that take a replica's holds and bookmarks away."""

    replica: str
    commands: tuple[tuple[str, ...], ...]
    is_done: bool = False


def plan_pruning(zfs: Zfs, store: Store, now: int) -> PruneReport:
    """The fate of every snapshot that a policy holds for. PoolError where the clock is wrong: then ages mean nothing."""
    policies, names = store_policies(zfs, store)
    decided = []
    for policy in outermost(policies):
        if policy.dataset in names:  # a replica's pool may not be here now
            decided += _decide_below(zfs, store, policy.dataset, policies, now)
    return PruneReport(datasets=tuple(decided))


def set_holds(zfs: Zfs, plan: PruneReport) -> None:
    """Hold what must stay, then release what need not wait any longer. Idempotent."""
    for change, holds in ((set_hold, "holds_to_set"), (release_hold, "holds_to_release")):
        pairs: list[tuple[str, str]] = [pair for retention in plan.datasets for pair in getattr(retention, holds)]
        for tag in sorted({tag for tag, _ in pairs}):
            change(zfs, tag, [name for other, name in pairs if other == tag])


def prune(zfs: Zfs, store: Store, plan: PruneReport, now: int) -> PruneReport:
    """Carry out a plan: holds, sanoid, bookmarks; then look what is there. Killed anywhere, the next run ends the same."""
    set_holds(zfs, plan)
    doomed, listed = ({one.full_name for one in some} for some in (plan.doomed, plan.listed))
    if doomed:
        configuration = write_sanoid_conf(*store_policies(zfs, store))
        would_go = set(parse_pruned(run_sanoid(zfs, configuration, "--prune-snapshots", "--readonly")))
        if surprises := would_go - plan.due:
            _refuse_surprises(surprises - plan_pruning(zfs, store, now + MARGIN_S).due)
        run_sanoid(zfs, configuration, "--prune-snapshots")
        refresh_sanoid_cache(zfs, configuration)
    for mark in [one for retention in plan.datasets for one in retention.bookmarks_to_destroy]:
        zfs.zfs("destroy", mark.full_name)
    there = {one.full_name for retention in plan.datasets for one in read_snapshots(zfs, retention.dataset)}
    return msgspec.structs.replace(plan, destroyed=tuple(sorted(listed - there)), left=tuple(sorted(doomed & there)), is_done=True)


def plan_to_forget(zfs: Zfs, store: Store, replica: str) -> ForgetReport:
    """The commands that release the holds of a replica that is gone for good and destroy its bookmarks, in the whole store."""
    snapshots = read_snapshots(zfs, store.dataset, recursive=True)
    bookmarks = read_bookmarks(zfs, store.dataset, recursive=True)
    steps = steps_to_forget(snapshots, bookmarks, replica)
    if not steps:
        known = ", ".join(sorted(replicas_named(snapshots, bookmarks))) or "none"
        raise NotFoundError(
            f"no hold and no bookmark in {store.dataset} is for a replica {replica!r}", f"Known by holds and bookmarks: {known}."
        )
    return ForgetReport(replica, tuple(steps))


def forget(zfs: Zfs, plan: ForgetReport) -> ForgetReport:
    """Carry it out. Killed anywhere, the next run does the rest."""
    for step in plan.commands:
        zfs.zfs(*step)
    return msgspec.structs.replace(plan, is_done=True)


def _decide_below(zfs: Zfs, store: Store, root: str, policies: Sequence[Policy], now: int) -> list[Retention]:
    snapshots = read_snapshots(zfs, root, recursive=True)
    bookmarks = read_bookmarks(zfs, root, recursive=True)
    if faults := find_clock_faults(snapshots, now):
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise PoolError(
            f"the clock is wrong, so nothing is pruned: {faults[0]}{more}",
            "Set the clock (timedatectl). If it is right now, that snapshot has a wrong time: destroy it, or wait.",
        )
    return [_decide(zfs, store, name, snapshots, bookmarks, policies, now) for name in dict.fromkeys(one.dataset for one in snapshots)]


def _decide(
    zfs: Zfs, store: Store, dataset: str, snapshots: Sequence[Snapshot], bookmarks: Sequence[Bookmark], policies: Sequence[Policy], now: int
) -> Retention:
    return decide_retention(
        dataset, [one for one in snapshots if one.dataset == dataset], [one for one in bookmarks if one.dataset == dataset],
        policy_for(dataset, policies), replicas_of(zfs, store, dataset), now,
        store.settings.copies if lies_in(dataset, store.dataset) else 0,
    )  # fmt: skip


def _refuse_surprises(names: set[str]) -> None:
    """Sanoid must take nothing that was not shown; what is held it tries in vain."""
    for name in sorted(names):
        raise PoolError(
            f"sanoid would destroy {name}, which the policy keeps; nothing was destroyed",
            "Report this with the output of: sanoid --version",
        )
