"""`zpool status -j --json-int` of OpenZFS 2.3 and later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast, get_args

import msgspec

from fonoteca.ground.errors import PoolOutputError
from fonoteca.pools.damaged_names import parse_damaged
from fonoteca.pools.health import PoolHealth, Scan, ScanFunction, ScanState, Vdev, VdevKind, VdevRole, VdevState

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
_FUNCTIONS: dict[str, ScanFunction] = {"SCRUB": "scrub", "RESILVER": "resilver", "REBUILD": "rebuild", "ERRORSCRUB": "errorscrub"}
_STATES: dict[str, ScanState] = {"SCANNING": "scanning", "FINISHED": "finished", "CANCELED": "canceled", "ERRORSCRUBBING": "scanning",
                                 "ACTIVE": "scanning", "COMPLETE": "finished"}  # fmt: skip


def parse_status_json(content: bytes | str) -> list[PoolHealth]:
    """Every pool that is told of; PoolOutputError for what is not such output."""
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise PoolOutputError(f"zpool status -j printed what is no JSON: {error}", "Report it with the output of: zfs version") from error
    pools = told.get("pools", {}) if isinstance(told, dict) else None
    if not isinstance(pools, dict):
        raise _odd("it has no pools")
    try:
        return [_pool(_struct(pool, "a pool")) for pool in pools.values()]
    except (RecursionError, ValueError, OverflowError) as error:
        raise _odd(str(error)) from error


def _pool(told: dict[str, Any]) -> PoolHealth:
    name = told.get("name")
    if not isinstance(name, str) or not name:
        raise _odd("a pool without a name")
    stats = told.get("scan_stats")
    running = _RUNNING.get(str(stats.get("function")), "") if isinstance(stats, dict) and stats.get("state") == "SCANNING" else ""
    groups = [group for key, role in _GROUPS for group in _groups_of(told, key, role, running)]
    damaged = tuple(parse_damaged(text) for text in dict.fromkeys(_strings(told.get("errlist"))))
    return PoolHealth(
        name=name, state=_state_of(told.get("state")), guid=_number(told, "pool_guid") or 0, message_id=_text(told, "msgid"),
        status=_sentence(told, "status"), action=_sentence(told, "action"), scan=_scan(told), expansion=_expansion(told),
        removal=_removal(told), error_count=len(damaged) or _number(told, "error_count") or 0,
        damaged=damaged, vdevs=tuple(groups),
    )  # fmt: skip


def _groups_of(told: dict[str, Any], key: str, role: VdevRole, running: str) -> Iterator[Vdev]:
    below = told.get(key)
    if not below:
        return
    children = tuple(_vdev(name, _struct(one, f"the vdev {name}"), role, 0, running) for name, one in _struct(below, key).items())
    if role == "data":
        yield from children
        return
    broken = [child.state for child in children if child.state not in ("ONLINE", "AVAIL", "INUSE")]
    yield Vdev(
        name="cache" if key == "l2cache" else key, kind="root", state="DEGRADED" if broken else "ONLINE", role=role, children=children
    )


def _vdev(name: str, told: dict[str, Any], role: VdevRole, depth: int, running: str) -> Vdev:
    if depth > _DEEPEST:
        raise _odd("vdevs within vdevs without end")
    below = _struct(told.get("vdevs") or {}, f"what is below {name}")
    kind, parity = _kind_of(told.get("vdev_type"), name, bool(below))
    state = _state_of(told.get("state"), told.get("aux"))
    former, path = _text(told, "was"), _text(told, "path")
    return Vdev(
        name=_text(told, "name") or name, kind=kind, state=state, role=_role_of(told.get("class"), role), parity=parity,
        guid=_number(told, "guid") or 0, path=path if path and path.startswith("/") and not former else None, former_path=former,
        read_errors=_number(told, "read_errors") or 0, write_errors=_number(told, "write_errors") or 0,
        checksum_errors=_number(told, "checksum_errors") or 0, slow_ios=_number(told, "slow_ios"), note=_note_of(told, state, running),
        children=tuple(_vdev(key, _struct(one, f"the vdev {key}"), role, depth + 1, running) for key, one in below.items()),
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
    aux = _text(told, "aux") or ""
    notes = [_AUX.get(aux, aux)]
    if running and state == "ONLINE" and not told.get("vdevs"):
        notes.append(running if told.get("scan_processed") else "awaiting resilver" if told.get("resilver_deferred") else "")
    return ", ".join(note for note in notes if note)


def _scan(told: dict[str, Any]) -> Scan | None:
    rebuilding = _rebuild(told)
    if rebuilding is not None and rebuilding.state == "scanning":
        return rebuilding
    scan = told.get("scan_stats")
    if not scan:
        return rebuilding
    found = _scan_of(_struct(scan, "scan_stats"))
    if rebuilding and found and (rebuilding.ended_at or 0) > max(found.ended_at or 0, found.started_at or 0) and found.state != "scanning":
        return rebuilding
    return found


def _scan_of(scan: dict[str, Any]) -> Scan | None:
    error_scrub = _error_scrub(scan)
    function, state = _FUNCTIONS.get(str(scan.get("function"))), _STATES.get(str(scan.get("state")))
    if function is None or state is None:
        return error_scrub
    total, issued = _number(scan, "to_examine"), _number(scan, "issued")
    skipped = _number(scan, "skipped") or 0
    paused_at = _number(scan, "scrub_pause")
    found = Scan(
        function=function, state="paused" if paused_at and state == "scanning" else state, started_at=_number(scan, "start_time"),
        ended_at=_number(scan, "end_time") or None if state != "scanning" else None,
        paused_at=paused_at or None if state == "scanning" else None,
        total_bytes=None if total is None else max(0, total - skipped), scanned_bytes=_number(scan, "examined"), issued_bytes=issued,
        repaired_bytes=_number(scan, "processed"), errors=_number(scan, "errors"),
    )  # fmt: skip
    if error_scrub is not None and (error_scrub.started_at or 0) > (found.started_at or 0):
        return error_scrub
    return found


def _error_scrub(scan: dict[str, Any]) -> Scan | None:
    """A scrub of damaged files only is told beside the last scrub, under names of its own."""
    state = _STATES.get(str(scan.get("err_scrub_state")))
    if state is None:
        return None
    return Scan(
        function="errorscrub", state=state, started_at=_number(scan, "err_scrub_start_time") or None,
        ended_at=_number(scan, "err_scrub_end_time") or None if state != "scanning" else None,
    )  # fmt: skip


def _rebuild(told: dict[str, Any]) -> Scan | None:
    """The sequential rebuild of dRAID and mirrors, told by vdev: the one that runs, or began last."""
    found = [_rebuild_of(_struct(one, "rebuild_stats")) for one in _structs_below(told.get("rebuild_stats"))]
    scans = [one for one in found if one is not None]
    return max(scans, key=lambda one: (one.state == "scanning", one.started_at or 0), default=None)


def _rebuild_of(one: dict[str, Any]) -> Scan | None:
    state = _STATES.get(str(one.get("state")))
    if state is None:
        return None
    return Scan(
        function="rebuild", state=state, started_at=_number(one, "start_time"), ended_at=_number(one, "end_time") or None,
        total_bytes=_number(one, "to_scan"), scanned_bytes=_number(one, "scanned"), issued_bytes=_number(one, "issued"),
        repaired_bytes=_number(one, "rebuilt"), errors=_number(one, "errors"),
    )  # fmt: skip


def _structs_below(told: Any) -> list[Any]:
    """The structs of {name: struct}, of a list, or the one itself."""
    if isinstance(told, list):
        return told
    if isinstance(told, dict):
        below = [one for one in told.values() if isinstance(one, dict)]
        return below or ([told] if told else [])
    return []


def _expansion(told: dict[str, Any]) -> str | None:
    return _progress(told, "raidz_expand_stats", "reflowed", "to_reflow", "expansion of raidz")


def _removal(told: dict[str, Any]) -> str | None:
    return _progress(told, "removal_stats", "copied", "to_copy", "removal of a vdev")


def _progress(told: dict[str, Any], key: str, done: str, whole: str, what: str) -> str | None:
    """In words; None for what never was."""
    found = told.get(key)
    if not found:
        return None
    stats = _struct(found, key)
    named = _text(stats, "name")
    state = str(stats.get("state", "")).lower()
    of = f"{what} {named}" if named else what
    if state == "scanning" and _number(stats, whole):
        return f"{of}: {_number(stats, done) or 0} of {_number(stats, whole)} bytes"
    return f"{of}: {state}" if state and state != "none" else None


def _state_of(word: Any, aux: Any = None) -> VdevState:
    """As zpool_state_to_name of libzfs has it for the text."""
    if word in get_args(VdevState):
        return cast(VdevState, word)
    if word == "CANT_OPEN":
        return "FAULTED" if aux in ("CORRUPT_DATA", "BAD_LOG") else "UNAVAIL"
    if isinstance(word, str) and word in _OTHER_STATES:
        return _OTHER_STATES[word]
    raise _odd(f"a state is {str(word)[:80]!r}")


def _struct(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _odd(f"{what} is {str(value)[:80]!r}")
    return value


def _strings(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _odd("errlist is no list of names")
    return value


def _text(told: dict[str, Any], key: str) -> str | None:
    value = told.get(key)
    return value if isinstance(value, str) and value not in ("", "-") else None


def _sentence(told: dict[str, Any], key: str) -> str | None:
    """Words that ZFS broke over lines, on one; "OK" is none."""
    value = _text(told, key)
    return " ".join(value.split()) if value and value != "OK" else None


def _number(told: dict[str, Any], key: str) -> int | None:
    """Also without --json-int, where numbers are texts; None for what is not told."""
    value = told.get(key)
    if value is None or value == "-":
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _odd(f"{key} is {str(value)[:80]!r}")
    return value


def _odd(fact: str) -> PoolOutputError:
    return PoolOutputError(f"zpool status -j printed what cannot be understood: {fact}", "Report it with the output of: zfs version")
