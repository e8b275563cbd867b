"""One part of the evidence with what it may do beside adding to the sum."""

from __future__ import annotations

import msgspec


class Weighed(msgspec.Struct, frozen=True):
    """A part scored in bits. `decides`: nothing else counts; `contradicts`: the two are never joined; `outweighs`: lifts contradictions."""

    part: str
    score: float
    shown: str
    decides: bool = False
    contradicts: bool = False
    outweighs: bool = False
