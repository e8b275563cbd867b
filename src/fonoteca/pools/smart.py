"""What a disk says of itself: the JSON of `smartctl --json --all` as one word and the facts behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from fonoteca.pools.disks import SmartGrade, SmartVerdict

# attribute of ATA → what a raw value above 0 means
_ATA_COUNTS = {
    5: "sectors reallocated",
    187: "errors that it could not correct",
    197: "sectors pending",
    198: "sectors that cannot be read",
    199: "transfer errors (look at the cable)",
}
_HOT_ROTATING_C, _HOT_SOLID_C = 50, 70
_WORN_PERCENT = 90
_NVME_WARNINGS = (
    "hardly any spare blocks left",
    "too hot or too cold",
    "no longer reliable",
    "read-only",
    "its volatile memory has no backup",
)


def read_smart(content: bytes) -> SmartVerdict:
    """The verdict; "unknown" with the reason where the disk tells nothing, or what was printed is no JSON of smartctl. Never raises.

    The exit status of smartctl is a bit mask that says less than its JSON; what it is has no part in the verdict.
    """
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return SmartVerdict("unknown", ("smartctl printed nothing that can be read",))
    if not isinstance(told, dict):
        return SmartVerdict("unknown", ("smartctl printed nothing that can be read",))
    failing, watch = list(_failing(told)), list(_watch(told))
    temperature, hours = _number(told, "temperature", "current"), _number(told, "power_on_time", "hours")
    if failing:
        return SmartVerdict("failing", (*failing, *watch), temperature, hours)
    if _part(told, "smart_status").get("passed") is not True:
        return SmartVerdict("unknown", (_why_unknown(told), *watch), temperature, hours)
    grade: SmartGrade = "watch" if watch else "good"
    return SmartVerdict(grade, tuple(watch), temperature, hours)


def _failing(told: dict[str, Any]) -> Iterator[str]:
    """What makes a disk one that is to be replaced now."""
    if _part(told, "smart_status").get("passed") is False:
        yield "it says itself that it is failing"
    for attribute in _ata_attributes(told):
        if attribute.get("when_failed") == "now":
            yield f"{attribute.get('name', 'an attribute')} is below its threshold"
    warning = _number(told, "nvme_smart_health_information_log", "critical_warning") or 0
    yield from (words for bit, words in enumerate(_NVME_WARNINGS) if warning >> bit & 1)
    if _last_self_test_failed(told):
        yield "its last self-test failed"


def _watch(told: dict[str, Any]) -> Iterator[str]:
    """What makes a disk one to keep an eye on."""
    yield from _watch_ata(told)
    yield from _watch_sas(told)
    yield from _watch_nvme(told)
    temperature = _number(told, "temperature", "current") or 0
    limit = _HOT_ROTATING_C if told.get("rotation_rate") else _HOT_SOLID_C
    if temperature >= limit:
        yield f"{temperature} °C hot"


def _watch_ata(told: dict[str, Any]) -> Iterator[str]:
    for attribute in _ata_attributes(told):
        count = _raw(attribute)
        if attribute.get("id") in _ATA_COUNTS and count > 0:
            yield f"{count} {_ATA_COUNTS[attribute['id']]}"
        if attribute.get("when_failed") == "past":
            yield f"{attribute.get('name', 'an attribute')} was below its threshold once"


def _raw(attribute: dict[str, Any]) -> int:
    """The count of an attribute: the number that its text begins with, since some makers pack more into the raw value.

    Text in another form, such as 0xffff, tells no count; then the raw value does.
    """
    text = _part(attribute, "raw").get("string")
    found = re.match(r"[0-9]{1,18}(?![0-9A-Za-z])", text) if isinstance(text, str) else None
    return int(found[0]) if found else _number(attribute, "raw", "value") or 0


def _watch_sas(told: dict[str, Any]) -> Iterator[str]:
    if grown := _number(told, "scsi_grown_defect_list") or 0:
        yield f"{grown} grown defects"
    for what in ("read", "write", "verify"):
        if count := _number(told, "scsi_error_counter_log", what, "total_uncorrected_errors") or 0:
            yield f"{count} errors that it could not correct ({what})"
    if (worn := _number(told, "scsi_percentage_used_endurance_indicator") or 0) >= _WORN_PERCENT:
        yield f"{worn} % worn"


def _watch_nvme(told: dict[str, Any]) -> Iterator[str]:
    if count := _number(told, "nvme_smart_health_information_log", "media_errors") or 0:
        yield f"{count} media errors"
    if (worn := _number(told, "nvme_smart_health_information_log", "percentage_used") or 0) >= _WORN_PERCENT:
        yield f"{worn} % worn"


def _last_self_test_failed(told: dict[str, Any]) -> bool:
    """ATA tells `passed`, SAS a code: 4 to 7 are failures of the disk (SPC-5, self-test results)."""
    for log in ("extended", "standard"):
        table = _part(told, "ata_smart_self_test_log", log).get("table")
        if isinstance(table, list) and table and isinstance(table[0], dict):
            return _part(table[0], "status").get("passed") is False
    return (_number(told, "scsi_self_test_0", "result", "value") or 0) in (4, 5, 6, 7)


def _why_unknown(told: dict[str, Any]) -> str:
    if _part(told, "smart_support").get("available") is False:
        return "it has no SMART"
    if _part(told, "smart_support").get("enabled") is False:
        return "its SMART is switched off; smartctl -s on switches it on"
    messages = _part(told, "smartctl").get("messages")
    words = [str(one["string"]) for one in messages if isinstance(one, dict) and "string" in one] if isinstance(messages, list) else []
    return f"smartctl: {words[0]}" if words else "it does not tell how it is"


def _ata_attributes(told: dict[str, Any]) -> list[dict[str, Any]]:
    table = _part(told, "ata_smart_attributes").get("table")
    return [one for one in table if isinstance(one, dict)] if isinstance(table, list) else []


def _part(told: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The object below those keys, or an empty one."""
    for key in keys:
        below = told.get(key)
        told = below if isinstance(below, dict) else {}
    return told


def _number(told: dict[str, Any], *keys: str) -> int | None:
    """The whole number below those keys."""
    found = _part(told, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, int) and not isinstance(found, bool) else None
