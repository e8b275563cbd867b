"""Layouts in words, and what ZFS would refuse of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts_made import layouts

from fonoteca.ground.errors import UsageError
from fonoteca.pools.layout import Layout, VdevShape, format_layout, parse_layout


@given(layouts)
def test_a_layout_is_read_back_as_it_was_written(layout: Layout) -> None:
    assert parse_layout(format_layout(layout)) == layout


def test_the_blueprint_with_spares_and_a_special_mirror() -> None:
    layout = parse_layout("2xraidz3x10 + 2spares + special:mirrorx3")
    assert layout.vdevs == (VdevShape("raidz", 3, 10),) * 2
    assert (layout.spares, layout.special, layout.disks, layout.survives) == (2, VdevShape("mirror", 0, 3), 22, 2)


def test_vdevs_of_two_kinds_keep_their_order() -> None:
    assert [one.width for one in parse_layout("raidz3x10+2xraidz2x8").vdevs] == [10, 8, 8]


def test_a_draid_needs_disks_for_data_parity_and_spares() -> None:
    assert parse_layout("draid3:8d:21c:1s").vdevs[0] == VdevShape("draid", 3, 21, 8, 1)
    with pytest.raises(UsageError, match="need 12"):
        parse_layout("draid3:8d:11c:1s")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0xraidz3x10", "0 vdevs"),
        ("raidz3x3", "at least 4"),
        ("raidz3x12to10", "Disks are only added"),
        ("raidz3x3to10", "at least 4"),
        ("raidz4x10", "raidz1, raidz2 and raidz3"),
        ("raidz3x256", "255"),
        ("1000000000xraidz3x10", "more than 5,000 disks"),
        ("9" * 5000 + "xmirrorx2", "more than 5,000 disks"),
        ("raidz3x" + "9" * 5000, "more than 5,000 disks"),
        ("mirrorx1", "mirrors nothing"),
        ("2xraidz3x10+special:raidz1x3", "no mirror"),
        ("2xraidz3x10+special:mirrorx2+special:mirrorx2", "more than one special"),
        ("2spares", "no vdev holds data"),
        ("draid4:8d:21c:1s", "draid1, draid2 and draid3"),
        ("draid2:8d:300c:1s", "255"),
        ("", "not a layout"),
        ("2xraidz3x10++", "not a layout"),
        ("raidz3 x -4", "not a layout"),
        ("ｒaidz3x10", "not a layout"),
        ("raidz3x١٠", "not a layout"),
        ("١xraidz3x10", "not a layout"),
        ("raidz3x10+٢spares", "not a layout"),
    ],
)
def test_what_zfs_refuses_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_layout(text)
    assert caught.value.hint


@given(st.text(alphabet="0123456789xraidzmirrodstpe:+cl \n\0", max_size=40) | st.text(max_size=40))
def test_any_text_is_a_layout_or_a_clear_error(text: str) -> None:
    try:
        parse_layout(text)
    except UsageError as error:
        assert error.hint
