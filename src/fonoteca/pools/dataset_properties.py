"""Which datasets a store has, and with which properties; and whether what ZFS reads back is what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from fonoteca.pools.filling import format_record
from fonoteca.pools.plan_file import PlannedDataset

Compression = Literal["zstd", "lz4"]

# Inherited by every dataset. The pool's own dataset holds nothing, so that nothing is written beside the store.
ROOT_PROPERTIES: Mapping[str, str] = {
    "canmount": "off", "atime": "off", "xattr": "sa", "acltype": "posix", "dnodesize": "auto",
}  # fmt: skip
# Reads and writes wait where too many disks are gone, a new disk in the place of a dead one is taken by itself.
POOL_PROPERTIES: Mapping[str, str] = {"autoreplace": "on", "failmode": "wait"}

# SQLite: small pages, changed in place; the log of intents answers at once.
_DATABASES: Mapping[str, str] = {"recordsize": "16K", "logbias": "latency", "primarycache": "all"}

_LEAST_RESERVED, _MOST_RESERVED = 1 << 30, 200 * 10**9
_MADE_WITH = frozenset({"casesensitivity", "normalization", "utf8only", "encryption", "keyformat", "pbkdf2iters", "volblocksize"})
_SUFFIXES = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_SAME = {"posixacl": "posix", "noacl": "off", "none": "0"}


def store_datasets(
    shown_bytes: int, *, name: str = "fonoteca", fill_limit: float = 80, compression: Compression = "zstd",
    record_bytes: int = 1 << 20, small_blocks: int = 0,
) -> tuple[PlannedDataset, ...]:  # fmt: skip
    """The datasets of a store: its own with the fill limit as quota, the archive, and the databases with room kept for them.

    The archive's files are large, written once and read from end to end; releases hold containers by link, so both are in one dataset.
    """
    quota = int(shown_bytes * fill_limit / 100)
    own = {"canmount": "on", "compression": compression} | ({"quota": str(quota)} if quota else {})
    reserved = reserve_for_databases(quota)
    archive = {"recordsize": format_record(record_bytes)}
    archive |= {"special_small_blocks": format_record(small_blocks)} if small_blocks else {}
    databases = dict(_DATABASES) | ({"reservation": str(reserved)} if reserved else {})
    return (
        PlannedDataset(name, own),
        PlannedDataset(f"{name}/archive", archive),
        PlannedDataset(f"{name}/databases", databases),
    )


def reserve_for_databases(quota: int) -> int:
    """Bytes kept for the databases, so that a full archive cannot stop its ledger: 1 %, 200 GB at most."""
    return min(quota // 100, _MOST_RESERVED) if quota // 100 >= _LEAST_RESERVED else 0


def differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Properties that are not as asked for: what was asked, and what is there."""
    pairs = {key: (value, found.get(key, "-")) for key, value in wanted.items()}
    return {key: pair for key, pair in pairs.items() if plain_value(pair[0]) != plain_value(pair[1])}


def without_aliases(found: Mapping[str, str], version: tuple[int, int, int]) -> dict[str, str]:
    """Properties as they were set, where ZFS prints another word for the same: since 2.3 xattr=sa is printed as on."""
    alias = {"xattr": "sa"} if version >= (2, 3, 0) and found.get("xattr") == "on" else {}
    return {**found, **alias}


def can_be_set_later(name: str) -> bool:
    """Whether a property of a dataset can be changed after it was made."""
    return name not in _MADE_WITH


def plain_value(value: str) -> str:
    """A value in the one form that `-p` prints: 1M is 1048576, none is 0, posixacl is posix."""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTPE]?)(?:i?B)?", value.strip(), re.I)
    if number:
        return str(round(float(number[1]) * 2 ** _SUFFIXES[number[2].upper()])) if number[2] or "." in number[1] else str(int(number[1]))
    return _SAME.get(value.strip(), value.strip())
