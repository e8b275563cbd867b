"""What placement is told of a container and of a mirror; nothing here reads a file."""

from __future__ import annotations

import msgspec

DAY = 86_400


class ContainerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One torrent that could be held. `bytes` of its files; `plays`: what its tracks are played, in any unit that is the same for all.

    `matches`: whether a mirror's filters want it. `is_obsolete`: a newer release does without it, so it is never fetched.
    """

    name: str
    infohash: str
    is_metadata: bool
    bytes: int
    plays: float = 0.0
    matches: bool = True
    is_obsolete: bool = False


class Party(msgspec.Struct, frozen=True):
    """A mirror by its public key (the one-line text that minisign takes) and the operator that runs it.

    Two mirrors of one operator fail together, so their copies count as one; a mirror without an operator is its own.
    """

    key: str
    operator: str = ""

    @property
    def who(self) -> str:
        """What copies are counted by."""
        return self.operator or self.key
