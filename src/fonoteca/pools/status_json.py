"""`zpool status -j --json-int` of OpenZFS 2.3 and later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast, get_args

import msgspec

from fonoteca.ground.errors import PoolOutputError
from fonoteca.pools.damaged_names import parse_damaged
from fonoteca.pools.health import PoolHealth, Vdev, VdevKind, VdevRole, VdevState
from fonoteca.pools.json_fields import odd_output, take_number, take_sentence, take_strings, take_struct, take_text
from fonoteca.pools.scan_json import expansion_of_pool, removal_of_pool, scan_of_pool

# the root of the pool, then the groups that are not below it
_GROUPS: tuple[tuple[str, VdevRole], ...] = (
    ("vdevs", "data"), ("dedup", "dedup"), ("special", "special"), ("logs", "log"), ("l2cache", "cache"), ("spares", "spare"),
)  # fmt: skip
_DEEPEST = 8
# vdev_aux_t of sys/fs/zfs.h, in the words that the text has for it
_AUX = {
    "OPEN_FAILED": "cannot open", "CORRUPT_DATA": "corrupted data", "NO_REPLICAS": "insufficient replicas",
    "BAD_GUID_SUM": "missing device", "TOO_SMALL": "too small", "BAD_LABEL": "invalid label", "VERSION_NEWER": "newer version",
    "UNSUP_FEAT": "unsupported feature(s)", "SPARED": "currently in use", "ERR_EXCEEDED": "too many errors",
    "IO_FAILURE": "experienced I/O failures", "BAD_LOG": "bad intent log", "EXTERNAL": "external device fault",
    "EXTERNAL_PERSIST": "external device fault", "SPLIT_POOL": "split into new pool", "ASHIFT_TOO_BIG": "unsupported minimum blocksize",
    "ACTIVE": "currently in use", "CHILDREN_OFFLINE": "all children offline",
}  # fmt: skip
_OTHER_STATES: dict[str, VdevState] = {"HEALTHY": "ONLINE", "AVAILABLE": "AVAIL", "CLOSED": "OFFLINE", "UNKNOWN": "UNAVAIL"}
_RUNNING = {"RESILVER": "resilvering", "SCRUB": "repairing"}
_KINDS: dict[str, VdevKind] = {"dspare": "disk", "l2cache": "disk"}


def parse_status_json(content: bytes | str) -> list[PoolHealth]:
    """Every pool that is told of; PoolOutputError for what is not such output."""
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise PoolOutputError(f"zpool status -j printed what is no JSON: {error}", "Report it with the output of: zfs version") from error
    pools = told.get("pools", {}) if isinstance(told, dict) else None
    if not isinstance(pools, dict):
        raise odd_output("it has no pools")
    try:
        return [_pool(take_struct(pool, "a pool")) for pool in pools.values()]
    except (RecursionError, ValueError, OverflowError) as error:
        raise odd_output(str(error)) from error


def _pool(told: dict[str, Any]) -> PoolHealth:
    name = told.get("name")
    if not isinstance(name, str) or not name:
        raise odd_output("a pool without a name")
    stats = told.get("scan_stats")
    running = _RUNNING.get(str(stats.get("function")), "") if isinstance(stats, dict) and stats.get("state") == "SCANNING" else ""
    groups = [group for key, role in _GROUPS for group in _groups_of(told, key, role, running)]
    damaged = tuple(parse_damaged(text) for text in dict.fromkeys(take_strings(told.get("errlist"))))
    return PoolHealth(
        name=name, state=_state_of(told.get("state")), guid=take_number(told, "pool_guid") or 0, message_id=take_text(told, "msgid"),
        status=take_sentence(told, "status"), action=take_sentence(told, "action"),
        scan=scan_of_pool(told), expansion=expansion_of_pool(told),
        removal=removal_of_pool(told), error_count=len(damaged) or take_number(told, "error_count") or 0,
        damaged=damaged, vdevs=tuple(groups),
    )  # fmt: skip


def _groups_of(told: dict[str, Any], key: str, role: VdevRole, running: str) -> Iterator[Vdev]:
    below = told.get(key)
    if not below:
        return
    children = tuple(_vdev(name, take_struct(one, f"the vdev {name}"), role, 0, running) for name, one in take_struct(below, key).items())
    if role == "data":
        yield from children
        return
    broken = [child.state for child in children if child.state not in ("ONLINE", "AVAIL", "INUSE")]
    yield Vdev(
        name="cache" if key == "l2cache" else key, kind="root", state="DEGRADED" if broken else "ONLINE", role=role, children=children
    )


def _vdev(name: str, told: dict[str, Any], role: VdevRole, depth: int, running: str) -> Vdev:
    if depth > _DEEPEST:
        raise odd_output("vdevs within vdevs without end")
    below = take_struct(told.get("vdevs") or {}, f"what is below {name}")
    kind, parity = _kind_of(told.get("vdev_type"), name, bool(below))
    state = _state_of(told.get("state"), told.get("aux"))
    former, path = take_text(told, "was"), take_text(told, "path")
    return Vdev(
        name=take_text(told, "name") or name, kind=kind, state=state, role=_role_of(told.get("class"), role), parity=parity,
        guid=take_number(told, "guid") or 0, path=path if path and path.startswith("/") and not former else None, former_path=former,
        read_errors=take_number(told, "read_errors") or 0, write_errors=take_number(told, "write_errors") or 0,
        checksum_errors=take_number(told, "checksum_errors") or 0, slow_ios=take_number(told, "slow_ios"),
        note=_note_of(told, state, running),
        children=tuple(_vdev(key, take_struct(one, f"the vdev {key}"), role, depth + 1, running) for key, one in below.items()),
    )  # fmt: skip


def _kind_of(word: Any, name: str, has_children: bool) -> tuple[VdevKind, int]:
    """The kind and parity; what a newer version calls otherwise is taken by its place in the tree."""
    found = re.match(r"(raidz|draid)([123])", name)
    parity = int(found[2]) if found and word == found[1] else 0
    kind = _KINDS.get(word, word) if isinstance(word, str) else ""
    if kind in get_args(VdevKind):
        return cast(VdevKind, kind), parity
    return ("mirror" if has_children else "disk"), parity


def _role_of(word: Any, role: VdevRole) -> VdevRole:
    return word if role == "data" and word in ("special", "dedup") else role


def _note_of(told: dict[str, Any], state: VdevState, running: str) -> str:
    """What `zpool status` prints behind the counts, in its words."""
    aux = take_text(told, "aux") or ""
    notes = [_AUX.get(aux, aux)]
    if running and state == "ONLINE" and not told.get("vdevs"):
        notes.append(running if told.get("scan_processed") else "awaiting resilver" if told.get("resilver_deferred") else "")
    return ", ".join(note for note in notes if note)


def _state_of(word: Any, aux: Any = None) -> VdevState:
    """As zpool_state_to_name of libzfs has it for the text."""
    if word in get_args(VdevState):
        return cast(VdevState, word)
    if word == "CANT_OPEN":
        return "FAULTED" if aux in ("CORRUPT_DATA", "BAD_LOG") else "UNAVAIL"
    if isinstance(word, str) and word in _OTHER_STATES:
        return _OTHER_STATES[word]
    raise odd_output(f"a state is {str(word)[:80]!r}")
