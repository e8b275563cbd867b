from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from fonoteca.ground.errors import SettingsError
from fonoteca.ground.pool_settings import PoolSettings, ReplicaSettings, SnapshotSettings
from fonoteca.pools.policy import Policy, dataset_named, policy_for, resolve_policies
from fonoteca.pools.sanoid import plan_sections

STORE = "tank/fonoteca"


def settings(*datasets: str, replicas: tuple[ReplicaSettings, ...] = (), copies: int = 0) -> PoolSettings:
    return PoolSettings(snapshots=tuple(SnapshotSettings(dataset=one) for one in datasets), replicas=replicas, copies=copies)


def test_without_a_word_about_it_the_whole_store_has_one_policy() -> None:
    assert resolve_policies(PoolSettings(), STORE) == (Policy(STORE, 24, 31, 12, 3),)


def test_datasets_are_named_below_the_store_or_whole() -> None:
    found = resolve_policies(settings("databases", "tank/else", ""), STORE)
    assert [one.dataset for one in found] == ["tank/else", STORE, f"{STORE}/databases"]
    assert dataset_named("tank", STORE) == "tank"
    assert dataset_named("tanks", STORE) == "tank/fonoteca/tanks"


def test_nearest_policy_above_a_dataset_holds_for_it() -> None:
    found = resolve_policies(settings("", "archive", "archive/a/b"), STORE)
    for dataset, above in [
        ("", ""),
        ("/databases", ""),
        ("/archive", "/archive"),
        ("/archive/a", "/archive"),
        ("/archive/a/b/c", "/archive/a/b"),
    ]:
        policy = policy_for(STORE + dataset, found)
        assert policy is not None
        assert policy.dataset == STORE + above
    assert policy_for("tank/fonoteca2", found) is None
    assert policy_for("tank", found) is None


def test_replicas_on_this_machine_have_a_policy_of_their_own_and_take_nothing() -> None:
    near = ReplicaSettings(name="near", target="backup/fonoteca", hourly=1, daily=2, monthly=3, yearly=4)
    far = ReplicaSettings(name="far", target="ssh://u@h/backup/fonoteca")
    found = resolve_policies(settings("", replicas=(near, far)), STORE)
    assert found == (Policy("backup/fonoteca", 1, 2, 3, 4, takes_snapshots=False), Policy(STORE, 24, 31, 12, 3))


@pytest.mark.parametrize(
    "wrong",
    [
        settings("", "tank/fonoteca"),
        settings("a]\n[b"),
        settings("a//b"),
        settings("a@b"),
        settings(" a"),
        settings("é"),
        settings("x" * 250),
        settings("", replicas=(ReplicaSettings(name="r", target="tank/fonoteca/copy"),)),
        settings("", replicas=(ReplicaSettings(name="r", target="tank"),)),
        settings("", copies=1),
    ],
)
def test_settings_that_cannot_be_are_refused_with_a_way_out(wrong: PoolSettings) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve_policies(wrong, STORE)
    assert caught.value.hint


def test_policy_on_the_page_about_snapshots_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tasks" / "snapshots.md").read_text()
    text = page.split("```toml\n")[1].split("```")[0]
    told = msgspec.convert(tomllib.loads(text)["pool"], PoolSettings)
    found = resolve_policies(told, told.dataset)
    assert [one.dataset for one in found] == ["backup/fonoteca", "tank/fonoteca", "tank/fonoteca/databases"]
    assert [section.recursive for section in plan_sections(found, [one.dataset for one in found])] == ["yes", "zfs", "yes"]
