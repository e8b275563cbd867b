"""Restoring from snapshots and replicas, decided: what was named, under which new names it comes back, and how it takes its place."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """A dataset that what comes back has for its name: never that of live data, nor in a store, whose replicas would be sent it."""
    name = f"{aside_folder(dataset)}/{dataset.rpartition('/')[2]}_from_{snapshot}"
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"{name[:80]}… is too long for a dataset", "Give a name with --into.")
    return name


def aside_folder(dataset: str) -> str:
    """Where what is no part of a store is kept in the same pool."""
    return f"{dataset.partition('/')[0]}/restored"


def make_aside(dataset: str) -> Command:
    """The command that makes that place, mounted nowhere; it changes nothing where the place is there."""
    return ("zfs", "create", "-p", "-o", "canmount=off", aside_folder(dataset))


def choose_place(origin: str, new: str, existing: Iterable[str]) -> str | None:
    """The dataset whose place `new` is to take, by what `origin` is called: one that is there, else one whose parent is."""
    known = {*existing} - {new}
    parts = origin.split("/")[1:]
    names = ["/".join([new.partition("/")[0], *parts[start:]]) for start in range(len(parts))]
    there = [name for name in names if name in known]
    free = [name for name in names if name.rpartition("/")[0] in known]
    return next(iter(there + free), None)


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


def open_steps(names: Sequence[str], properties: Mapping[str, Mapping[str, str]]) -> Iterator[Step]:
    """What makes received datasets fit for use: written to, and from now on with the properties of what they stand for."""
    for name in names:
        yield Step("Open it for writing.", ("zfs", "inherit", "readonly", name))
        settings = [f"{key}={value}" for key, value in properties.get(name, {}).items() if key in _KEPT]
        if settings:
            yield Step("What is written from now on is kept as in the live one.", ("zfs", "set", *settings, name))


def swap_steps(
    dataset: str, new: str, datasets: Sequence[str], mountpoint: str | None, *, base: str = "", is_there: bool = True
) -> tuple[Step, ...]:
    """How what came back takes the place of live data; for the operator to type, since it stops what uses it.

    `datasets` are those at and below `new`; `mountpoint` where `dataset` is mounted, if that is set on itself; `base` the name of the
    snapshot that `new` is a clone of; `is_there` whether there is live data at all.
    """
    look = Step(f"Look at it first: {new} is whole and apart from {dataset}.", ("zfs", "mount", new))
    if "/" not in dataset:
        return (look, Step(f"{dataset} is the pool itself, and cannot be put aside: copy what is wanted from {new}."))
    steps = [look]
    if base:
        steps += [Step("Let it stand on its own, so that the old one can go one day.", ("zfs", "promote", name)) for name in datasets]
    old = f"{aside_folder(dataset)}/{dataset.rpartition('/')[2]}_before"
    if is_there:
        steps += _aside(dataset, old, mountpoint)
    if new != dataset:
        steps.append(Step("Give it the name.", ("zfs", "rename", new, dataset)))
    if mountpoint is not None:
        steps.append(Step("And its place.", ("zfs", "set", f"mountpoint={mountpoint}", dataset)))
    steps += [Step("Let it be mounted.", ("zfs", "set", "canmount=on", dataset + name.removeprefix(new))) for name in datasets]
    steps.append(Step("Mount what is not mounted yet.", ("zfs", "mount", "-a")))
    if base:
        steps += _on_replicas(dataset.rpartition("/")[2], base, [name.removeprefix(new) for name in datasets])
    steps.append(Step("Prove it.", ("fonoteca", "verify")))
    return (
        (*steps, Step(f"{old} holds what was there before; nothing here destroys it. A replica may hold its newest snapshot (zfs holds)."))
        if is_there
        else tuple(steps)
    )


def _aside(dataset: str, old: str, mountpoint: str | None) -> Iterator[Step]:
    """Out of the store: what is in it is sent to replicas as data of its own."""
    yield Step("A place outside of the store for the old one, so that no replica is sent it anew.", make_aside(dataset))
    yield Step("Stop what uses it (services, shares, shells in it), then put the old one aside.", ("zfs", "rename", dataset, old))
    if mountpoint is not None:
        yield Step("Two may not be mounted at one place.", ("zfs", "set", "canmount=noauto", old))
        yield Step("The old one gives its place up.", ("zfs", "inherit", "mountpoint", old))


def _on_replicas(last: str, base: str, below: Sequence[str]) -> Iterator[Step]:
    """A replica goes back to the same snapshot by a clone too: it loses nothing, and is sent nothing twice."""
    options = ("-o", "readonly=on", "-o", "canmount=noauto")
    lines = [shlex.join(("zfs", "clone", *options, f"REPLICA{name}@{base}", f"REPLICA_new{name}")) for name in below]
    lines += [shlex.join(("zfs", "promote", f"REPLICA_new{name}")) for name in below]
    lines += ["zfs rename REPLICA REPLICA_before", "zfs rename REPLICA_new REPLICA"]
    yield Step(
        f"A replica with newer snapshots than @{base} takes no more until it has gone back as well, which loses nothing. "
        f"On its machine, with the replica of {last} for REPLICA (such as backup/fonoteca/{last}):"
    )
    yield from map(Step, lines)
