"""SMART verdicts, from the JSON that smartctl 7 prints for SATA, SAS and NVMe disks, and for those that tell nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.pools.smart import read_smart

# The parts of `smartctl --json --all` that count, in the form of smartctl 7.0 to 7.5.
SATA: dict[str, Any] = {
    "json_format_version": [1, 0],
    "smartctl": {"version": [7, 3], "exit_status": 0},
    "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
    "rotation_rate": 7200,
    "smart_support": {"available": True, "enabled": True},
    "smart_status": {"passed": True},
    "temperature": {"current": 31},
    "power_on_time": {"hours": 20123},
}
SAS: dict[str, Any] = {
    "smartctl": {"version": [7, 4], "exit_status": 0},
    "device": {"name": "/dev/sdb", "type": "scsi", "protocol": "SCSI"},
    "rotation_rate": 7200,
    "smart_status": {"passed": True},
    "temperature": {"current": 31, "drive_trip": 65},
    "scsi_grown_defect_list": 0,
    "scsi_error_counter_log": {
        "read": {"total_errors_corrected": 374, "gigabytes_processed": "2657380.347", "total_uncorrected_errors": 0},
        "write": {"total_errors_corrected": 59, "gigabytes_processed": "73889.776", "total_uncorrected_errors": 0},
    },
}
NVME: dict[str, Any] = {
    "smartctl": {"version": [7, 3], "exit_status": 0},
    "device": {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
    "smart_status": {"passed": True, "nvme": {"value": 0}},
    "nvme_smart_health_information_log": {"critical_warning": 0, "available_spare": 100, "percentage_used": 3, "media_errors": 0},
    "temperature": {"current": 45},
    "power_on_time": {"hours": 1200},
}


def attribute(number: int, name: str, count: int, *, when_failed: str = "", text: str | None = None) -> dict[str, Any]:
    raw = {"value": count, "string": text if text is not None else str(count)}
    return {"id": number, "name": name, "value": 100, "worst": 100, "thresh": 5, "when_failed": when_failed, "raw": raw}


def with_attributes(*attributes: dict[str, Any]) -> dict[str, Any]:
    return SATA | {"ata_smart_attributes": {"revision": 16, "table": list(attributes)}}


def grade(told: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    verdict = read_smart(json.dumps(told).encode())
    return verdict.grade, verdict.facts


@pytest.mark.parametrize("told", [SATA, SAS, NVME], ids=["sata", "sas", "nvme"])
def test_a_disk_that_says_nothing_bad_is_good(told: dict[str, Any]) -> None:
    assert grade(told) == ("good", ())


def test_temperature_and_hours_are_kept() -> None:
    verdict = read_smart(json.dumps(SATA).encode())
    assert (verdict.temperature_c, verdict.power_on_hours) == (31, 20123)


def test_a_disk_whose_status_failed_is_failing_whatever_else_it_says() -> None:
    told = with_attributes(attribute(5, "Reallocated_Sector_Ct", 1975, when_failed="now")) | {"smart_status": {"passed": False}}
    assert grade(told) == (
        "failing",
        ("it says itself that it is failing", "Reallocated_Sector_Ct is below its threshold", "1975 sectors reallocated"),
    )


def test_sectors_that_wait_or_were_moved_make_a_disk_one_to_watch() -> None:
    told = with_attributes(
        attribute(5, "Reallocated_Sector_Ct", 8), attribute(9, "Power_On_Hours", 65592), attribute(197, "Current_Pending_Sector", 16)
    )
    assert grade(told) == ("watch", ("8 sectors reallocated", "16 sectors pending"))


def test_packed_raw_values_count_by_their_text() -> None:
    assert grade(with_attributes(attribute(187, "Reported_Uncorrect", 12884901888, text="0 (3 0)"))) == ("good", ())


@pytest.mark.parametrize("text", ["0xFFFFFF", "0x000000ffffff", "00000a000003"])
def test_raw_values_told_in_hexadecimal_count_as_they_are(text: str) -> None:
    told = with_attributes(attribute(5, "Reallocated_Sector_Ct", 16_777_215, text=text))
    assert grade(told) == ("watch", ("16777215 sectors reallocated",))


def test_an_attribute_that_failed_in_the_past_is_watched() -> None:
    assert grade(with_attributes(attribute(190, "Airflow_Temperature_Cel", 0, when_failed="past")))[0] == "watch"


def test_a_hot_disk_is_watched_and_a_warm_solid_state_one_is_not() -> None:
    assert grade(SATA | {"temperature": {"current": 57}}) == ("watch", ("57 °C hot",))
    assert grade(NVME | {"temperature": {"current": 57}})[0] == "good"


def test_a_failed_self_test_is_failing() -> None:
    failed = {"status": {"value": 121, "string": "Completed: read failure", "passed": False}, "lifetime_hours": 20000}
    passed = {"status": {"value": 0, "string": "Completed without error", "passed": True}, "lifetime_hours": 19000}
    assert grade(SATA | {"ata_smart_self_test_log": {"standard": {"table": [failed, passed]}}})[0] == "failing"
    assert grade(SATA | {"ata_smart_self_test_log": {"standard": {"table": [passed, failed]}}})[0] == "good"


def test_defects_and_uncorrected_errors_of_sas_are_watched() -> None:
    log = {"read": {"total_uncorrected_errors": 3}, "write": {"total_uncorrected_errors": 0}}
    assert grade(SAS | {"scsi_grown_defect_list": 7, "scsi_error_counter_log": log}) == (
        "watch", ("7 grown defects", "3 errors that it could not correct (read)"),
    )  # fmt: skip
    assert grade(SAS | {"scsi_self_test_0": {"result": {"value": 4, "string": "Failed"}}})[0] == "failing"


def test_warnings_of_nvme_are_told_in_words() -> None:
    log = {"critical_warning": 0b1001, "percentage_used": 104, "media_errors": 7}
    told = NVME | {"smart_status": {"passed": False, "nvme": {"value": 9}}, "nvme_smart_health_information_log": log}
    assert grade(told) == (
        "failing",
        ("it says itself that it is failing", "hardly any spare blocks left", "read-only", "7 media errors", "104 % worn"),
    )


USB_BRIDGE = "/dev/sdi: Unknown USB bridge [0x152d:0x0583 (0x214)]"
NO_PERMISSION = "Smartctl open device: /dev/sda failed: Permission denied"


def message(text: str, status: int) -> dict[str, Any]:
    return {"smartctl": {"version": [7, 3], "messages": [{"string": text, "severity": "error"}], "exit_status": status}}


@pytest.mark.parametrize(
    ("told", "fact"),
    [
        (
            message("/dev/sdi: Unknown USB bridge [0x152d:0x0583 (0x214)]", 1),
            "smartctl: /dev/sdi: Unknown USB bridge [0x152d:0x0583 (0x214)]",
        ),
        (
            message("Smartctl open device: /dev/sda failed: Permission denied", 2),
            "smartctl: Smartctl open device: /dev/sda failed: Permission denied",
        ),
        (message("/dev/sdj: Unable to detect device type", 1), "smartctl: /dev/sdj: Unable to detect device type"),
        ({"smart_support": {"available": False}, "smartctl": {"exit_status": 4}}, "it has no SMART"),
        ({"smart_support": {"available": True, "enabled": False}}, "its SMART is switched off; smartctl -s on switches it on"),
        ({}, "it does not tell how it is"),
    ],
    ids=["usb-bridge", "no-permission", "no-device", "no-smart", "switched-off", "nothing"],
)
def test_a_disk_that_tells_nothing_is_unknown_with_the_reason(told: dict[str, Any], fact: str) -> None:
    assert grade(told) == ("unknown", (fact,))


@pytest.mark.parametrize("content", [b"", b"smartctl 5.43", b"[1]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_of_smartctl_is_unknown(content: bytes) -> None:
    assert read_smart(content).grade == "unknown"


KEYS = ["passed", "table", "id", "raw", "value", "string", "current", "status"]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=12)


@given(st.dictionaries(st.sampled_from([*SATA, *SAS, *NVME, "ata_smart_attributes", "ata_smart_self_test_log", "smart_support"]), JSON))
def test_odd_values_never_crash(told: dict[str, Any]) -> None:
    assert read_smart(json.dumps(told).encode()).grade in ("good", "watch", "failing", "unknown")
