"""[pool] of archive.toml: the store on ZFS, its snapshots and its copies on other pools."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kept = Annotated[int, Meta(ge=0, le=10_000)]
Percent = Annotated[float, Meta(gt=0, le=100)]
Days = Annotated[int, Meta(ge=1, le=3650)]
# the descriptions below become docs/settings.md


class SnapshotSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many snapshots are kept of a dataset; sanoid makes and prunes them."""

    dataset: Annotated[
        str, Meta(description="Below the dataset of the store (`archive`, `databases`), or whole (`tank/else`); empty: all of them.")
    ] = ""
    hourly: Annotated[Kept, Meta(description="Hourly snapshots kept.")] = 24
    daily: Annotated[Kept, Meta(description="Daily snapshots kept.")] = 31
    monthly: Annotated[Kept, Meta(description="Monthly snapshots kept.")] = 12
    yearly: Annotated[Kept, Meta(description="Yearly snapshots kept.")] = 3


class ReplicaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A copy of the store on another pool; it keeps snapshots by a policy of its own."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="What to call it on the command line.")]
    target: Annotated[str, Meta(description="A dataset of this machine (`backup/fonoteca`) or `ssh://user@host[:port]/backup/fonoteca`.")]
    mode: Annotated[
        Literal["push", "pull"],
        Meta(description="push: this machine sends. pull: the other one fetches, so that nobody here can destroy what it keeps."),
    ] = "push"
    key_file: Annotated[str, Meta(description="The SSH key; a relative path starts at the archive. Empty: what ssh finds by itself.")] = ""
    lag_hours: Annotated[float, Meta(gt=0, description="A copy that is older than this is an alarm.")] = 26
    bandwidth: Annotated[str, Meta(description='Bytes a second at most: "50 MB". Empty: no limit.')] = ""
    prove_days: Annotated[Days, Meta(description="The copy is scrubbed and read again at least so often.")] = 35
    hourly: Annotated[Kept, Meta(description="Hourly snapshots kept there.")] = 48
    daily: Annotated[Kept, Meta(description="Daily snapshots kept there.")] = 90
    monthly: Annotated[Kept, Meta(description="Monthly snapshots kept there.")] = 36
    yearly: Annotated[Kept, Meta(description="Yearly snapshots kept there.")] = 10


class PoolSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The store on ZFS."""

    dataset: Annotated[
        str,
        Meta(description="The dataset that holds the store: `tank` or `tank/fonoteca`. Empty: the one that the archive's folder lies in."),
    ] = ""
    fill_limit: Annotated[Percent, Meta(description="Percent of the pool that may be full before it is an alarm.")] = 80
    scrub_days: Annotated[Days, Meta(description="Every block is read and checked at least so often.")] = 35
    mail: Annotated[str, Meta(description="Who is written to when a disk dies, for ZED.")] = "root"
    copies: Annotated[
        int, Meta(ge=0, le=100, description="No snapshot is pruned before so many replicas have it or a later one; 0: no matter how many.")
    ] = 0
    snapshots: tuple[SnapshotSettings, ...] = (SnapshotSettings(),)
    replicas: tuple[ReplicaSettings, ...] = ()
