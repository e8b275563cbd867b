"""Scrubs, resilvers, rebuilds and other long work in the JSON of `zpool status`."""

from __future__ import annotations

from typing import Any

from fonoteca.pools.health import Scan, ScanFunction, ScanState
from fonoteca.pools.json_fields import take_number, take_struct, take_text

_FUNCTIONS: dict[str, ScanFunction] = {"SCRUB": "scrub", "RESILVER": "resilver", "REBUILD": "rebuild", "ERRORSCRUB": "errorscrub"}
_STATES: dict[str, ScanState] = {
    "SCANNING": "scanning", "FINISHED": "finished", "CANCELED": "canceled", "ERRORSCRUBBING": "scanning", "ACTIVE": "scanning",
    "COMPLETE": "finished",
}  # fmt: skip


def scan_of_pool(told: dict[str, Any]) -> Scan | None:
    """What runs now, else what ran last."""
    rebuilding = _rebuild(told)
    if rebuilding is not None and rebuilding.state == "scanning":
        return rebuilding
    scan = told.get("scan_stats")
    if not scan:
        return rebuilding
    found = _scan_of(take_struct(scan, "scan_stats"))
    if rebuilding and found and (rebuilding.ended_at or 0) > max(found.ended_at or 0, found.started_at or 0) and found.state != "scanning":
        return rebuilding
    return found


def _scan_of(scan: dict[str, Any]) -> Scan | None:
    error_scrub = _error_scrub(scan)
    function, state = _FUNCTIONS.get(str(scan.get("function"))), _STATES.get(str(scan.get("state")))
    if function is None or state is None:
        return error_scrub
    total, issued = take_number(scan, "to_examine"), take_number(scan, "issued")
    skipped = take_number(scan, "skipped") or 0
    paused_at = take_number(scan, "scrub_pause")
    found = Scan(
        function=function, state="paused" if paused_at and state == "scanning" else state, started_at=take_number(scan, "start_time"),
        ended_at=take_number(scan, "end_time") or None if state != "scanning" else None,
        paused_at=paused_at or None if state == "scanning" else None,
        total_bytes=None if total is None else max(0, total - skipped), scanned_bytes=take_number(scan, "examined"), issued_bytes=issued,
        repaired_bytes=take_number(scan, "processed"), errors=take_number(scan, "errors"),
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
        function="errorscrub", state=state, started_at=take_number(scan, "err_scrub_start_time") or None,
        ended_at=take_number(scan, "err_scrub_end_time") or None if state != "scanning" else None,
    )  # fmt: skip


def _rebuild(told: dict[str, Any]) -> Scan | None:
    """The sequential rebuild of dRAID and mirrors, told by vdev: the one that runs, or began last."""
    found = [_rebuild_of(take_struct(one, "rebuild_stats")) for one in _structs_below(told.get("rebuild_stats"))]
    scans = [one for one in found if one is not None]
    return max(scans, key=lambda one: (one.state == "scanning", one.started_at or 0), default=None)


def _rebuild_of(one: dict[str, Any]) -> Scan | None:
    state = _STATES.get(str(one.get("state")))
    if state is None:
        return None
    return Scan(
        function="rebuild", state=state, started_at=take_number(one, "start_time"), ended_at=take_number(one, "end_time") or None,
        total_bytes=take_number(one, "to_scan"), scanned_bytes=take_number(one, "scanned"), issued_bytes=take_number(one, "issued"),
        repaired_bytes=take_number(one, "rebuilt"), errors=take_number(one, "errors"),
    )  # fmt: skip


def _structs_below(told: Any) -> list[Any]:
    """The structs of {name: struct}, of a list, or the one itself."""
    if isinstance(told, list):
        return told
    if isinstance(told, dict):
        below = [one for one in told.values() if isinstance(one, dict)]
        return below or ([told] if told else [])
    return []


def expansion_of_pool(told: dict[str, Any]) -> str | None:
    """The widening of a raidz vdev, in words."""
    return _progress(told, "raidz_expand_stats", "reflowed", "to_reflow", "expansion of raidz")


def removal_of_pool(told: dict[str, Any]) -> str | None:
    """The taking away of a vdev, in words."""
    return _progress(told, "removal_stats", "copied", "to_copy", "removal of a vdev")


def _progress(told: dict[str, Any], key: str, done: str, whole: str, what: str) -> str | None:
    """In words; None for what never was."""
    found = told.get(key)
    if not found:
        return None
    stats = take_struct(found, key)
    named = take_text(stats, "name")
    state = str(stats.get("state", "")).lower()
    of = f"{what} {named}" if named else what
    if state == "scanning" and take_number(stats, whole):
        return f"{of}: {take_number(stats, done) or 0} of {take_number(stats, whole)} bytes"
    return f"{of}: {state}" if state and state != "none" else None
