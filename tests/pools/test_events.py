"""What the kernel and ZED report, read from captures of 2.3 and from ZED's environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import PoolOutputError
from fonoteca.pools.events import Event, count_troubles, parse_events, read_environment, trouble_of

OUTPUT = Path(__file__).parent / "output"


def test_every_event_of_a_capture_is_read_with_its_time_pool_and_disk() -> None:
    events = parse_events((OUTPUT / "2.3-events.txt").read_text())
    assert len(events) > 10 and all(event.at > 1_700_000_000 for event in events)
    assert {"pool_create", "history_event"} & {event.kind for event in events}
    assert all(event.pool or event.kind in ("pool_destroy", "config_sync") for event in events)


def test_checksum_errors_are_counted_by_disk() -> None:
    events = parse_events((OUTPUT / "2.3-checksum-events.txt").read_text())
    errors = [event for event in events if event.kind == "checksum"]
    assert errors and all(event.is_error and event.vdev_guid and event.vdev_path for event in errors)
    now = max(event.at for event in events)
    troubles = count_troubles(events, errors[0].pool, now)
    assert sum(one.count for one in troubles) >= len([event for event in errors if event.pool == errors[0].pool])
    assert troubles[0].in_last_day == troubles[0].count and troubles[0].kinds["checksum"]
    assert all(one.in_last_day == 0 for one in count_troubles(events, errors[0].pool, now + 2 * 86400))
    assert count_troubles(events, "another", now) == []


def test_errors_before_a_clear_are_forgotten() -> None:
    before = Event("checksum", True, 10, "tank", 1, 7, "/dev/sda1")
    clear = Event("vdev_clear", False, 20, "tank", 1, 7)
    assert count_troubles([before, clear], "tank", 30) == []
    assert count_troubles([before, clear, before], "tank", 30)[0].count == 1


def test_state_of_a_vdev_is_the_word_in_front_of_its_number() -> None:
    text = (
        "Nov 23 2026 01:29:34.123456789\tresource.fs.zfs.statechange\n"
        '        version = 0x0\n        class = "resource.fs.zfs.statechange"\n        pool = "tank"\n'
        "        pool_guid = 0xf64e09ef422ef502\n"
        '        vdev_guid = 0x10\n        vdev_state = "FAULTED" (0x5)\n        vdev_path = "/tmp/two words"\n'
        "        detector = (embedded nvlist)\n                version = 0x0\n                vdev = 0x99\n        (end detector)\n"
        "        time = 0x6b0396e1 0x5edc262 \n\n"
    )
    event = parse_events(text)[0]
    assert event == Event("statechange", False, 0x6B0396E1, "tank", 0xF64E09EF422EF502, 0x10, "/tmp/two words", "", "FAULTED")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ereport.fs.zfs.io", "read"), ("ereport.fs.zfs.checksum", "checksum"), ("ereport.fs.zfs.delay", "slow"),
     ("ereport.fs.zfs.probe_failure", "lost"), ("ereport.fs.zfs.data", None), ("resource.fs.zfs.statechange", None)],
)  # fmt: skip
def test_kind_of_trouble_follows_from_the_class(name: str, expected: str | None) -> None:
    event = read_environment({"ZEVENT_CLASS": name, "ZEVENT_POOL": "tank", "ZEVENT_VDEV_GUID": "0x10", "ZEVENT_ZIO_TYPE": "1"})
    assert event is not None and trouble_of(event) == expected


def test_environment_of_zed_becomes_an_event_and_any_other_none() -> None:
    environment = {
        "ZEVENT_CLASS": "resource.fs.zfs.statechange", "ZEVENT_TIME_SECS": "1795397376", "ZEVENT_POOL": "tank",
        "ZEVENT_POOL_GUID": "0xF64E09EF422EF502", "ZEVENT_VDEV_GUID": "0x4799A8D4E7A7E3A3", "ZEVENT_VDEV_PATH": "/dev/sda1",
        "ZEVENT_VDEV_TYPE": "disk", "ZEVENT_VDEV_STATE_STR": "REMOVED",
    }  # fmt: skip
    event = read_environment(environment)
    assert event == Event("statechange", False, 1795397376, "tank", 0xF64E09EF422EF502, 0x4799A8D4E7A7E3A3, "/dev/sda1", "disk", "REMOVED")
    assert read_environment({"PATH": "/bin"}) is None
    assert read_environment(environment | {"ZEVENT_TIME_SECS": "soon"}) is not None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_events(text)
        parse_events("Nov 23 2026 01:29:34.123456789\tereport.fs.zfs.io\n" + text)
    except PoolOutputError:
        pass
