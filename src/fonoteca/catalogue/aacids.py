"""Names of files as the catalogue keeps them: an AACID that follows from collection, second and track needs only its last part."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

_FORM = re.compile("aacid__([a-z0-9_]+)__([0-9]{8}T[0-9]{6}Z)__([0-9A-Za-z]{22})__([0-9A-Za-z]{22})")


class AacidParts(NamedTuple):
    """An AACID taken apart; `second` counts from 1970 in UTC."""

    collection: str
    second: int
    track_id: str
    short: str


def parse_aacid(aacid: str) -> AacidParts | None:
    """The parts of an AACID of the plain form; None where it is none, or names no real second."""
    found = _FORM.fullmatch(aacid)
    if found is None:
        return None
    collection, time, track_id, short = found.groups()
    try:
        second = int(datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
    return AacidParts(collection, second, track_id, short)


def compact_aacid(aacid: str, collection: str, track_id: str) -> tuple[int | None, str | None, str | None]:
    """(second, short, aacid) as the table of files keeps them: the first two, or the third alone where the form is another."""
    parts = parse_aacid(aacid)
    if parts is None or (parts.collection, parts.track_id) != (collection, track_id):
        return None, None, aacid
    return parts.second, parts.short, None
