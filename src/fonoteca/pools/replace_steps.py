"""The steps from a dead disk to a healthy pool, in words and commands, for the person in front of the machine."""

from __future__ import annotations

import re
import shlex

import msgspec

from fonoteca.pools.disks import Disk
from fonoteca.pools.health import Vdev
from fonoteca.pools.redundancy import Place, handle_of
from fonoteca.pools.replacing import Judgement, words_of_errors

Command = tuple[str, ...]


class Step(msgspec.Struct, frozen=True):
    """One thing to do: in words, and the command that does it, if one does. `is_ours`: --yes does it."""

    words: str
    command: Command = ()
    is_ours: bool = False

    @property
    def line(self) -> str:
        """The command as it is typed."""
        return shlex.join(self.command)


class Surroundings(msgspec.Struct, frozen=True):
    """What is known beside the pool: the disk itself where it is in the machine, disks that could take its place, what is installed."""

    disk: Disk | None = None
    free: tuple[Disk, ...] = ()
    takes_by_itself: bool = False
    has_lights: bool = False
    new_is_spare: bool = False


def plan_steps(place: Place, judgement: Judgement, new: str | None, around: Surroundings, *, with_force: bool = False) -> tuple[Step, ...]:
    """What to do, in order. `new` is the path of the disk that takes over, if it was named; `with_force`: whatever is on it."""
    if judgement.verdict == "done":
        return (Step(f"{place.leaf.name} is a spare; take it out with this, and put the new one in the same way.",
                     ("zpool", "remove", place.pool, place.leaf.path or place.leaf.name)),)  # fmt: skip
    if judgement.verdict == "watch":
        return (Step("A new disk is being filled. Pull neither that one nor the old; this command watches it.", _again(place)),)
    if place.group.role == "cache":
        return _of_cache(place, new, around, with_force)
    if new is not None:
        return _with_new_disk(place, judgement, new, around, with_force)
    if judgement.verdict in ("keep", "careful") and judgement.is_answering:
        return (_stay(place, judgement), *_put_in(place, around, "Put the new disk into a free bay."))
    if judgement.verdict == "keep":
        return (_bring_back(place), *_put_in(place, around, "Only then: put the new disk into a free bay."))
    return (*_take_out(place, judgement, around), *_put_in(place, around, "Put the new disk into the same bay."))


def _with_new_disk(place: Place, judgement: Judgement, new: str, around: Surroundings, with_force: bool) -> tuple[Step, ...]:
    told = "ZFS reads what the old disk had from the others and writes it to the new one."
    if judgement.is_answering:
        told = f"{place.leaf.name} stays in while the new disk is filled: so nothing less is to spare meanwhile."
    flags = ("-f",) if with_force else ()
    steps = [Step(told, ("zpool", "replace", *flags, place.pool, place.handle, new), is_ours=True)]
    if place.stand_in is not None:
        steps.append(Step(f"When it is filled, the spare {place.stand_in.name} goes back and is available again."))
    where = _where(place, around)
    if around.new_is_spare:
        steps.append(Step("When it is filled, let the spare stay for good; or leave all as it is, and begin again with a new disk.",
                          ("zpool", "detach", place.pool, place.handle)))  # fmt: skip
        return (*steps, Step(f"Only after one of the two: take out the old disk, {where}."))
    return (*steps, Step(f"When the pool is healthy, and not before: take out the old disk, {where}."))


def _of_cache(place: Place, new: str | None, around: Surroundings, with_force: bool) -> tuple[Step, ...]:
    """A cache is not replaced but removed, for it holds nothing that is not elsewhere; a new one begins empty."""
    remove = Step("It only caches: remove it.", ("zpool", "remove", place.pool, place.handle), is_ours=True)
    flags = ("-f",) if with_force else ()
    add = Step("Add the new one.", ("zpool", "add", *flags, place.pool, "cache", new or "/dev/disk/by-id/NEW"), is_ours=new is not None)
    pull = Step(f"Pull it: {_where(place, around)}. Read the label before you pull, and pull no other.")
    return (remove, pull, add) if new is None else (remove, add, pull)


def _stay(place: Place, judgement: Judgement) -> Step:
    why = "data would be out of reach" if judgement.spare_without < 0 else "no other disk of its group might die any more"
    if judgement.spare_without > 0:
        why = "data might be lost, for others have errors too, and what they lack it may still read"
    return Step(f"Leave {place.leaf.name} in: without it {why}. It is replaced while it still answers.")


def _bring_back(place: Place) -> Step:
    return Step(
        f"Do not give it up: {place.group.name} cannot do without it. Look at its cable, power and bay, then try to bring it back.",
        ("zpool", "online", place.pool, place.handle),
    )


def _take_out(place: Place, judgement: Judgement, around: Surroundings) -> list[Step]:
    steps = []
    if judgement.is_answering:
        steps.append(
            Step("Take it offline, so that nothing is written to it.", ("zpool", "offline", place.pool, place.handle), is_ours=True)
        )
    if around.has_lights and around.disk is not None:
        steps.append(Step("Let its bay blink.", ("ledctl", f"locate={around.disk.path}")))
    steps.append(Step(f"Pull it: {_where(place, around)}. Read the label before you pull, and pull no other."))
    return steps


def _put_in(place: Place, around: Surroundings, words: str) -> list[Step]:
    steps = [Step(words)]
    if around.takes_by_itself:
        steps[0] = Step(f"{words} autoreplace is on: ZED takes a new disk in the same bay by itself, and the next steps only watch it.")
    if around.free:
        told = ", ".join(disk.describe() for disk in around.free[:3])
        steps.append(Step(f"Free already and large enough: {told}."))
        new = around.free[0].best_name
    else:
        steps.append(Step("Find its name.", ("fonoteca", "pool", "disks")))
        new = "/dev/disk/by-id/NEW"
    steps.append(Step("Let it take over; this shows the resilver and says when all is well.", (*_again(place), new, "--yes")))
    return steps


def _again(place: Place) -> Command:
    return ("fonoteca", "pool", "replace", handle_of(place.predecessor or place.leaf))


def _where(place: Place, around: Surroundings) -> str:
    disk = around.disk
    if disk is not None:
        bay = f"bay {disk.bay}" if disk.bay else "its bay is not known"
        label = ", ".join(part for part in (disk.model, f"serial {disk.serial}" if disk.serial else "") if part)
        return f"{bay}, {f'the label reads {label}' if label else f'here it is {disk.path}'}"
    serial = serial_of_link(place.leaf.former_path or place.leaf.path or place.leaf.name)
    if serial:
        return f"the machine does not see it any more; the label has the serial {serial}"
    wwn = re.search(r"wwn-0x([0-9a-fA-F]{8,32})", place.leaf.former_path or place.leaf.path or place.leaf.name)
    if wwn:
        return f"the machine does not see it any more; the label has the WWN {wwn[1].upper()}"
    return f"the machine does not see it any more; it was {place.leaf.former_path or place.leaf.name}"


def serial_of_link(path: str) -> str | None:
    """The serial number at the end of a link such as ata-ST22000NM001E-3HM103_ZX20ABCD or scsi-SSEAGATE_ST22000NM001E_ZT0004."""
    name = re.sub(r"-part\d+$", "", path.rpartition("/")[2])
    found = re.fullmatch(r"(?:ata|scsi-S|scsi|nvme|sas|usb)[-A-Z]?.*_([A-Za-z0-9-]{4,})", name)
    return found[1] if found else None


def introduce(place: Place, disk: Disk | None) -> str:
    """One line that says which disk it is, and how it is."""
    leaf: Vdev = place.leaf
    told = disk.describe() if disk is not None else leaf.former_path or leaf.path or leaf.name
    group = "" if place.group == leaf else f", one of {len(place.group.children)} of {place.group.name}"
    errors = words_of_errors(leaf)
    return f"{told}: {leaf.state if errors == 'none' else errors}{group} in {place.pool}"
