"""Which snapshots of a dataset stay and why, decided from lists; nothing here asks or changes anything.

The policy is read as sanoid 2.1 and 2.2 do it (`prune_snapshots`): of one kind goes what is older than count × period while more than count
are there, oldest first. On top of it stay: what is held, the newest common base with each replica, and what too few replicas have reached.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from fonoteca.pools.holds import COPIES_TAG, hold_tag, old_bookmarks, replica_of_bookmark, replica_of_tag
from fonoteca.pools.policy import Policy
from fonoteca.pools.snapshots import Bookmark, Snapshot

HOUR, DAY = 3600, 86400
# sanoid's lengths of periods, in seconds
PERIODS = {"frequently": 900, "hourly": HOUR, "daily": DAY, "weekly": 7 * DAY, "monthly": 31 * DAY, "yearly": round(365.25 * DAY)}
CLOCK_TOLERANCE_S = 300
# a snapshot that comes of age between our look and sanoid's must be held already
MARGIN_S = HOUR
ReasonKind = Literal["policy", "by-hand", "no-policy", "hold", "base", "copies"]


class Replica(msgspec.Struct, frozen=True):
    """What is known of one replica of a dataset: the guids it was seen to have; empty where only holds and bookmarks tell."""

    name: str
    guids: frozenset[int] = frozenset()


class Reason(msgspec.Struct, frozen=True):
    """Why a snapshot stays."""

    kind: ReasonKind
    words: str


class Fate(msgspec.Struct, frozen=True):
    """What becomes of one snapshot: it stays while there is a reason."""

    snapshot: Snapshot
    reasons: tuple[Reason, ...]

    @property
    def is_kept(self) -> bool:
        """Whether it stays."""
        return bool(self.reasons)

    @property
    def is_due(self) -> bool:
        """Whether the policy lets it go, so that only holds keep it, or nothing."""
        return all(reason.kind in ("hold", "base", "copies") for reason in self.reasons)


class Retention(msgspec.Struct, frozen=True):
    """The decision for one dataset. Holds are pairs of tag and full name."""

    dataset: str
    fates: tuple[Fate, ...]
    holds_to_set: tuple[tuple[str, str], ...] = ()
    holds_to_release: tuple[tuple[str, str], ...] = ()
    bookmarks_to_destroy: tuple[Bookmark, ...] = ()

    @property
    def doomed(self) -> list[Snapshot]:
        """What goes."""
        return [fate.snapshot for fate in self.fates if not fate.is_kept]


def decide_retention(
    dataset: str, snapshots: Sequence[Snapshot], bookmarks: Sequence[Bookmark], policy: Policy | None,
    replicas: Sequence[Replica], now: int, copies: int = 0,
) -> Retention:  # fmt: skip
    """The fate of every snapshot of one dataset, and the holds that see to it. Look for clock faults before."""
    wanted, soon = _wanted_by_policy(snapshots, policy, now), _wanted_by_policy(snapshots, policy, now + MARGIN_S)
    reached = [reached_txg(replica, snapshots, bookmarks) for replica in replicas]
    bases = {replica.name: base for replica in replicas if (base := newest_base(replica, snapshots)) is not None}
    fates = []
    for one in snapshots:
        reasons = [*wanted[one], *_reasons_of_holds(one), *_reasons_of_bases(one, bases)]
        if not soon[one] and (has := sum(txg >= one.createtxg for txg in reached)) < copies:
            reasons.append(Reason("copies", f"{has} of {copies} replicas have it or a later one"))
        fates.append(Fate(one, tuple(reasons)))
    return Retention(dataset, tuple(fates), *_change_holds(fates, bases), _thin_out(snapshots, bookmarks, replicas))


def newest_base(replica: Replica, snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """The newest snapshot that the replica has too, by its guid there or by the hold that marks it."""
    common = [one for one in snapshots if one.guid in replica.guids or hold_tag(replica.name) in one.holds]
    return max(common, key=lambda one: one.createtxg, default=None)


def reached_txg(replica: Replica, snapshots: Sequence[Snapshot], bookmarks: Sequence[Bookmark]) -> int:
    """The transaction group of the source up to which the replica was brought; -1 where it has nothing."""
    base = newest_base(replica, snapshots)
    marks = [one.createtxg for one in bookmarks if replica_of_bookmark(one) == replica.name]
    return max([*marks, base.createtxg if base else -1])


def find_clock_faults(snapshots: Sequence[Snapshot], now: int) -> list[str]:
    """Snapshots from the future, in words: the clock is wrong, or was when they were taken, and ages mean nothing."""
    return [
        f"{one.full_name} was taken at {_utc(one.created_at)}, and now it is {_utc(now)}"
        for one in snapshots if one.created_at > now + CLOCK_TOLERANCE_S
    ]  # fmt: skip


def kind_of(snapshot: Snapshot) -> str | None:
    """hourly, daily … of a snapshot that sanoid took; None for any other, which sanoid never touches."""
    match = re.fullmatch(r"autosnap.*_([A-Za-z0-9]*ly)", snapshot.name)
    return match[1] if match else None


def _wanted_by_policy(snapshots: Sequence[Snapshot], policy: Policy | None, now: int) -> dict[Snapshot, list[Reason]]:
    wanted: dict[Snapshot, list[Reason]] = {one: [] for one in snapshots}
    kinds: defaultdict[str, list[Snapshot]] = defaultdict(list)
    for one in snapshots:
        kind = kind_of(one)
        if kind is None or kind not in PERIODS:
            wanted[one].append(Reason("by-hand", "not sanoid's: nothing prunes it"))
        elif policy is None:
            wanted[one].append(Reason("no-policy", "no policy holds here"))
        else:
            kinds[kind].append(one)
    for kind, found in kinds.items():
        count = policy.kept(kind) if policy is not None else 0
        for one in _kept_of_kind(found, count, now - count * PERIODS[kind]):
            wanted[one].append(Reason("policy", f"of {count} {kind}"))
    return wanted


def _kept_of_kind(snapshots: Sequence[Snapshot], count: int, oldest: int) -> list[Snapshot]:
    by_age = sorted(snapshots, key=lambda one: (one.created_at, one.createtxg))
    too_old = sum(one.created_at < oldest for one in by_age)
    return by_age[min(too_old, max(0, len(by_age) - count)) :]


def _reasons_of_holds(snapshot: Snapshot) -> list[Reason]:
    """Each hold, by whom; ours for copies is not one of them: it is decided anew."""
    reasons = []
    for tag in snapshot.holds:
        replica = replica_of_tag(tag.removesuffix(":sending"))
        if tag != COPIES_TAG:
            reasons.append(Reason("hold", f"held for replica {replica}" if replica else f"held by {tag}"))
    return reasons


def _reasons_of_bases(snapshot: Snapshot, bases: dict[str, Snapshot]) -> list[Reason]:
    return [Reason("base", f"newest common with {name}") for name, base in sorted(bases.items()) if base == snapshot]


def _change_holds(fates: Sequence[Fate], bases: dict[str, Snapshot]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Holds to set and to release: each base has its hold, and what waits for copies has one for so long. Other holds are not ours."""
    to_set = [(hold_tag(name), base.full_name) for name, base in sorted(bases.items()) if hold_tag(name) not in base.holds]
    to_release = []
    for fate in fates:
        waits = any(reason.kind == "copies" for reason in fate.reasons)
        if waits and COPIES_TAG not in fate.snapshot.holds:
            to_set.append((COPIES_TAG, fate.snapshot.full_name))
        if not waits and COPIES_TAG in fate.snapshot.holds:
            to_release.append((COPIES_TAG, fate.snapshot.full_name))
    return tuple(to_set), tuple(to_release)


def _thin_out(snapshots: Sequence[Snapshot], bookmarks: Sequence[Bookmark], replicas: Sequence[Replica]) -> tuple[Bookmark, ...]:
    found: list[Bookmark] = []
    for replica in replicas:
        marks = [one for one in bookmarks if replica_of_bookmark(one) == replica.name]
        newest = newest_base(replica, snapshots) or max(marks, key=lambda one: one.createtxg, default=None)
        if newest is not None:
            found += old_bookmarks(bookmarks, newest, replica.name)
    return tuple(found)


def _utc(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"
