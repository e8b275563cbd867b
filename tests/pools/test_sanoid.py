"""What sanoid makes of its configuration, by a reading of its `init` in Perl; the real one reads it in test_pool_snapshot.py."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.pool_settings import PoolSettings, ReplicaSettings, SnapshotSettings
from fonoteca.pools.policy import KINDS, Policy, policy_for, resolve_policies
from fonoteca.pools.sanoid import parse_pruned, parse_taken, write_prune_drop_in, write_sanoid_conf
from fonoteca.pools.transport import Place
from fonoteca.workflows.pool.replica_setup import setup_steps
from fonoteca.workflows.pool.replicas import Replica

DATASETS = [
    "tank", "tank/fono teca", "tank/fono teca/a", "tank/fono teca/a/b", "tank/fonoteca", "tank/fonoteca/archive",
    "tank/fonoteca/archive/a b", "tank/fonoteca/archive/a b/c", "tank/fonoteca/databases", "backup/f", "backup/f/archive",
]  # fmt: skip


def read_as_sanoid(text: str, datasets: list[str]) -> dict[str, dict[str, str]]:
    """The keys that count for each dataset. A name with a space is two words to the shell that `zfs list -r` is asked through."""
    ini = ConfigParser(delimiters=("=",), interpolation=None)
    ini.read_string(text)
    config: dict[str, dict[str, str]] = {}
    for section in ini.sections():
        if section.startswith("template_"):
            continue
        own = config.setdefault(section, {})
        own.update(ini[f"template_{ini[section]['use_template']}"])
        if own.get("zfs_recursion") and own["autosnap"] == "yes":
            raise AssertionError(f"sanoid warns about {section}")
        recursive = ini[section].get("recursive", "")
        if recursive:
            assert " " not in section, "recursion would go astray"
            if recursive == "zfs":
                own["zfs_recursion"] = "1"
            for child in (one for one in datasets if one.startswith(f"{section}/")):
                spread = dict(own) | ({"autosnap": "no"} if recursive == "zfs" else {})
                config.setdefault(child, {}).update(spread)
    return config


def is_taken(dataset: str, kind: str, config: dict[str, dict[str, str]], text: str) -> int:
    """By how many ways a snapshot of this kind is taken of a dataset."""
    ini = ConfigParser(delimiters=("=",), interpolation=None)
    ini.read_string(text)
    ways = 0
    for name, keys in config.items():
        takes = keys["autosnap"] == "yes" and int(keys[kind]) > 0
        reaches = name == dataset or (name in ini and ini[name].get("recursive") == "zfs" and dataset.startswith(f"{name}/"))
        ways += takes and reaches
    return ways


counts = st.tuples(*[st.integers(0, 3)] * 4)
entries = st.dictionaries(st.sampled_from(DATASETS[1:9]), counts, min_size=1, max_size=5)


@given(entries, st.booleans())
def test_every_dataset_is_taken_once_and_kept_by_its_policy(chosen: dict[str, tuple[int, ...]], has_replica: bool) -> None:
    policies = sorted((Policy(name, *kept) for name, kept in chosen.items()), key=lambda one: one.dataset.split("/"))
    if has_replica:
        policies.insert(0, Policy("backup/f", 9, 9, 9, 9, takes_snapshots=False))
    text = write_sanoid_conf(policies, DATASETS)
    config = read_as_sanoid(text, DATASETS)
    for dataset in DATASETS:
        policy = policy_for(dataset, policies)
        if policy is None:
            assert dataset not in config
            continue
        keys = config[dataset]
        assert [int(keys[kind]) for kind in KINDS] == list(policy.counts)
        assert (keys["autoprune"], keys["frequently"], keys["weekly"]) == ("yes", "0", "0")
        for kind in KINDS:
            ways = is_taken(dataset, kind, config, text)
            assert ways <= 1
            if policy.kept(kind):
                assert ways == policy.takes_snapshots


def test_one_policy_for_the_store_takes_all_datasets_at_one_moment() -> None:
    text = write_sanoid_conf(resolve_policies(PoolSettings(), "tank/fonoteca"), DATASETS)
    assert "[tank/fonoteca]\n\tuse_template = fonoteca_24_31_12_3\n\trecursive = zfs\n" in text
    assert (
        "\tautosnap = yes\n\tautoprune = yes\n\tfrequently = 0\n\thourly = 24\n\tdaily = 31\n\tweekly = 0\n\tmonthly = 12\n\tyearly = 3\n"
        in text
    )


def test_replica_is_pruned_by_its_own_policy_and_never_taken() -> None:
    replica = ReplicaSettings(name="near", target="backup/f")
    text = write_sanoid_conf(resolve_policies(PoolSettings(replicas=(replica,)), "tank/fonoteca"), DATASETS)
    config = read_as_sanoid(text, DATASETS)
    assert config["backup/f/archive"]["autosnap"] == "no"
    assert config["backup/f/archive"]["daily"] == "90"


def test_no_dataset_has_two_sections() -> None:
    entries = (SnapshotSettings(), SnapshotSettings(dataset="archive", hourly=0))
    text = write_sanoid_conf(resolve_policies(PoolSettings(snapshots=entries), "tank/fono teca"), DATASETS)
    heads = [line for line in text.splitlines() if line.startswith("[")]
    assert len(heads) == len(set(heads))


def test_what_sanoid_says_is_read_with_spaces_in_names() -> None:
    said = (
        "INFO: cache expired - updating from zfs list.\nINFO: taking snapshots...\n"
        "taking snapshot tank/a b@autosnap_2026-11-23_14:05:00_hourly (zfs recursive)\n"
        "taking dst snapshot tank@autosnap_2026-10-25_02:00:00dst_hourly\n"
        "INFO: pruning snapshots...\nINFO: pruning tank/a b@autosnap_2026-11-22_14:00:00_hourly ... \n"
    )
    assert parse_taken(said) == ["tank/a b@autosnap_2026-11-23_14:05:00_hourly", "tank@autosnap_2026-10-25_02:00:00dst_hourly"]
    assert parse_pruned(said) == ["tank/a b@autosnap_2026-11-22_14:00:00_hourly"]


def test_words_that_systemd_would_read_otherwise_are_quoted() -> None:
    text = write_prune_drop_in(["/usr/bin/fonoteca", "--archive", '/a b/100%/"$x"'])
    assert 'ExecStartPre="/usr/bin/fonoteca" "--archive" "/a b/100%%/\\"$$x\\""' in text


def test_machine_of_a_replica_is_told_what_to_prune() -> None:
    settings = ReplicaSettings(name="attic", target="ssh://u@attic/tank/f", daily=7)
    replica = Replica(settings, Place("tank/store"), Place("tank/f", host="attic", user="u"), Path("/a"))
    lines = next(step.lines for step in setup_steps(replica) if "sanoid.conf" in step.purpose)
    config = read_as_sanoid("\n".join(lines), ["tank/f", "tank/f/archive"])
    assert (config["tank/f/archive"]["autosnap"], config["tank/f/archive"]["daily"]) == ("no", "7")
