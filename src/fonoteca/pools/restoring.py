"""Restoring from snapshots and replicas, decided: what was named, under which new names it comes back, and how it takes its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from fonoteca.ground.errors import NotFoundError, UsageError
from fonoteca.pools.replace_steps import Command, Step
from fonoteca.pools.snapshots import Snapshot

# what a clone takes over from the dataset that it came from; where it is mounted and how much it may hold are its own
_KEPT = (
    "recordsize", "compression", "atime", "relatime", "xattr", "acltype", "aclinherit", "dnodesize", "logbias", "primarycache",
    "secondarycache", "sync", "redundant_metadata", "special_small_blocks", "checksum", "copies", "exec", "setuid", "devices",
)  # fmt: skip
_LONGEST_NAME = 200


class Origin(msgspec.Struct, frozen=True):
    """Where bytes come back from: a dataset here, or there (`remote` is ssh://user@host[:port]); one snapshot of it, or the newest."""

    dataset: str
    snapshot: str | None = None
    remote: str | None = None
    replica: str | None = None

    @property
    def words(self) -> str:
        """The same as it is typed."""
        named = f"{self.remote}/{self.dataset}" if self.remote else self.dataset
        return f"{named}@{self.snapshot}" if self.snapshot else named


def parse_origin(text: str, replicas: Mapping[str, str], own_dataset: str | None = None) -> Origin:
    """`tank/a@monday`, `@monday` (of `own_dataset`), `backup/a`, `ssh://user@host/backup/a[@monday]`, or a replica: name → target."""
    if text in replicas:
        return msgspec.structs.replace(parse_origin(replicas[text], {}), replica=text)
    remote, path = None, text
    if "://" in text:
        found = re.fullmatch(r"(ssh://[^/]+)/(.+)", text)
        if not found:
            raise UsageError(f"{text!r} is no target", "Write ssh://user@host[:port]/pool/dataset.")
        remote, path = found[1], found[2]
    dataset, sign, snapshot = path.partition("@")
    if not dataset and sign:
        dataset = own_dataset or ""
    if not dataset or (sign and not snapshot) or "@" in snapshot or dataset.startswith(("/", ".")) or dataset.endswith("/"):
        known = f" Replicas: {', '.join(replicas)}." if replicas else ""
        raise UsageError(
            f"{text!r} is neither a snapshot nor a target", f"Write DATASET@SNAPSHOT, a dataset, ssh://… or a replica's name.{known}"
        )
    return Origin(dataset, snapshot or None, remote)


def choose_snapshot(snapshots: Sequence[Snapshot], origin: Origin) -> Snapshot:
    """The one that was named, else the newest; NotFoundError with those that are there."""
    own = [one for one in snapshots if one.dataset == origin.dataset]
    if origin.snapshot is None and own:
        return max(own, key=lambda one: one.createtxg)
    for one in own:
        if one.name == origin.snapshot:
            return one
    newest = sorted(own, key=lambda one: -one.createtxg)[:5]
    there = ", ".join(one.name for one in newest) + (" …" if len(own) > len(newest) else "") if own else "none at all"
    raise NotFoundError(f"there is no snapshot {origin.words} (there are: {there})", "fonoteca pool snapshot --list shows all of them.")


def choose_dataset(existing: Iterable[str], target: str, own_dataset: str) -> str:
    """The dataset of a replica that holds the same as `own_dataset`: the replica of tank/fonoteca has …/archive where that has it."""
    known = set(existing)
    parts = own_dataset.split("/")
    for start in range(1, len(parts) + 1):
        name = "/".join([target, *parts[start:]])
        if name in known:
            return name
    raise NotFoundError(f"there is no dataset {target}", "zfs list tells those that are there.")


def restored_name(dataset: str, snapshot: str) -> str:
    """A dataset that what comes back has for its name: never that of live data."""
    name = f"{dataset}_from_{snapshot}"
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"{name[:80]}… is too long for a dataset", "Give a name with --into.")
    return name


def clone_commands(snapshots: Sequence[Snapshot], dataset: str, new: str, properties: Mapping[str, Mapping[str, str]]) -> list[Command]:
    """Clones of `dataset` and all below it at one moment, under `new`; each with what was set on its source (`properties` by dataset)."""
    commands = []
    for snapshot in sorted(snapshots, key=lambda one: one.dataset):
        if snapshot.dataset != dataset and not snapshot.dataset.startswith(f"{dataset}/"):
            continue
        options = [f"{name}={value}" for name, value in properties.get(snapshot.dataset, {}).items() if name in _KEPT]
        flags = [part for option in ["canmount=noauto", *options] for part in ("-o", option)]
        commands.append(("zfs", "clone", *flags, snapshot.full_name, new + snapshot.dataset.removeprefix(dataset)))
    return commands


def swap_steps(dataset: str, new: str, datasets: Sequence[str], mountpoint: str | None, *, is_clone: bool) -> tuple[Step, ...]:
    """How what came back takes the place of live data; for the operator to type, since it stops what uses it.

    `datasets` are those at and below `new`; `mountpoint` where `dataset` is mounted, if that is set on itself.
    """
    old = f"{dataset}_before"
    steps = [Step(f"Look at it first: {new} is whole and apart from {dataset}.", ("zfs", "mount", new))]
    if is_clone:
        steps += [Step("Let it stand on its own, so that the old one can go one day.", ("zfs", "promote", name)) for name in datasets]
    steps.append(Step("Stop what uses it (services, shares, shells in it), then put the old one aside.", ("zfs", "rename", dataset, old)))
    if mountpoint is not None:
        steps.append(Step("Two may not be mounted at one place.", ("zfs", "set", "canmount=noauto", old)))
        steps.append(Step("The old one gives its place up.", ("zfs", "inherit", "mountpoint", old)))
    steps.append(Step("Give it the name.", ("zfs", "rename", new, dataset)))
    if mountpoint is not None:
        steps.append(Step("And its place.", ("zfs", "set", f"mountpoint={mountpoint}", dataset)))
    steps += [Step("Let it be mounted.", ("zfs", "set", "canmount=on", dataset + name.removeprefix(new))) for name in datasets]
    steps.append(Step("Mount what is not mounted yet.", ("zfs", "mount", "-a")))
    steps.append(Step("Prove it.", ("fonoteca", "verify")))
    return (*steps, Step(f"{old} holds what was there before; nothing here destroys it."))
