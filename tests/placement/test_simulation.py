"""A few mirrors, week by week: what is lost when some vanish, and what has to be moved when they come and go."""

import numpy as np
import pytest

from fonoteca.placement.simulation import Network, draw_losses, expected_loss, floor_of_loss, make_containers, make_pledges

WHOLE = 300 * 10**12


def settled(mirrors: int, times: int, containers: int = 300) -> Network:
    network = Network(make_containers(WHOLE, containers, seed=2))
    for part in np.array_split(make_pledges(mirrors, times, seed=2), 4):
        network.join(part)
        network.pass_week()
    assert network.settle() < 40
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    return settled(16, 4)


def test_the_mean_loss_is_close_to_the_floor(network):
    holders = network.holders()
    copies = holders.sum(axis=1)
    assert copies.min() >= 3
    floor = floor_of_loss(4, 16, 5)
    assert expected_loss(copies, 16, 5) <= 1.15 * floor
    assert draw_losses(holders, 5, 20_000, 1).mean() <= 1.15 * floor


def test_no_mirror_holds_more_than_it_pledged(network):
    sizes = {one.infohash: one.bytes for one in network.containers}
    for mirror in network.mirrors:
        assert sum(sizes[infohash] for infohash in mirror.proved) <= mirror.entry.pledge


def test_everyone_holds_all_metadata(network):
    metadata = {one.infohash for one in network.containers if one.is_metadata}
    assert all(metadata <= mirror.proved for mirror in network.mirrors)


def test_nothing_moves_without_need(network):
    before = network.moved.fetched
    for _ in range(3):
        network.pass_week()
    assert network.moved.fetched == before and network.moved.dropped == 0


def test_what_a_mirror_that_vanished_held_gets_copies_again_and_little_else_moves():
    network = settled(16, 4)
    gone = 3
    held = set(network.mirrors[gone].proved)
    sizes = {one.infohash: one.bytes for one in network.containers}
    lost_bytes = sum(sizes[infohash] for infohash in held)
    before = network.moved.fetched
    network.leave([gone], is_told=False)
    network.settle()
    assert network.holders().sum(axis=1).min() >= 3
    assert network.moved.fetched - before <= lost_bytes


def test_the_drawn_loss_agrees_with_the_counted_one(network):
    holders = network.holders()
    drawn = draw_losses(holders, 5, 40_000, 7)
    error = drawn.std() / len(drawn) ** 0.5
    assert abs(drawn.mean() - expected_loss(holders.sum(axis=1), 16, 5)) < 4 * error


@pytest.mark.slow
@pytest.mark.parametrize(("mirrors", "times"), [(40, 4), (40, 6), (200, 4), (200, 6)])
def test_the_whole_archive_with_many_mirrors(mirrors, times):
    network = settled(mirrors, times, 1_434)
    holders, gone = network.holders(), round(0.3 * mirrors)
    floor = floor_of_loss(times, mirrors, gone)
    assert holders.sum(axis=1).min() >= times - 1
    assert expected_loss(holders.sum(axis=1), mirrors, gone) <= 1.15 * floor
    losses = np.concatenate([draw_losses(holders, gone, 10_000, seed) for seed in range(10)])
    assert losses.mean() <= 1.15 * floor
