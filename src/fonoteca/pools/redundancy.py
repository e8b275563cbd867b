"""How much more may die: what each group of disks still has to spare, as its states and resilvers tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.pools.health import PoolHealth, Vdev

ANSWERING = frozenset({"ONLINE", "DEGRADED"})
"""States in which a vdev is read."""

GROUPS_THAT_HOLD_DATA = frozenset({"data", "special", "dedup"})
_SHORTEST_PART = 4


class Place(msgspec.Struct, frozen=True):
    """A disk in its pool. `group` is the vdev below the root that it stands in (itself where it stands alone); `parents` lead to it."""

    pool: str
    group: Vdev
    parents: tuple[Vdev, ...]
    leaf: Vdev

    @property
    def stand_in(self) -> Vdev | None:
        """The spare that has taken its place, if one has."""
        return next((parent.children[-1] for parent in self.parents if parent.kind == "spare" and parent.children[-1] != self.leaf), None)

    @property
    def successor(self) -> Vdev | None:
        """The disk that is replacing it, if one is."""
        return next(
            (parent.children[-1] for parent in self.parents if parent.kind == "replacing" and parent.children[-1] != self.leaf), None
        )

    @property
    def predecessor(self) -> Vdev | None:
        """The disk in whose place it is being filled, if it is."""
        pairs = [parent for parent in self.parents if parent.kind in ("replacing", "spare") and parent.children[-1] == self.leaf]
        return next((leaf for parent in reversed(pairs) for leaf in parent.children[0].leaves()), None)

    @property
    def handle(self) -> str:
        """What zpool knows it by, whether it answers or not: its guid, else its name."""
        return handle_of(self.leaf)


def handle_of(leaf: Vdev) -> str:
    """What zpool knows a disk by, whether it answers or not: its guid, else its name."""
    return str(leaf.guid) if leaf.guid else leaf.path or leaf.name


def places_of(health: PoolHealth) -> list[Place]:
    """Every disk of a pool in its place, spares too."""
    return [
        Place(health.name, group, parents, leaf)
        for root in health.vdevs
        for group in (root.children if root.kind == "root" else (root,))
        for parents, leaf in _descend(group, ())
    ]


def _descend(vdev: Vdev, parents: tuple[Vdev, ...]) -> Iterable[tuple[tuple[Vdev, ...], Vdev]]:
    if vdev.is_leaf or (not vdev.children and vdev.kind not in ("root", "hole", "indirect")):
        yield parents, vdev
    for child in vdev.children:
        yield from _descend(child, (*parents, vdev))


def find_place(pools: Sequence[PoolHealth], names: Sequence[str]) -> Place:
    """The one disk that any of `names` names: guid, device, link, what ZFS last saw it as, or a serial number within those.

    NotFoundError where it is in no pool; UsageError where several answer.
    """
    places = [place for health in pools for place in places_of(health)]
    for answers in (answers_to, _answers_partly):
        found = _without_shadows([place for place in places if any(answers(place.leaf, name) for name in names if name)])
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(place.leaf.name for place in found)
            raise UsageError(f"{len(found)} disks answer to {names[0]!r}: {listed}", "Give the guid of one: zpool status -g tells them.")
    known = ", ".join(health.name for health in pools) or "none"
    raise NotFoundError(
        f"no disk of a pool answers to {names[0]!r} (pools: {known})",
        "fonoteca pool disks and zpool status tell the names; one that was replaced is in none any more.",
    )


def _without_shadows(found: list[Place]) -> list[Place]:
    """A spare stands twice, in the list of spares and where it is in use: the second counts."""
    in_use = {place.leaf.name for place in found if place.parents}
    return [place for place in found if place.parents or place.leaf.name not in in_use]


def answers_to(leaf: Vdev, name: str) -> bool:
    """Whether a disk of a pool goes by this name: a guid, a link or device with or without its partition, what it was seen as last."""
    return name in _names_of(leaf)


def _answers_partly(leaf: Vdev, name: str) -> bool:
    """A serial number is the end of a link in /dev/disk/by-id."""
    return len(name) >= _SHORTEST_PART and any(name.lower() in known.rpartition("/")[2].lower() for known in _names_of(leaf))


def _names_of(leaf: Vdev) -> set[str]:
    given = {leaf.name, leaf.path or "", leaf.former_path or ""}
    whole = {without_partition(name) for name in given}
    names = given | whole | {name.rpartition("/")[2] for name in given | whole}
    return (names | ({str(leaf.guid)} if leaf.guid else set())) - {""}


def without_partition(path: str) -> str:
    """The disk of a partition that ZFS made on it: wwn-0x5000-part1, sdb1, nvme0n1p1."""
    name = path.rpartition("/")[2]
    if "/" in path and not path.startswith("/dev/"):
        return path
    if path.endswith("-part1"):
        return path.removesuffix("-part1")
    if name.startswith("nvme") and path.endswith("p1"):
        return path.removesuffix("p1")
    return path.removesuffix("1") if name.startswith(("sd", "vd", "xvd")) else path


def is_complete(vdev: Vdev, *, is_resilvering: bool) -> bool:
    """Whether every block that belongs there can be read there; what is being written anew does not count yet."""
    if vdev.kind in ("spare", "replacing", "mirror"):
        children = vdev.children[:-1] if is_resilvering and vdev.kind != "mirror" else vdev.children
        return any(is_complete(child, is_resilvering=is_resilvering) for child in children)
    return vdev.state in ANSWERING and "resilver" not in vdev.note


def may_still_die(group: Vdev, *, is_resilvering: bool, without: Vdev | None = None) -> int:
    """How many more disks of the group may die before data is lost; below 0 some is out of reach already.

    `without`: as if this disk were pulled now.
    """
    if without is not None:
        group = _pull(group, without)
    if group.kind == "mirror":
        return sum(is_complete(child, is_resilvering=is_resilvering) for child in group.children) - 1
    if group.kind in ("raidz", "draid"):
        missing = sum(not is_complete(child, is_resilvering=is_resilvering) for child in group.children)
        return group.parity - missing
    return 0 if is_complete(group, is_resilvering=is_resilvering) else -1


def _pull(vdev: Vdev, pulled: Vdev) -> Vdev:
    if vdev == pulled:
        return msgspec.structs.replace(vdev, state="REMOVED")
    return msgspec.structs.replace(vdev, children=tuple(_pull(child, pulled) for child in vdev.children))
