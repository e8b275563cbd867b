from collections.abc import Iterator
from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from fonoteca.containers import SplitLimits, cut_containers


class Measure:
    """A torrent of 100 bytes, and 20 for each piece of 64 bytes, and each member's name and 30."""

    def __init__(self) -> None:
        self._names = self._bytes = 0

    def add(self, name_bytes: int, size: int) -> None:
        self._names += name_bytes + 30
        self._bytes += size

    def encoded_bytes(self) -> int:
        return 100 + self._names + 20 * -(-self._bytes // 64)


def measure_of(sizes: list[int]) -> int:
    measure = Measure()
    for size in sizes:
        measure.add(10, size)
    return measure.encoded_bytes()


@given(st.lists(st.integers(0, 3000), max_size=60), st.integers(150, 2000), st.integers(1, 9000))
def test_containers_keep_both_limits_and_are_as_full_as_they_can_be(sizes: list[int], torrent_bytes: int, data_bytes: int) -> None:
    limits = SplitLimits(torrent_bytes, data_bytes)
    cuts = list(cut_containers(enumerate(sizes), limits, 10, Measure))
    assert [key for cut in cuts for key in cut] == list(range(len(sizes)))
    for cut, following in zip_longest(cuts, cuts[1:]):
        held = [sizes[key] for key in cut]
        assert len(cut) == 1 or (sum(held) <= data_bytes and measure_of(held) <= torrent_bytes)
        if following:
            fuller = [*held, sizes[following[0]]]
            assert sum(fuller) > data_bytes or measure_of(fuller) > torrent_bytes


def test_only_the_container_being_filled_is_read() -> None:
    read = 0

    def members() -> Iterator[tuple[int, int]]:
        nonlocal read
        for read in range(1000):
            yield read, 10

    first = next(cut_containers(members(), SplitLimits(data_bytes=100), 10, Measure))
    assert len(first) == 10 and read == 10


def test_a_member_too_large_by_itself_gets_its_own_container() -> None:
    cuts = list(cut_containers([("a", 1), ("b", 5000), ("c", 1)], SplitLimits(data_bytes=100), len, Measure))
    assert cuts == [["a"], ["b"], ["c"]]


def test_no_members_make_no_container() -> None:
    assert list(cut_containers([], SplitLimits(), 10, Measure)) == []
