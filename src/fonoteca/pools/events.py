"""What the kernel reports of a pool: `zpool events -vH`, and the environment in which ZED starts a zedlet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from fonoteca.ground.errors import PoolOutputError

Trouble = Literal["read", "write", "checksum", "slow", "lost"]

_HEAD = re.compile(r"[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{4} [0-9:]{8}\.[0-9]{9}[\t ]+(\S+)")
_BEFORE = re.compile(r"dropped [0-9]+ events|TIME +CLASS")
_FIELD = re.compile(r" {8}([A-Za-z0-9_]+) = (.*)")
_WORD = re.compile(r'"(.*?)" \(0x[0-9a-f]+\)')
_NUMBER = re.compile(r"0x[0-9a-f]{1,16}")
_SLOW = frozenset({"delay", "deadman"})


class Event(msgspec.Struct, frozen=True):
    """One event. `kind` is its class without what all have in front: checksum, io, data, statechange, vdev_spare; `at` Unix seconds.

    `reason` is the fault (io, data: what a zio did), `state` the new state of the vdev where it changed.
    """

    kind: str
    is_error: bool
    at: int = 0
    pool: str = ""
    pool_guid: int = 0
    vdev_guid: int = 0
    vdev_path: str = ""
    vdev_kind: str = ""
    state: str = ""
    is_write: bool = False


class Troubles(msgspec.Struct, frozen=True):
    """Errors of one disk that the kernel still remembers. `in_last_day` of `count` are not older than a day."""

    vdev_guid: int
    path: str
    count: int
    in_last_day: int
    last_at: int
    kinds: dict[str, int]


def parse_events(text: str) -> list[Event]:
    """`zpool events -vH`, oldest first. PoolOutputError where it is no such output."""
    return [_event(fields) for fields in _split(text)]


def read_environment(environment: Mapping[str, str]) -> Event | None:
    """The event that ZED started a zedlet for; None where it was not ZED that started us."""
    name = environment.get("ZEVENT_CLASS", "")
    if not name:
        return None
    kind, is_error = _kind_of(name)
    return Event(
        kind=kind, is_error=is_error, at=_whole(environment.get("ZEVENT_TIME_SECS")), pool=environment.get("ZEVENT_POOL", ""),
        pool_guid=_whole(environment.get("ZEVENT_POOL_GUID")), vdev_guid=_whole(environment.get("ZEVENT_VDEV_GUID")),
        vdev_path=environment.get("ZEVENT_VDEV_PATH", ""), vdev_kind=environment.get("ZEVENT_VDEV_TYPE", ""),
        state=environment.get("ZEVENT_VDEV_STATE_STR", ""), is_write=_is_write(_whole(environment.get("ZEVENT_ZIO_TYPE"))),
    )  # fmt: skip


def count_troubles(events: Iterable[Event], pool: str, now: int) -> list[Troubles]:
    """Errors by disk since its last `zpool clear`, the worst of the last day first.

    The kernel keeps some hundred events, so these are lower bounds.
    """
    by_disk: dict[int, list[Event]] = {}
    for event in events:
        if event.kind == "vdev_clear":
            by_disk.pop(event.vdev_guid, None)
        elif event.pool == pool and event.vdev_guid and trouble_of(event):
            by_disk.setdefault(event.vdev_guid, []).append(event)
    found = [_troubles(guid, those, now) for guid, those in by_disk.items()]
    return sorted(found, key=lambda one: (-one.in_last_day, -one.count, one.path))


def trouble_of(event: Event) -> Trouble | None:
    """What kind of error of a disk it is; None for what says nothing against one."""
    if not event.is_error:
        return None
    if event.kind == "io":
        return "write" if event.is_write else "read"
    if event.kind == "checksum":
        return "checksum"
    if event.kind in _SLOW:
        return "slow"
    return "lost" if event.kind in ("probe_failure", "vdev.open_failed", "vdev.unknown", "vdev.corrupt_data") else None


def _troubles(guid: int, events: list[Event], now: int) -> Troubles:
    kinds: dict[str, int] = {}
    for event in events:
        kind = str(trouble_of(event))
        kinds[kind] = kinds.get(kind, 0) + 1
    path = next((event.vdev_path for event in reversed(events) if event.vdev_path), "")
    recent = sum(1 for event in events if now - event.at < 86400)
    return Troubles(guid, path, len(events), recent, max(event.at for event in events), kinds)


def _split(text: str) -> Iterator[dict[str, str]]:
    """The fields of each event on its own level; what is nested in it (detector) is left out."""
    fields: dict[str, str] | None = None
    for line in text.split("\n"):
        if head := _HEAD.fullmatch(line):
            if fields is not None:
                yield fields
            fields = {"class": head[1]}
        elif fields is None:
            if line.strip() and not _BEFORE.fullmatch(line):
                raise PoolOutputError(
                    f"zpool events printed what cannot be understood: {line[:200]!r}", "Report it with the output of: zfs version"
                )
        elif (field := _FIELD.fullmatch(line)) and field[1] != "class":
            fields[field[1]] = field[2]
    if fields is not None:
        yield fields


def _event(fields: dict[str, str]) -> Event:
    kind, is_error = _kind_of(fields["class"])
    return Event(
        kind=kind, is_error=is_error, at=_number(fields.get("time", "")), pool=_text(fields.get("pool", "")),
        pool_guid=_number(fields.get("pool_guid", "")), vdev_guid=_number(fields.get("vdev_guid", "")),
        vdev_path=_text(fields.get("vdev_path", "")), vdev_kind=_text(fields.get("vdev_type", "")),
        state=_text(fields.get("vdev_state", "")), is_write=_is_write(_number(fields.get("zio_type", ""))),
    )  # fmt: skip


def _kind_of(name: str) -> tuple[str, bool]:
    for front, is_error in (("ereport.fs.zfs.", True), ("resource.fs.zfs.", False), ("sysevent.fs.zfs.", False)):
        if name.startswith(front):
            return name.removeprefix(front), is_error
    return name, False


def _is_write(zio_type: int) -> bool:
    """ZIO_TYPE_WRITE of sys/zio.h is 2."""
    return zio_type == 2


def _number(value: str) -> int:
    """The first number: a time is written as seconds and nanoseconds."""
    found = _NUMBER.search(value)
    return int(found[0], 16) if found else 0


def _text(value: str) -> str:
    """What stands between quotes, as in "tank" and "FAULTED" (0x5)."""
    if found := _WORD.fullmatch(value):
        return found[1]
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else ""


def _whole(value: str | None) -> int:
    try:
        return int(value or "0", 0)
    except ValueError:
        return 0
