"""`fonoteca pool snapshot` and `pool prune`: taken by hand or by policy, listed, and let go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption
from fonoteca.cli.output import emit, on_one_line, storable, table
from fonoteca.cli.pool_app import pool_app
from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from fonoteca.pools.retention import Fate, Retention
    from fonoteca.pools.zfs import Zfs
    from fonoteca.workflows.pool.prune import ForgetReport, PruneReport
    from fonoteca.workflows.pool.snapshot import ListedSnapshot, SnapshotList, Store, TakenSnapshots

YesOption = Annotated[bool, Parameter(name="--yes", negative=(), help="Do it, after the plan was shown.")]
_AGAIN = "Run it again with --yes."


@pool_app.command(name="snapshot", sort_key=5)
def pool_snapshot(
    name: Annotated[str | None, Parameter(help="Take one by hand, of this name; without it, what the policy asks for now.")] = None,
    /,
    *,
    dataset: Annotated[str, Parameter(help="Below the store, or whole (tank/else); else the store with all below it.")] = "",
    hold: Annotated[str | None, Parameter(help="Hold it under this tag: nothing can destroy it until zfs release.")] = None,
    now: Annotated[bool, Parameter(name="--now", negative=(), help="Take one by hand that is named after the time.")] = False,
    listed: Annotated[bool, Parameter(name="--list", negative=(), help="List snapshots: age, size, holds, who has them.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Take a snapshot of the store, all its datasets at one moment: by hand, or by the policy of archive.toml, which sanoid carries out."""
    from fonoteca.pools.snapshots import name_by_hand
    from fonoteca.workflows.pool.snapshot import list_snapshots, take_by_hand, take_by_policy

    if listed + now + (name is not None) > 1:
        raise UsageError("NAME, --now and --list are three different things", "Give one of them.")
    by_hand = name or (name_by_hand(int(time.time())) if now else None)
    if by_hand is None and not listed and (hold is not None or dataset):
        raise UsageError("--hold and --dataset belong to a snapshot by hand", "Give a NAME, or --now; the policy stands in archive.toml.")
    zfs, store = _opened(archive)
    if listed:
        found = list_snapshots(zfs, store, store.narrowed(dataset), int(time.time()))
        emit(found, storable("" if json else _list(found)), json)
    elif by_hand is not None:
        taken = take_by_hand(zfs, store.narrowed(dataset), by_hand, hold, dry_run=dry_run)
        emit(taken, storable(_taken(taken)), json)
    else:
        taken = take_by_policy(zfs, store, dry_run=dry_run)
        emit(taken, storable(_taken(taken)), json)
    return 0


@pool_app.command(name="prune", sort_key=6)
def pool_prune(
    *,
    forget: Annotated[str | None, Parameter(help="A replica that is gone for good: release its holds, destroy its bookmarks.")] = None,
    holds_only: Annotated[
        bool, Parameter(name="--holds-only", negative=(), help="Set the holds and prune nothing; for sanoid's timer, before it prunes.")
    ] = False,
    yes: YesOption = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Let go of snapshots that the policy does not keep: shows what goes, and why each other stays; sanoid destroys it with --yes."""
    from fonoteca.workflows.pool.prune import plan_pruning, prune, set_holds

    if forget is not None and holds_only:
        raise UsageError("--forget and --holds-only are two different things", "Give one of them.")
    zfs, store = _opened(archive)
    if forget is not None:
        return _forget(zfs, store, forget, yes and not dry_run, dry_run, json)
    now = int(time.time())
    plan = plan_pruning(zfs, store, now)
    if holds_only and not dry_run:
        set_holds(zfs, plan)
    does_it = yes and not dry_run and not holds_only
    report = prune(zfs, store, plan, now) if does_it else plan
    emit(report, storable("" if json else _pruned(report, holds_only)), json)
    if plan.doomed and not (does_it or dry_run or holds_only):
        raise UsageError("nothing was destroyed yet", _AGAIN)
    return 0


def _opened(archive: ArchiveOption) -> tuple[Zfs, Store]:
    from pathlib import Path

    from fonoteca.ground.settings import find_archive
    from fonoteca.pools.zfs import Zfs
    from fonoteca.workflows.pool.snapshot import find_store

    zfs = Zfs()
    return zfs, find_store(zfs, archive if archive is not None else find_archive(Path.cwd()))


def _forget(zfs: Zfs, store: Store, replica: str, does_it: bool, dry_run: bool, json: bool) -> int:
    from fonoteca.workflows.pool.prune import forget, plan_to_forget

    plan = plan_to_forget(zfs, store, replica)
    report = forget(zfs, plan) if does_it else plan
    is_named = any(one.name == replica for one in store.settings.replicas)
    emit(report, storable(_forgotten(report, is_named)), json)
    if not (does_it or dry_run):
        raise UsageError("nothing was released yet", _AGAIN)
    return 0


def _taken(report: TakenSnapshots) -> str:
    if not report.snapshots:
        return "by the policy no snapshot is due now"
    word = "took" if report.is_done else "would take"
    lines = [f"{word} {on_one_line(name)}" for name in report.snapshots]
    return "\n".join(lines + ([f"held by {report.hold}: release it with zfs release -r"] if report.hold else []))


def _list(report: SnapshotList) -> str:
    rows: list[tuple[str, ...]] = [("snapshot", "age", "used", "refers to", "held by", "replicas")]
    rows += [_row(one, report.now) for one in report.snapshots]
    rows += [(on_one_line(one.full_name), _age(one.created_at, report.now), "", "", "", "") for one in report.bookmarks]
    if len(rows) == 1:
        return f"{on_one_line(report.dataset)} has no snapshots; take one with: fonoteca pool snapshot --now"
    counted = f"{format_count(len(report.snapshots), 'snapshot')}, {format_count(len(report.bookmarks), 'bookmark')}"
    return f"{table(rows, frozenset({1, 2, 3}))}\n{counted}"


def _row(one: ListedSnapshot, now: int) -> tuple[str, ...]:
    snapshot = one.snapshot
    replicas = ", ".join(f"{name} (base)" if name in one.base_of else name for name in one.replicas)
    return (
        on_one_line(snapshot.full_name), _age(snapshot.created_at, now), format_bytes(snapshot.used_bytes),
        format_bytes(snapshot.referenced_bytes), on_one_line(", ".join(snapshot.holds)) or "-", replicas or "-",
    )  # fmt: skip


def _age(created_at: int, now: int) -> str:
    return format_duration(now - created_at) if created_at <= now else "from the future"


def _pruned(report: PruneReport, holds_only: bool) -> str:
    lines = [line for retention in report.datasets for line in _retained(retention)]
    done = report.is_done or holds_only
    for retention in report.datasets:
        lines += [f"{'held' if done else 'would hold'} {on_one_line(name)} as {tag}" for tag, name in retention.holds_to_set]
        lines += [f"{'released' if done else 'would release'} {tag} on {on_one_line(name)}" for tag, name in retention.holds_to_release]
        thinned = retention.bookmarks_to_destroy if not holds_only else ()
        lines += [f"{'destroyed' if done else 'would destroy'} bookmark {on_one_line(one.full_name)}" for one in thinned]
    lines += [f"left {on_one_line(name)}: it is in use (sent, cloned or mounted); the next run takes it" for name in report.left]
    kept = sum(fate.is_kept for retention in report.datasets for fate in retention.fates)
    goes = f"{len(report.destroyed)} destroyed" if report.is_done else f"{len(report.doomed)} would be destroyed"
    return "\n".join([*lines, f"{format_count(kept, 'snapshot')} kept, {goes}"])


def _retained(retention: Retention) -> list[str]:
    rows: list[tuple[str, ...]] = [("snapshot", "", "why")]
    rows += [_fate(fate) for fate in retention.fates]
    return table(rows).split("\n") if retention.fates else []


def _fate(fate: Fate) -> tuple[str, ...]:
    why = "; ".join(on_one_line(reason.words) for reason in fate.reasons)
    return on_one_line(fate.snapshot.full_name), "stays" if fate.is_kept else "goes", why or "more than the policy keeps"


def _forgotten(report: ForgetReport, is_named: bool) -> str:
    import shlex

    lines = [("ran " if report.is_done else "would run ") + shlex.join(("zfs", *command)) for command in report.commands]
    if is_named:
        lines.append(f"take {report.replica} out of [[pool.replicas]] of archive.toml too, else the next replication begins it anew")
    return "\n".join(lines)
