"""torrents.json and the feed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import TorrentFormatError
from fonoteca.torrents import (
    TorrentEntry,
    TorrentOptions,
    describe_torrent,
    make_torrent,
    read_torrent,
    read_torrents_json,
    write_feed,
    write_torrents_json,
)

PUBLISHED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KNOWN_FIELDS = """url, top_level_group_name, group_name, display_name, added_to_torrents_list_at, is_metadata, btih, magnet_link,
torrent_size, num_files, data_size, aa_currently_seeding, obsolete, embargo, seeders, leechers, completed, stats_scraped_at,
partially_broken, random""".replace("\n", " ").split(", ")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ENTRIES = st.builds(
    TorrentEntry, url=TEXT, top_level_group_name=TEXT, group_name=TEXT, display_name=TEXT, added_to_torrents_list_at=TEXT, btih=TEXT,
    torrent_size=st.integers(0, 10**9), num_files=st.integers(0, 10**6), data_size=st.integers(0, 10**13), obsolete=st.booleans(),
)  # fmt: skip


def entry(name: str = "meta.torrent") -> TorrentEntry:
    data = make_torrent("folder", [("a", 5), ("b", 6)], 16_384, bytes(20), TorrentOptions(trackers=("udp://t.example:1",)))
    return describe_torrent(
        infohash=read_torrent(data).infohash, name="folder", display_name=name, sizes=(len(data), 2, 11), url=f"https://x.example/{name}",
        options=TorrentOptions(trackers=("udp://t.example:1",)), group=("managed", "files"), added_on="2026-11-20", is_metadata=False,
    )  # fmt: skip


def test_fields_are_those_that_mirrors_know_in_their_order() -> None:
    (written,) = json.loads(write_torrents_json([entry()]))
    assert list(written) == KNOWN_FIELDS
    assert (written["num_files"], written["data_size"]) == (2, 11)
    assert len(written["random"]) == 22 and written["btih"] in written["magnet_link"]


def test_same_torrents_give_the_same_bytes_in_any_order() -> None:
    entries = [entry("b"), entry("a"), entry("c")]
    assert write_torrents_json(entries) == write_torrents_json(reversed(entries))
    assert write_feed("t", "l", "d", entries, PUBLISHED) == write_feed("t", "l", "d", entries, PUBLISHED)


@given(st.lists(ENTRIES, max_size=4))
def test_what_is_written_is_read_back(entries: list[TorrentEntry]) -> None:
    read, findings = read_torrents_json(write_torrents_json(entries))
    assert (sorted(read, key=repr), findings) == (sorted(entries, key=repr), [])


def test_lists_of_others_are_read_with_what_they_lack_and_have_more() -> None:
    text = '[{"url": "u", "extra": [1], "seeders": null, "num_files": "7"}, {"url": 3}, 5, {"btih": "x"}, {"url": "v"}]'
    read, findings = read_torrents_json(text.encode())
    assert [(item.url, item.seeders, item.num_files) for item in read] == [("u", 0, 7), ("v", 0, 0)]
    assert [(found.code, found.fact[:7]) for found in findings] == [
        ("bad-list", "entry 1"),
        ("bad-list", "entry 2"),
        ("bad-list", "entry 3"),
    ]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1,", b"\xff", b"[" * 100_000, b'["\xff"]', b"null"])
def test_what_is_no_list_is_refused(data: bytes) -> None:
    try:
        entries, findings = read_torrents_json(data)
    except TorrentFormatError:
        return
    assert not entries and findings


@given(st.lists(st.builds(lambda url, name: TorrentEntry(url=url, display_name=name, group_name=name), st.text(), st.text()), max_size=3))
def test_feed_is_valid_whatever_the_names(entries: list[TorrentEntry]) -> None:
    channel = ElementTree.fromstring(write_feed("\0<&>", "\ud800", "]]>", entries, PUBLISHED)).find("channel")
    assert channel is not None and len(channel.findall("item")) == len(entries)


def test_feed_has_an_enclosure_and_a_date_a_torrent() -> None:
    root = ElementTree.fromstring(write_feed("Archive", "https://x.example/", "New", [entry()], PUBLISHED))
    enclosure = root.find("channel/item/enclosure")
    assert enclosure is not None and enclosure.attrib["url"] == entry().url and enclosure.attrib["length"] == str(entry().torrent_size)
    assert parsedate_to_datetime(root.findtext("channel/item/pubDate", "")) == datetime(2026, 11, 20, tzinfo=UTC)
    assert parsedate_to_datetime(root.findtext("channel/pubDate", "")) == PUBLISHED
