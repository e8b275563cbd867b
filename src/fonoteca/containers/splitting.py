"""Where one container ends and the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import msgspec

Key = TypeVar("Key")


class SplitLimits(msgspec.Struct, frozen=True):
    """How large a container may become: its encoded torrent and the bytes of its members."""

    torrent_bytes: int = 8_000_000
    data_bytes: int = 210_000_000_000


class TorrentSize(Protocol):
    """A running measure of the torrent that a data folder would have."""

    def add(self, name_bytes: int, size: int) -> None:
        """One more member: the bytes of its name and of its content."""

    def encoded_bytes(self) -> int:
        """Bytes of the torrent so far, bencoded."""


def cut_containers(
    members: Iterable[tuple[Key, int]],
    limits: SplitLimits,
    name_length: Callable[[Key], int] | int,
    torrent_size: Callable[[], TorrentSize],
) -> Iterator[list[Key]]:
    """Consecutive members, each with its predicted bytes, in containers that keep both limits.

    Only the container being filled is held in memory. The same members give the same cuts. `name_length` is in bytes;
    `torrent_size` makes a fresh measure. A member that is too large by itself gets a container of its own.
    """
    keys: list[Key] = []
    measure, data_bytes = torrent_size(), 0
    for key, size in members:
        name_bytes = name_length if isinstance(name_length, int) else name_length(key)
        measure.add(name_bytes, size)
        data_bytes += size
        if keys and (data_bytes > limits.data_bytes or measure.encoded_bytes() > limits.torrent_bytes):
            yield keys
            keys, measure, data_bytes = [], torrent_size(), size
            measure.add(name_bytes, size)
        keys.append(key)
    if keys:
        yield keys
