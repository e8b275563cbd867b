"""Orders are bijections of every size, the same for ever, and for small sets exactly uniform; bad shuffles fail the same tests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from chi_square import KEYS, MOST_DEVIATION, deviation, deviation_of_orders
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue.permutation import LARGEST_EXACT, Feistel, FisherYates, permutation
from fonoteca.catalogue.random_words import derive_key, draw, draws_of_shuffle, key_of_seed, philox_block, random_words

# Philox and draws


def test_philox_gives_the_published_answers() -> None:
    # kat_vectors of Random123, philox 4x64 10
    ones = (1 << 64) - 1
    assert philox_block(bytes(16), (0, 0, 0, 0)) == (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)
    assert philox_block(b"\xff" * 16, (ones,) * 4) == (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**62), st.integers(1, 9))
def test_words_made_in_bulk_are_those_of_the_plain_code(key: bytes, first: int, count: int) -> None:
    plain = [philox_block(key, (word // 4, 0, 0, 0))[word % 4] for word in range(first, first + count)]
    assert random_words(key, first, count).tolist() == plain


@given(st.binary(min_size=16, max_size=16), st.integers(1, 200))
def test_draws_made_in_bulk_are_single_draws(key: bytes, count: int) -> None:
    assert draws_of_shuffle(key, count).tolist() == [draw(key, number, count - number) for number in range(count)]


def test_words_in_the_last_incomplete_run_are_drawn_again() -> None:
    key, bound = key_of_seed("a"), 3 << 62  # a quarter of all words lies beyond
    refused = [number for number in range(200) if philox_block(key, (number // 4, 0, 0, 0))[number % 4] >= bound]
    assert 20 < len(refused) < 90
    values = [draw(key, number, bound) for number in range(2000)]
    assert max(values) < bound
    thirds = Counter(value >> 62 for value in values)
    assert deviation([thirds[third] for third in range(3)], [2000 / 3] * 3) < MOST_DEVIATION


def test_a_seed_stands_for_its_bytes_and_a_key_for_one_purpose() -> None:
    assert len({key_of_seed(seed) for seed in ("a", "b", "", "å", "\ud800")}) == 5
    assert derive_key(KEYS[0], "order") != derive_key(KEYS[0], "draws") != derive_key(KEYS[1], "draws")


# bijections


@pytest.mark.parametrize("kind", [FisherYates, Feistel])
def test_every_size_up_to_3000_is_a_bijection(kind: Callable[[int, bytes], FisherYates | Feistel]) -> None:
    for count in range(1, 3001):
        found = kind(count, KEYS[count]).block(0, count)
        assert np.array_equal(np.sort(found), np.arange(count)), count


@pytest.mark.parametrize("power", [16, 17, 18])
def test_sizes_around_powers_of_two_are_bijections(power: int) -> None:
    for count in range((1 << power) - 2, (1 << power) + 3):
        found = permutation(count, KEYS[power]).block(0, count)
        assert np.array_equal(np.sort(found), np.arange(count)), count


@given(st.integers(1, 2**40), st.integers(0, 2**40), st.integers(0, 21_999))
def test_large_sizes_lead_back_to_where_they_came_from(count: int, position: int, key: int) -> None:
    order, position = Feistel(count, KEYS[key]), position % count
    number = order.at(position)
    assert 0 <= number < count
    assert order.position_of(number) == position
    assert order.block(position, position + 1).tolist() == [number]


@pytest.mark.parametrize("count", [1, 2, 7, 1000, LARGEST_EXACT, LARGEST_EXACT + 1, 1_000_003])
def test_blocks_single_places_and_inverses_agree(count: int) -> None:
    order, again = permutation(count, KEYS[5]), permutation(count, KEYS[5])
    places = sorted({0, count // 3, count // 2, count - 1})
    for place in places:
        number = int(order.block(place, min(place + 5, count))[0])
        assert again.at(place) == number and again.position_of(number) == place
    assert order.block(count, count).tolist() == []


# uniformity over all orders of small sets


@pytest.mark.parametrize(("items", "keys"), [(1, 100), (2, 2000), (3, 3000), (4, 6000), (5, 12_000), (6, 22_000)])
def test_all_orders_of_small_sets_are_equally_likely(items: int, keys: int) -> None:
    def shuffle(key: bytes) -> list[int]:
        return permutation(items, key).block(0, items).tolist()

    found = {tuple(shuffle(key)) for key in KEYS[:keys]}
    assert len(found) == math.factorial(items)
    if items > 1:
        assert abs(deviation_of_orders(shuffle, items, KEYS[:keys])) < MOST_DEVIATION


def swap_with_any(items: int) -> Callable[[bytes], list[int]]:
    """The naive shuffle: each place is swapped with any other."""

    def shuffle(key: bytes) -> list[int]:
        order = list(range(items))
        for place, word in enumerate(random_words(key, 0, items).tolist()):
            other = word % items
            order[place], order[other] = order[other], order[place]
        return order

    return shuffle


def sorted_by_few_keys(items: int) -> Callable[[bytes], list[int]]:
    """Sorted by random keys of three bits, ties in their old order."""
    return lambda key: sorted(range(items), key=(random_words(key, 0, items) % 8).tolist().__getitem__)


def shifted(items: int) -> Callable[[bytes], list[int]]:
    """A fixed order that begins anywhere: every number is equally likely at every place, and yet."""

    def shuffle(key: bytes) -> list[int]:
        start = draw(key, 0, items)
        return [(start + place) % items for place in range(items)]

    return shuffle


@pytest.mark.parametrize(
    "bad",
    [swap_with_any(5), sorted_by_few_keys(5), shifted(5), lambda key: Feistel(5, key, rounds=2).block(0, 5).tolist(),
     lambda key: Feistel(5, key).block(0, 5).tolist()],
    ids=["swap with any", "few keys", "shifted", "Feistel of 2 rounds", "Feistel of 8 rounds on a small set"],
)  # fmt: skip
def test_bad_shuffles_fail_the_same_test(bad: Callable[[bytes], Sequence[int]]) -> None:
    assert deviation_of_orders(bad, 5, KEYS[:12_000]) > 5 * MOST_DEVIATION


# large sets: orders of a few members, places, neighbours


@pytest.mark.parametrize("count", [LARGEST_EXACT + 1, 100_000, 256_039_007])
def test_a_few_members_of_a_large_set_come_in_every_order_alike(count: int) -> None:
    members = [0, 1, 2, count // 2, count - 1]

    def shuffle(key: bytes) -> list[int]:
        order = permutation(count, key)
        return sorted(range(5), key=[order.position_of(member) for member in members].__getitem__)

    assert abs(deviation_of_orders(shuffle, 5, KEYS[:6000])) < MOST_DEVIATION


def test_neighbours_in_the_list_stand_anywhere_and_apart() -> None:
    count, bins = 200_000, 16
    for key in KEYS[:6]:
        found = permutation(count, key).block(0, count)
        width = count / bins
        places = np.histogram2d(np.arange(count), found, bins=bins, range=[[0, count], [0, count]])[0]
        pairs = np.histogram2d(found[:-1], found[1:], bins=bins, range=[[0, count], [0, count]])[0]
        steps = np.bincount(((found[1:] - found[:-1]) % count / width).astype(int), minlength=bins)
        # rows and columns of the first are fixed by the bijection, so it varies less than free counts do
        assert deviation(places, np.full(bins * bins, count / bins**2)) < MOST_DEVIATION
        assert abs(deviation(pairs, np.full(bins * bins, (count - 1) / bins**2))) < MOST_DEVIATION
        assert abs(deviation(steps, np.full(bins, (count - 1) / bins))) < MOST_DEVIATION


def test_two_rounds_fail_the_test_of_neighbours() -> None:
    count, bins = 200_000, 16
    found = Feistel(count, KEYS[0], rounds=2).block(0, count)
    pairs = np.histogram2d(found[:-1], found[1:], bins=bins, range=[[0, count], [0, count]])[0]
    assert deviation(pairs, np.full(bins * bins, (count - 1) / bins**2)) > 5 * MOST_DEVIATION


def test_places_are_uncorrelated_between_keys_and_with_the_list() -> None:
    count = 100_000
    orders = [permutation(count, key).block(0, count) for key in KEYS[:4]] + [np.arange(count)]
    matrix = np.corrcoef(np.array(orders))
    assert np.abs(matrix - np.eye(len(orders))).max() < MOST_DEVIATION / math.sqrt(count)
