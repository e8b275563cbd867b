"""roster.json and announcement.json: written, read back, and refused with a reason where they are not what they say."""

import msgspec
import pytest
from drawn_worlds import NOW, infohash_of
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.ground.errors import FormatError, NotFoundError, UsageError
from fonoteca.placement import (
    Announcement,
    Receipt,
    Roster,
    RosterMirror,
    Scraped,
    add_mirror,
    expires_at,
    merge_census,
    read_announcement,
    read_roster,
    remove_mirror,
    write_announcement,
    write_roster,
)
from fonoteca.placement.facts import DAY

KEYS = ["RW" + letter * 54 for letter in "ABCDEF"]
names = st.text(st.characters(min_codepoint=32, max_codepoint=0x2000, exclude_categories=("Cc", "Cs", "Cf")), min_size=1, max_size=20)


def mirror(place: int, **more) -> RosterMirror:
    return RosterMirror(**{"name": f"mirror {place}", "key": KEYS[place], "pledge": 8 * 10**12, "since": NOW} | more)


def announcement(**more) -> Announcement:
    return Announcement(**{"key": KEYS[0], "at": NOW, "expires": NOW + 21 * DAY} | more)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(names, names, st.integers(0, 10**18)), max_size=6, unique_by=lambda one: one[0]))
def test_a_roster_is_read_back_as_it_was_written(rows):
    mirrors = tuple(RosterMirror(name=name, key=KEYS[place], operator=operator, pledge=pledge, since=NOW)
                    for place, (name, operator, pledge) in enumerate(rows))  # fmt: skip
    roster = Roster(serial=7, date="2026-01-01", institution="lab", mirrors=mirrors)
    assert read_roster(write_roster(roster)) == roster


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.floats(0, 1), st.integers(0, NOW), st.integers(0, NOW)), unique_by=lambda one: one[0]))
def test_an_announcement_is_read_back_as_it_was_written(rows):
    held = tuple(sorted((Receipt(infohash_of(number), share, proved, chosen) for number, share, proved, chosen in rows),
                        key=lambda one: one.infohash))  # fmt: skip
    told = announcement(name="north", operator="club", pledge=5, held=held)
    assert read_announcement(write_announcement(told)) == told


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"mirrors":' + b"[" * 10_000_000,
        b'{"format":1,"serial":1,"mirrors":[{"name":"a","key":"short"}]}',
        b'{"format":2,"serial":1}',
        b'{"format":1,"serial":-4}',
        b'{"format":1,"serial":1,"mirrors":[{"name":"a\\nb","key":"' + KEYS[0].encode() + b'"}]}',
        b'{"format":1,"serial":1,"mirrors":[{"name":"a","pledge":-1,"key":"' + KEYS[0].encode() + b'"}]}',
        b'{"format":1,"serial":1,"mirrors":[{"name":"a","url":"file:///etc/passwd","key":"' + KEYS[0].encode() + b'"}]}',
        b'{"format":1,"serial":1,"mirrors":[{"name":"a","key":"%s"},{"name":"b","key":"%s"}]}' % (KEYS[0].encode(), KEYS[0].encode()),
        b" " * (17 << 20),
    ],
)
def test_a_roster_that_cannot_be_is_refused(data):
    with pytest.raises(FormatError):
        read_roster(data)


@pytest.mark.parametrize(
    "more",
    [
        {"key": "x"},
        {"at": -1},
        {"at": NOW, "expires": NOW - 1},
        {"expires": 10**15},
        {"pledge": -5},
        {"name": "x" * 3000},
        {"format": 3},
        {"held": (Receipt("z" * 40, 1, NOW, NOW),)},
        {"held": (Receipt(infohash_of(1), 1.5, NOW, NOW),)},
        {"held": (Receipt(infohash_of(1), 1, NOW + 9 * DAY, NOW),)},
        {"held": (Receipt(infohash_of(1), 1, NOW, NOW), Receipt(infohash_of(1), 0.5, NOW, NOW))},
    ],
)
def test_an_announcement_that_cannot_be_is_refused(more):
    with pytest.raises(FormatError):
        read_announcement(write_announcement(announcement(**more)))


def test_deep_or_large_announcements_are_refused():
    for data in (b"[" * 10_000_000, b'{"held":' * 100_000, b" " * (33 << 20), b'{"key": "\xff"}'):
        with pytest.raises(FormatError):
            read_announcement(data)


def test_a_shared_share_that_is_no_number_is_refused():
    data = write_announcement(announcement(held=(Receipt(infohash_of(1), 0.5, NOW, NOW),))).replace(b"0.5", b"1e999")
    with pytest.raises(FormatError):
        read_announcement(data)


def test_a_silent_mirror_expires_and_none_lives_for_ever():
    told = announcement(expires=expires_at(NOW, 7))
    assert told.is_good_at(NOW + 20 * DAY) and not told.is_good_at(NOW + 21 * DAY)
    assert not announcement(expires=NOW + 4000 * DAY).is_good_at(NOW + 61 * DAY)
    assert not announcement(at=NOW + 2 * DAY, expires=NOW + 9 * DAY).is_good_at(NOW)
    assert merge_census([told], [], [Roster(serial=1, mirrors=(mirror(0),))], {}, NOW + 22 * DAY).announced == {}


def test_only_rostered_and_told_keys_are_counted_and_operators_are_those_of_the_roster():
    proved = (Receipt(infohash_of(1), 1.0, NOW, NOW),)
    heard = [announcement(key=KEYS[place], operator=f"claimed {place}", held=proved) for place in range(4)]
    roster = Roster(serial=1, mirrors=(mirror(0, operator="club"), mirror(1, operator="club"), mirror(3, left=NOW)))
    census = merge_census(heard, [], [roster], {}, NOW)
    assert census.of(infohash_of(1)).proved_by(NOW) == {"club"}
    told = merge_census(heard, [], [roster], {KEYS[2]: "library"}, NOW)
    assert told.of(infohash_of(1)).proved_by(NOW) == {"club", "library"}


def test_the_newest_announcement_of_a_key_counts():
    old = announcement(at=NOW - 9 * DAY, held=(Receipt(infohash_of(1), 1.0, NOW - 9 * DAY, 0),))
    census = merge_census([announcement(), old], [], [Roster(serial=1, mirrors=(mirror(0),))], {}, NOW)
    assert census.proved_elsewhere(infohash_of(1), NOW, "me") == 0


def test_seeders_are_the_most_that_one_of_the_freshest_scrapes_counted():
    hash = infohash_of(1)
    scrapes = [Scraped(hash, 3, 1, NOW), Scraped(hash, 5, 0, NOW - 3600), Scraped(hash, 90, 0, NOW - 30 * DAY)]
    standing = merge_census([], scrapes, [], {}, NOW).of(hash)
    assert (standing.seeders, standing.leechers, standing.scraped_at) == (5, 1, NOW)


def test_mirrors_keep_their_place_when_they_are_told_anew_or_leave():
    roster = Roster()
    for place in range(3):
        roster = add_mirror(roster, mirror(place), "2026-01-01")
    changed = add_mirror(roster, mirror(1, pledge=5, since=NOW + 99), "2026-01-02")
    assert [one.pledge for one in changed.mirrors][1] == 5 and changed.mirrors[1].since == NOW and changed.serial == 4
    gone = remove_mirror(changed, "mirror 1", NOW + 100, "2026-01-03")
    assert [one.left for one in gone.mirrors] == [None, NOW + 100, None]
    back = add_mirror(gone, mirror(1), "2026-01-04")
    assert [one.name for one in back.mirrors] == ["mirror 0", "mirror 1", "mirror 2", "mirror 1"]
    assert read_roster(write_roster(back)) == back


def test_a_name_or_key_stands_for_one_mirror():
    roster = add_mirror(Roster(), mirror(0), "")
    with pytest.raises(UsageError):
        add_mirror(roster, mirror(1, name="mirror 0"), "")
    with pytest.raises(UsageError):
        add_mirror(roster, mirror(1, key=KEYS[0]), "")
    with pytest.raises(NotFoundError):
        remove_mirror(roster, "mirror 7", NOW, "")


def test_one_mirror_stands_on_one_line():
    roster = Roster(serial=1, mirrors=(mirror(0), mirror(1)))
    lines = write_roster(roster).decode().splitlines()
    assert len(lines) == 4 and msgspec.json.decode(lines[1].rstrip(","))["name"] == "mirror 0"
