"""Send streams are known by their first record; tokens and what zfs and zstream print are understood, and garbage is told."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import PoolOutputError, StreamError
from fonoteca.pools.dataset_states import parse_states
from fonoteca.pools.replication import Step
from fonoteca.pools.resume_token import ResumeToken, read_token
from fonoteca.pools.streams import (
    check_head,
    parse_estimate,
    parse_stream_dump,
    read_head,
    receive_arguments,
    send_arguments,
)
from zfs_model import make_head, make_token

OUTPUT = Path(__file__).parent / "output"
GUIDS = st.integers(0, 2**64 - 1)


@given(GUIDS, GUIDS, st.sampled_from("<>"), st.integers(0, 2**30 - 1))
def test_head_is_read_in_either_byte_order(to_guid: int, from_guid: int, order: str, features: int) -> None:
    head = read_head(make_head(to_guid, from_guid, order=order, features=features))
    assert (head.kind, head.features, head.to_guid, head.from_guid, head.to_name) == (1, features, to_guid, from_guid, "tank/f@1")


@given(st.binary(max_size=400))
def test_garbage_is_no_stream(garbage: bytes) -> None:
    with pytest.raises(StreamError):
        read_head(garbage)


def test_package_of_datasets_is_refused() -> None:
    with pytest.raises(StreamError, match="package"):
        check_head(make_head(5, kind=2), 5)


def test_stream_of_another_snapshot_or_base_is_refused() -> None:
    assert check_head(make_head(5, 4), 5, 4).to_guid == 5
    with pytest.raises(StreamError, match="guid 5"):
        check_head(make_head(5), 6)
    with pytest.raises(StreamError, match="file system, which was not announced"):
        check_head(make_head(5, 4), 5, 4, is_volume=True)
    with pytest.raises(StreamError, match="starts at"):
        check_head(make_head(5, 4), 5, 0)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80), GUIDS, st.integers(1, 2**64 - 1), GUIDS)
def test_token_says_what_was_put_into_it(name: str, to_guid: int, from_guid: int, received: int) -> None:
    assert read_token(make_token(name, to_guid, from_guid, received)) == ResumeToken(name, to_guid, from_guid, received)


def test_real_tokens_are_read() -> None:
    full = read_token((OUTPUT / "2.3-resume-token-full.txt").read_text())
    step = read_token((OUTPUT / "2.3-resume-token-incremental.txt").read_text())
    assert full.to_name == "tank/f@1" and full.from_guid == 0 and full.bytes_received > 1_000_000
    assert step.to_name == "tank/f@2" and step.from_guid == full.to_guid


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda raw: f"1-0-{len(raw):x}-{raw.hex()}"), st.binary(max_size=40)
       .map(lambda raw: f"1-1-{len(raw):x}-{__import__('zlib').compress(raw).hex()}")))  # fmt: skip
def test_garbage_is_no_token(text: str) -> None:
    with pytest.raises(PoolOutputError):
        read_token(text)


@given(st.data())
def test_token_that_was_bent_is_read_or_refused_and_never_crashes(data: st.DataObject) -> None:
    raw = bytearray.fromhex(make_token("tank/f@1", 5, 4).rpartition("-")[2])
    raw = bytearray(zlib.decompress(raw))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_token(f"1-0-{len(raw):x}-{__import__('zlib').compress(bytes(raw)).hex()}")
    except PoolOutputError:
        pass


def test_token_that_bursts_is_refused() -> None:
    bomb = zlib.compress(bytes(100_000_000))
    with pytest.raises(PoolOutputError):
        read_token(f"1-0-{100_000_000:x}-{bomb.hex()}")


def test_sends_are_as_the_data_lies_on_disk() -> None:
    step = Step("incremental", "tank/a b", "backup/f", "2", 5, "1", 4)
    assert send_arguments(step) == ["send", "-L", "-e", "-c", "-i", "tank/a b@1", "tank/a b@2"]
    assert send_arguments(Step("bookmark", "t", "b", "2", 5, "m", 4, is_raw=True)) == ["send", "-w", "-i", "t#m", "t@2"]
    assert send_arguments(Step("full", "t", "b", "2", 5)) == ["send", "-L", "-e", "-c", "t@2"]
    assert send_arguments(Step("resume", "t", "b", "2", 5, token="1-a-b-c")) == ["send", "-t", "1-a-b-c"]


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("is_volume", [True, False])
def test_receiving_never_forces(is_new: bool, is_volume: bool) -> None:
    words = receive_arguments("backup/f", is_new=is_new, is_volume=is_volume)
    assert words[:3] == ["receive", "-s", "-u"] and words[-1] == "backup/f" and "-F" not in words
    assert ("readonly=on" in words) == is_new and ("canmount=noauto" in words) == (is_new and not is_volume)


@given(st.text(st.sampled_from("snapshotfilesystembookmark\t\n@#-0123456789/ "), max_size=300))
def test_list_that_cannot_be_read_is_told(text: str) -> None:
    try:
        parse_states(text)
    except PoolOutputError:
        pass


def test_list_is_read_whatever_its_order() -> None:
    rows = [
        "snapshot\ttank/f@b\t12\t30\t1790000001\t5\t9\t7\t-\t-\t-", "bookmark\ttank/f#m\t11\t20\t1790000000\t-\t9\t-\t-\t-\t-",
        "filesystem\ttank/f/x y\t3\t9\t1780000000\t5\t9\t0\toff\taes-256-gcm\t-",
        "snapshot\ttank/f@a\t11\t20\t1790000000\t5\t9\t7\t-\t-\t-", "filesystem\ttank/f\t1\t8\t1780000000\t5\t9\t4096\ton\toff\t1-a-b-c",
        "volume\ttank/f/v\t4\t9\t1780000000\t5\t9\t0\toff\toff\t-",
    ]  # fmt: skip
    first, volume, second = parse_states("\n".join(rows) + "\n")
    assert [one.name for one in first.snapshots] == ["a", "b"] and first.bookmarks[0].full_name == "tank/f#m"
    assert (first.token, first.written_bytes, first.is_readonly, first.is_encrypted) == ("1-a-b-c", 4096, True, False)
    assert second.name == "tank/f/x y" and second.is_encrypted and not second.snapshots and volume.kind == "volume"


def test_estimate_is_read_with_and_without_progress() -> None:
    assert parse_estimate("full\ttank/f@1\t21022064\nsize\t21022064\n") == 21022064
    assert parse_estimate("resume token contents:\nnvlist version: 0\n\tobject = 0x80\nfull\ttank/f@1\t5\nsize\t5\n") == 5
    assert parse_estimate("") is None


def test_whole_stream_has_no_faults() -> None:
    report = parse_stream_dump((OUTPUT / "2.3-zstream-dump-whole.txt").read_text())
    assert report.faults == () and report.records > 50 and report.stream_bytes > 6_000_000


@pytest.mark.parametrize("name", ["cut", "damaged", "no-stream"])
def test_streams_that_are_not_whole_are_found_though_zstream_ends_well(name: str) -> None:
    assert parse_stream_dump((OUTPUT / f"2.3-zstream-dump-{name}.txt").read_text()).faults


def test_dump_of_older_versions_is_read() -> None:
    lines = ["SUMMARY:", "\tTotal DRR_BEGIN records = 1", "\tTotal DRR_END records = 1", "\tTotal records = 12",
             "\tTotal stream length = 4096 (0x1000)"]  # fmt: skip
    assert parse_stream_dump("\n".join(lines)).faults == ()
    damaged = "Expected checksum differs from checksum in stream.\n" + "\n".join(lines)
    assert parse_stream_dump(damaged).faults == ("Expected checksum differs from checksum in stream.",)


@given(st.text(max_size=300))
def test_dump_that_is_none_is_told(text: str) -> None:
    try:
        assert parse_stream_dump(text).faults
    except PoolOutputError:
        pass
