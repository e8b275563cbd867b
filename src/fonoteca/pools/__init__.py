"""The 300 TB store: ZFS does the storing; this room plans pools, drives zpool and zfs, and understands what they say."""

from fonoteca.pools.health import DamagedFile, PoolHealth, Scan, Vdev
from fonoteca.pools.zfs import Zfs, translate_zfs_error

__all__ = ["DamagedFile", "PoolHealth", "Scan", "Vdev", "Zfs", "translate_zfs_error"]
