from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshot_model import KilledError, ModelZfs

from fonoteca.ground.errors import NotFoundError, PoolOutputError, UsageError
from fonoteca.pools.holds import (
    BOOKMARKS_KEPT,
    bookmark_name,
    check_tag,
    hold_sending,
    hold_tag,
    pin_base,
    replica_of_bookmark,
    replica_of_tag,
    sending_tag,
    steps_to_forget,
)
from fonoteca.pools.snapshots import (
    Bookmark,
    Snapshot,
    name_by_hand,
    parse_bookmarks,
    parse_holds,
    parse_snapshots,
    read_bookmarks,
    read_snapshots,
)

OUTPUT = Path(__file__).parent / "output"
numbers = st.integers(0, 2**64 - 1)
names = st.text("abcXYZ019_.:-", min_size=1, max_size=12)
datasets = st.lists(st.text("abc09_.:- ", min_size=1, max_size=5), min_size=1, max_size=3).map("/".join)
snapshots = st.builds(Snapshot, datasets, names, numbers, numbers, numbers, numbers, numbers)
bookmarks = st.builds(Bookmark, datasets, names, numbers, numbers, numbers)


def in_order(count: int, dataset: str = "tank/fonoteca") -> list[Snapshot]:
    return [Snapshot(dataset, f"s{n}", 1000 + n, 10 * n, 3600 * n) for n in range(1, count + 1)]


@given(st.lists(st.tuples(snapshots, st.integers(0, 9)), unique_by=lambda pair: pair[0].full_name))
def test_snapshots_are_read_as_they_were_printed(pairs: list[tuple[Snapshot, int]]) -> None:
    text = "".join(
        f"{one.full_name}\t{one.guid}\t{one.createtxg}\t{one.created_at}\t{one.used_bytes}\t{one.referenced_bytes}\t{holds}\n"
        for one, holds in pairs
    )
    assert sorted(parse_snapshots(text), key=repr) == sorted(pairs, key=repr)


@given(st.lists(bookmarks, unique_by=lambda one: one.full_name))
def test_bookmarks_are_read_as_they_were_printed(found: list[Bookmark]) -> None:
    text = "".join(f"{one.full_name}\t{one.guid}\t{one.createtxg}\t{one.created_at}\n" for one in found)
    assert sorted(parse_bookmarks(text), key=repr) == sorted(found, key=repr)


@given(st.text(st.sampled_from("a1@#\t\n \x00é-"), max_size=60))
def test_odd_output_is_refused_and_never_a_crash(text: str) -> None:
    for parse in (parse_snapshots, parse_bookmarks, parse_holds):
        try:
            parse(text)
        except PoolOutputError:
            pass


@pytest.mark.parametrize("name", ["2.1-2.2-zfs-holds-by-source", "2.3-zfs-holds"])
def test_what_each_version_prints_of_holds_is_understood(name: str) -> None:
    text = (OUTPUT / f"{name}.txt").read_text()
    assert set(parse_holds(text)) == {("tank/a b@monday", "fonoteca:attic"), ("tank/a b@monday", "my own tag"), ("tank@x", "keep")}


def test_tag_with_a_line_end_is_named_with_the_way_out() -> None:
    with pytest.raises(PoolOutputError, match="zfs release"):
        parse_holds("tank@x\ta\tb\nc\tMon Nov 23 01:36 2026\n")


def test_bookmark_or_cut_line_among_snapshots_is_refused() -> None:
    with pytest.raises(PoolOutputError, match="no @"):
        parse_snapshots("tank#x\t1\t2\t3\t4\t5\t0\n")
    with pytest.raises(PoolOutputError, match="cannot be understood"):
        parse_snapshots("tank@x\t1\t2\n")
    with pytest.raises(PoolOutputError, match="'-'"):
        parse_snapshots("tank@x\t1\t2\t3\t-\t5\t0\n")


def test_snapshots_come_with_their_holds() -> None:
    model = ModelZfs(in_order(3))
    model.zfs("hold", "mine", "tank/fonoteca@s2")
    assert [one.holds for one in read_snapshots(model, "tank/fonoteca")] == [(), ("mine",), ()]


def test_snapshot_that_goes_while_the_list_is_read_is_left_out() -> None:
    class Racing(ModelZfs):
        def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
            if arguments[1] == "holds" and "tank/fonoteca@s1" in self.snapshots:
                self.holds["tank/fonoteca@s1"].clear()
                self._destroy("tank/fonoteca@s1")
            return super().run(*arguments, timeout_s=timeout_s)

    model = Racing(in_order(2))
    model.zfs("hold", "mine", "tank/fonoteca@s1")
    assert [one.name for one in read_snapshots(model, "tank/fonoteca")] == ["s2"]


def test_holds_that_the_list_leaves_out_are_asked_for_again() -> None:
    class Forgetful(ModelZfs):
        asked = 0

        def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
            self.asked += arguments[1] == "holds"
            return "" if arguments[1] == "holds" and self.asked < 3 else super().run(*arguments, timeout_s=timeout_s)

    model = Forgetful(in_order(1))
    model.zfs("hold", "mine", "tank/fonoteca@s1")
    assert read_snapshots(model, "tank/fonoteca")[0].holds == ("mine",)
    model.asked = -100
    with pytest.raises(PoolOutputError, match="change while they are listed"):
        read_snapshots(model, "tank/fonoteca")


def test_names_by_hand_are_in_utc() -> None:
    assert name_by_hand(1_795_442_700) == "fonoteca_2026-11-23_14:05:00"


def pinned(model: ModelZfs) -> tuple[set[str], set[str]]:
    return model.held("fonoteca:attic"), set(model.bookmarks)


def test_what_is_sent_is_held_without_a_list_of_all_snapshots() -> None:
    class Unlisted(ModelZfs):
        def run(self, *arguments: str | Path, timeout_s: float = 120) -> str:
            assert arguments[1] == "hold"
            return super().run(*arguments, timeout_s=timeout_s)

    model = Unlisted(in_order(3))
    for _ in range(2):
        hold_sending(model, "tank/fonoteca", "s3", "attic")
    assert model.held(sending_tag("attic")) == {"tank/fonoteca@s3"}
    with pytest.raises(NotFoundError):
        hold_sending(model, "tank/fonoteca", "s9", "attic")


def test_base_is_held_bookmarked_and_the_old_one_released() -> None:
    model = ModelZfs(in_order(3))
    pin_base(model, "tank/fonoteca", "s1", "attic")
    hold_sending(model, "tank/fonoteca", "s3", "attic")
    hold_sending(model, "tank/fonoteca", "s3", "attic")
    pin_base(model, "tank/fonoteca", "s3", "attic")
    marks = {f"tank/fonoteca#{bookmark_name('attic', guid)}" for guid in (1001, 1003)}
    assert pinned(model) == ({"tank/fonoteca@s3"}, marks)
    assert not model.held(sending_tag("attic"))


def test_pinning_that_is_killed_between_any_two_commands_ends_the_same() -> None:
    def prepared() -> ModelZfs:
        model = ModelZfs(in_order(12))
        for name in (f"s{n}" for n in range(1, 11)):
            pin_base(model, "tank/fonoteca", name, "attic")
        model.zfs("hold", sending_tag("attic"), "tank/fonoteca@s12")
        model.changes = 0
        return model

    whole = prepared()
    pin_base(whole, "tank/fonoteca", "s12", "attic")
    assert whole.changes > 4
    for lives in range(whole.changes):
        model = prepared()
        model.lives = lives
        with pytest.raises(KilledError):
            pin_base(model, "tank/fonoteca", "s12", "attic")
        assert model.held("fonoteca:attic"), "a base is held at every moment"
        model.lives = None
        pin_base(model, "tank/fonoteca", "s12", "attic")
        assert pinned(model) == pinned(whole)


def test_only_the_newest_bookmarks_of_a_replica_stay_and_those_of_others_all() -> None:
    others = [Bookmark("tank/fonoteca", "mine", 5, 50, 5), Bookmark("tank/fonoteca", bookmark_name("cellar", 7), 7, 70, 7)]
    model = ModelZfs(in_order(20), others)
    for n in range(1, 21):
        pin_base(model, "tank/fonoteca", f"s{n}", "attic")
    found = read_bookmarks(model, "tank/fonoteca")
    assert [one.guid for one in found if replica_of_bookmark(one) == "attic"] == list(range(1021 - BOOKMARKS_KEPT, 1021))
    assert {one.full_name for one in others} <= set(model.bookmarks)


def test_replicas_do_not_touch_each_others_holds() -> None:
    model = ModelZfs(in_order(2))
    pin_base(model, "tank/fonoteca", "s1", "attic")
    pin_base(model, "tank/fonoteca", "s2", "cellar")
    assert model.held(hold_tag("attic")) == {"tank/fonoteca@s1"}
    for step in steps_to_forget(read_snapshots(model, "tank/fonoteca"), read_bookmarks(model, "tank/fonoteca"), "attic"):
        model.zfs(*step)
    assert not model.held(hold_tag("attic"))
    assert model.held(hold_tag("cellar")) == {"tank/fonoteca@s2"}
    assert [replica_of_bookmark(one) for one in model.bookmarks.values()] == ["cellar"]


def test_base_that_is_not_there_is_an_error_and_changes_nothing() -> None:
    model = ModelZfs(in_order(1))
    with pytest.raises(NotFoundError, match="tank/fonoteca@s9"):
        pin_base(model, "tank/fonoteca", "s9", "attic")
    assert model.changes == 0


def test_tags_of_ours_are_told_from_those_of_people() -> None:
    assert replica_of_tag("fonoteca:attic") == "attic"
    assert [replica_of_tag(tag) for tag in ("fonoteca:", "fonoteca:attic:sending", "fonoteca-copies", "mine")] == [None] * 4
    assert check_tag("law-suit.2026") == "law-suit.2026"
    for tag in ("fonoteca:attic", "fonoteca-copies", "", "a b", "a\n", "-r", "x" * 201):
        with pytest.raises(UsageError):
            check_tag(tag)
