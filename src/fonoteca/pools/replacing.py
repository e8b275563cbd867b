"""Replacing a disk, decided from what the pool says: is it safe, what is at stake, which step comes next. Touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from fonoteca.ground.errors import DiskRefusedError, PoolError, PoolSuspendedError
from fonoteca.ground.quantities import format_count
from fonoteca.pools.health import PoolHealth, Vdev
from fonoteca.pools.redundancy import GROUPS_THAT_HOLD_DATA, Place, answers_to, handle_of, is_complete, may_still_die, places_of

Verdict = Literal["safe", "careful", "keep", "watch", "done"]
"""safe: it may be pulled now. careful: it may, but it is better left in: then nothing is to spare, or it can read what others cannot.
keep: it must stay in until its successor is filled. watch: it is being filled, or another disk in its place.
done: it is well, and nothing asks for it to be replaced."""

_GONE = frozenset({"REMOVED", "UNAVAIL", "OFFLINE", "FAULTED"})


class Judgement(msgspec.Struct, frozen=True):
    """Whether a disk may be pulled. `spare_now` and `spare_without`: how many more of its group may die, with it and after it is pulled.

    `facts` are sentences: what is at stake, other disks with errors, what runs.
    """

    verdict: Verdict
    group: str
    spare_now: int
    spare_without: int
    holds_data: bool
    is_answering: bool
    facts: tuple[str, ...] = ()

    @property
    def may_be_pulled(self) -> bool:
        """Whether pulling it now loses nothing."""
        return self.spare_without >= 0


def is_resilvering(health: PoolHealth) -> bool:
    """Whether a disk is being filled now."""
    return health.scan is not None and health.scan.function in ("resilver", "rebuild") and health.scan.state == "scanning"


def judge(health: PoolHealth, place: Place) -> Judgement:
    """Is it safe to pull this disk now? PoolSuspendedError where the pool has stopped, for then nothing may be pulled at all."""
    refuse_suspended(health)
    busy = is_resilvering(health)
    now = may_still_die(place.group, is_resilvering=busy)
    without = may_still_die(place.group, is_resilvering=busy, without=place.leaf)
    holds_data = is_complete(place.leaf, is_resilvering=busy)
    return Judgement(
        verdict=_verdict(health, place, without, holds_data), group=place.group.name, spare_now=now, spare_without=without,
        holds_data=holds_data, is_answering=place.leaf.state not in _GONE, facts=tuple(_facts(health, place, now, without, busy)),
    )  # fmt: skip


def _verdict(health: PoolHealth, place: Place, without: int, holds_data: bool) -> Verdict:
    if place.leaf.state in ("AVAIL", "INUSE") or place.leaf.role == "spare":
        return "done"
    if (place.successor is not None and is_resilvering(health)) or is_being_filled(health, place):
        return "watch"
    if place.group.role == "cache" or (place.group.role == "log" and without >= 0):
        return "safe"
    if without < 0:
        return "keep"
    others_do = any(leaf.state not in _GONE for leaf in _others_with_errors(place))
    is_needed = place.leaf.state not in _GONE and (health.error_count or others_do)
    if (without == 0 and holds_data) or is_needed:
        return "careful"
    return "safe"


def is_being_filled(health: PoolHealth, place: Place) -> bool:
    """Whether it is the new disk in another's place; ZFS counts a spare as that only while a resilver runs."""
    pairs = ("replacing", "spare") if is_resilvering(health) else ("replacing",)
    answers = place.leaf.state not in _GONE
    return answers and any(parent.kind in pairs and parent.children[-1] == place.leaf for parent in place.parents)


def _facts(health: PoolHealth, place: Place, now: int, without: int, busy: bool) -> list[str]:
    group = place.group.name
    facts = [_words_of_spare(group, now, "now")]
    if place.predecessor is not None and is_being_filled(health, place):
        facts.insert(0, f"It is the new disk in the place of {place.predecessor.name}, and is being filled. Do not pull it.")
    if without != now:
        facts.append(_words_of_spare(group, without, "once it is pulled"))
    if without < 0 and place.group.role in GROUPS_THAT_HOLD_DATA:
        facts.append(f"At stake: everything in {health.name}, since no pool lives without {group}.")
    facts += [f"{leaf.name} of the same group has errors too: {words_of_errors(leaf)}." for leaf in _others_with_errors(place)]
    if place.stand_in is not None:
        what = "is being filled" if busy else "holds its data"
        facts.append(f"The spare {place.stand_in.name} stands in for it and {what}.")
    return facts + _facts_of_pool(health, busy)


def _facts_of_pool(health: PoolHealth, busy: bool) -> list[str]:
    facts = []
    if busy:
        facts.append("A resilver runs; another disk that is replaced now is filled after it, or with it from the beginning.")
    elif health.scan is not None and health.scan.function in ("scrub", "errorscrub") and health.scan.state in ("scanning", "paused"):
        facts.append("A scrub runs; the resilver takes its place, so scrub again afterwards.")
    if health.error_count:
        facts.append(
            f"{format_count(health.error_count, 'file')} of {health.name} cannot be read whole already; zpool status -v names them."
        )
    return facts


def _words_of_spare(group: str, count: int, when: str) -> str:
    if count < 0:
        return f"{group}: {when} data is out of reach."
    return f"{group}: {when} {'no further disk' if not count else format_count(count, 'more disk')} may die."


def words_of_errors(leaf: Vdev) -> str:
    """Its state where that is not well, and its counts."""
    counts = [(leaf.read_errors, "reading"), (leaf.write_errors, "writing"), (leaf.checksum_errors, "checksum")]
    told = [f"{count} {what}" for count, what in counts if count]
    return ", ".join(([leaf.state] if leaf.state not in ("ONLINE", "AVAIL", "INUSE") else []) + told) or "none"


def _others_with_errors(place: Place) -> list[Vdev]:
    return [leaf for leaf in place.group.leaves() if leaf != place.leaf and words_of_errors(leaf) != "none"]


def refuse_suspended(health: PoolHealth) -> None:
    """PoolSuspendedError where all writing has stopped: what is missing must come back first."""
    is_stopped = health.state == "SUSPENDED" or health.message_id in ("ZFS-8000-HC", "ZFS-8000-JQ")
    if is_stopped or any(vdev.state == "SUSPENDED" for vdev in health.vdevs):
        missing = ", ".join(f"{leaf.former_path or leaf.name} ({leaf.state})" for leaf in health.leaves() if leaf.state in _GONE) or "disks"
        raise PoolSuspendedError(
            f"{health.name} is suspended: it has lost more than it can do without, and waits ({missing})",
            f"Pull nothing. Bring these disks back (cables, power, controller), then: zpool clear {health.name}. "
            "Where that is refused: docs/operations/lose-a-vdev.md.",
        )


def find_pulled_by_mistake(health: PoolHealth, place: Place, is_present: Callable[[Vdev], bool]) -> Vdev | None:
    """A disk that was pulled instead of the one in `place`, which is still in the machine: put back first, it is good.

    A disk that was taken out while the pool ran counts, also where a spare stands in by now, and with the errors of what was under way
    then; `is_present` tells whether a disk of the pool is in the machine.
    """
    if not is_present(place.leaf):
        return None
    for other in places_of(health):
        leaf = other.leaf
        vanished = leaf != place.leaf and leaf.state == "REMOVED" and other.successor is None
        if vanished and other.group.name == place.group.name and not is_present(leaf):
            return leaf
    return None


def check_successor(place: Place, names: set[str], size: int | None, least: int | None) -> None:
    """DiskRefusedError where the disk with these names cannot take the place: the same disk, one of the pool, too small (bytes)."""
    if any(answers_to(place.leaf, name) for name in names):
        raise DiskRefusedError(f"{place.leaf.name} cannot be replaced by itself", "Put the new disk in and name that one.")
    if least is not None and size is not None and size < least:
        raise DiskRefusedError(
            f"the new disk has {size:,} bytes, and {place.group.name} needs {least:,}: {least - size:,} more",
            "Take a disk that is at least as large as the smallest of its group; fonoteca pool disks tells the sizes.",
        )


class Watched(msgspec.Struct, frozen=True):
    """What became of a resilver since it was looked at last."""

    is_over: bool
    lost: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


def compare(before: PoolHealth, now: PoolHealth, successor: str) -> Watched:
    """What changed while the disk that zpool knows as `successor` is being filled.

    PoolError where it vanished itself, and PoolSuspendedError where the pool stopped: each with its way out.
    """
    refuse_suspended(now)
    old, new = ({_key(leaf): leaf for leaf in health.leaves()} for health in (before, now))
    died = [leaf for key, leaf in new.items() if leaf.state in _GONE and key in old and old[key].state not in _GONE]
    filled = next((leaf for leaf in now.leaves() if answers_to(leaf, successor)), None)
    if filled is not None and filled.state in _GONE and _is_being_replaced(now, filled):
        raise PoolError(
            f"the new disk {filled.name} vanished while it was filled ({filled.state}); {now.name} goes on without it",
            f"Look at its cable and bay. When it is back: zpool online {now.name} {filled.guid or filled.name}, and this command again. "
            f"If it is dead too: fonoteca pool replace {filled.guid or filled.name} ANOTHER --yes.",
        )
    facts = [f"{leaf.name} died too ({leaf.state}). {_rest(now, leaf)}" for leaf in died if leaf != filled]
    return Watched(is_over=not is_resilvering(now), lost=tuple(leaf.name for leaf in died), facts=tuple(facts))


def _key(leaf: Vdev) -> str:
    return str(leaf.guid) if leaf.guid else leaf.name


def _is_being_replaced(health: PoolHealth, leaf: Vdev) -> bool:
    return any(vdev.kind == "replacing" and leaf in vdev.children for root in health.vdevs for vdev in root.walk())


def _rest(health: PoolHealth, leaf: Vdev) -> str:
    group = next(place.group for place in places_of(health) if place.leaf == leaf)
    left = may_still_die(group, is_resilvering=True)
    told = _words_of_spare(group.name, left, "until the resilver ends,")
    return f"{told} Pull nothing, let it finish, then replace this one: docs/operations/two-disks.md."


def spares_to_send_back(health: PoolHealth, successor: str) -> list[str]:
    """Spares that still stand in for what the new disk `successor` has replaced, and it is whole; the rest is left to ZFS.

    ZFS sends most back by itself when the resilver ends. One that was itself put in the place of a disk stays.
    """
    if is_resilvering(health):
        return []
    spares = [vdev for root in health.vdevs for vdev in root.walk() if vdev.kind == "spare" and len(vdev.children) > 1]
    return [handle_of(spare.children[-1]) for spare in spares if _is_whole_again(spare, successor)]


def _is_whole_again(spare: Vdev, successor: str) -> bool:
    first = spare.children[:-1]
    is_well = all(one.is_leaf and words_of_errors(one) == "none" and is_complete(one, is_resilvering=False) for one in first)
    return is_well and any(answers_to(one, successor) for one in first) and not answers_to(spare.children[-1], successor)
