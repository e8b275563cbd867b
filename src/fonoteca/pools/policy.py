"""How many snapshots of which dataset are kept: [[pool.snapshots]] and [[pool.replicas]] of archive.toml, resolved to datasets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from fonoteca.ground.errors import SettingsError
from fonoteca.ground.pool_settings import PoolSettings, ReplicaSettings, SnapshotSettings

KINDS = ("hourly", "daily", "monthly", "yearly")
_COMPONENT = r"[A-Za-z0-9_.:-](?:[A-Za-z0-9_.: -]*[A-Za-z0-9_.:-])?"


class Policy(msgspec.Struct, frozen=True):
    """What is kept of a dataset and of all below it that have no policy of their own. A replica's snapshots come from its source."""

    dataset: str
    hourly: int
    daily: int
    monthly: int
    yearly: int
    takes_snapshots: bool = True

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """How many are kept of each of KINDS."""
        return self.hourly, self.daily, self.monthly, self.yearly

    def kept(self, kind: str) -> int:
        """How many are kept of one kind; 0 of a kind that we do not know."""
        return self.counts[KINDS.index(kind)] if kind in KINDS else 0


def resolve_policies(settings: PoolSettings, store: str) -> tuple[Policy, ...]:
    """The policies of the store and of its replicas on this machine, each after those above it; SettingsError where two say different."""
    check_copies(settings)
    found = [_policy(one, dataset_named(one.dataset, store)) for one in settings.snapshots]
    for replica in settings.replicas:
        if is_local(replica):
            found.append(replica_policy(replica, _apart_from(store, replica)))
    names = [policy.dataset for policy in found]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"two entries under [pool] are about snapshots of {name}", "Keep one of them.")
    return tuple(sorted(found, key=lambda policy: policy.dataset.split("/")))


def policy_for(dataset: str, policies: Iterable[Policy]) -> Policy | None:
    """The policy that holds for a dataset: its own, else that of the nearest above it."""
    above = [policy for policy in policies if lies_in(dataset, policy.dataset)]
    return max(above, key=lambda policy: len(policy.dataset), default=None)


def replica_policy(replica: ReplicaSettings, dataset: str) -> Policy:
    """The policy of a replica, for the machine that it is on."""
    return Policy(check_dataset(dataset), replica.hourly, replica.daily, replica.monthly, replica.yearly, takes_snapshots=False)


def dataset_named(text: str, store: str) -> str:
    """The dataset that a setting or an option means: below the store, or whole where it begins with the pool's name."""
    if not text:
        return check_dataset(store)
    pool = store.split("/")[0]
    return check_dataset(text if lies_in(text, pool) else f"{store}/{text}")


def check_dataset(name: str) -> str:
    """A name that ZFS takes; SettingsError for any other, so that no name can write lines of its own into a configuration."""
    if len(name) > 255 or not all(re.fullmatch(_COMPONENT, part, re.ASCII) for part in name.split("/")):
        raise SettingsError(
            f"{name[:200]!r} is no name of a dataset", "Names have letters, digits, '-', '_', '.', ':' and '/' between datasets."
        )
    return name


def check_copies(settings: PoolSettings) -> None:
    """SettingsError where more copies are asked for than there are replicas: nothing could ever be pruned."""
    if settings.copies > len(settings.replicas):
        raise SettingsError(
            f"copies under [pool] is {settings.copies}, and there are {len(settings.replicas)} [[pool.replicas]]",
            "Name more replicas, or lower copies: nothing could ever be pruned.",
        )


def is_local(replica: ReplicaSettings) -> bool:
    """Whether a replica is a dataset of this machine."""
    return "://" not in replica.target


def lies_in(dataset: str, above: str) -> bool:
    """Whether `dataset` is `above` or below it."""
    return dataset == above or dataset.startswith(f"{above}/")


def outermost(policies: Sequence[Policy]) -> list[Policy]:
    """The policies that lie in no other."""
    return [one for one in policies if not any(one is not other and lies_in(one.dataset, other.dataset) for other in policies)]


def _policy(one: SnapshotSettings, dataset: str) -> Policy:
    return Policy(dataset, one.hourly, one.daily, one.monthly, one.yearly)


def _apart_from(store: str, replica: ReplicaSettings) -> str:
    if lies_in(replica.target, store) or lies_in(store, replica.target):
        raise SettingsError(
            f"replica {replica.name} at {replica.target} lies in the store {store}, or the store in it", "Put it on another pool."
        )
    return replica.target
