"""AACIDs: the names of records and of the files that belong to them."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
import shortuuid

from fonoteca.ground.errors import ContainerFormatError

MAXIMUM_CHARACTERS = 150
"""An AACID that would be longer loses its id part, wholly or from the end."""

COLLECTION = r"[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*"
"""Letters, digits and single underscores; `__` is the separator."""

_HEAD = re.compile(rf"aacid__({COLLECTION})__([0-9]{{8}}T[0-9]{{6}}Z)__")
_SHORTUUID = re.compile(r"[0-9A-Za-z]{22}")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u2028\u2029\ud800-\udfff]")


class Aacid(msgspec.Struct, frozen=True):
    """The parts of an AACID; `str()` gives it back letter by letter.

    `id` is "" where there is none; `has_empty_id` tells the five-part form with nothing between its separators.
    """

    collection: str
    timestamp: str
    id: str
    shortuuid: str
    has_empty_id: bool = False

    def __str__(self) -> str:
        middle = f"{self.id}__" if self.id or self.has_empty_id else ""
        return f"aacid__{self.collection}__{self.timestamp}__{middle}{self.shortuuid}"


def format_timestamp(second: int) -> str:
    """Seconds since 1970 as YYYYMMDDTHHMMSSZ."""
    try:
        return datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ").rjust(16, "0")
    except (ValueError, OverflowError, OSError) as error:
        raise ContainerFormatError(f"{second} is no second between the years 1 and 9999") from error


@lru_cache(maxsize=1024)
def parse_timestamp(text: str) -> int:
    """Seconds since 1970 of YYYYMMDDTHHMMSSZ; ContainerFormatError where there is no such second."""
    try:
        if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", text):
            raise ValueError(text)
        date = (int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[9:11]), int(text[11:13]), int(text[13:15]))
        return int(datetime(*date, tzinfo=UTC).timestamp())
    except ValueError as error:
        raise ContainerFormatError(f"{text[:40]!r} is no time of the form YYYYMMDDTHHMMSSZ") from error


def make_aacid(collection: str, second: int, id: str, content: str | bytes) -> str:
    """The AACID of a record, always the same for the same input.

    The short identifier comes from the SHA-256 of collection and content, so two records of one collection and second need
    different contents (put the id into them). An id is cut from its end where the whole would pass 150 bytes. ContainerFormatError for
    a collection or id that could not stand in a file name.
    """
    if not re.fullmatch(COLLECTION, collection):
        raise ContainerFormatError(f"{collection[:60]!r} is no collection", "Use letters, digits and single underscores.")
    if _UNSAFE.search(id) or "__" in id:
        raise ContainerFormatError(
            f"the id {id[:60]!r} cannot be part of a file name", "Leave out control characters, slashes, backslashes and '__'."
        )
    digest = hashlib.sha256(collection.encode() + b"\0" + (content.encode() if isinstance(content, str) else content)).digest()
    short = str(shortuuid.encode(uuid.UUID(bytes=digest[:16])))
    bare = Aacid(collection, format_timestamp(second), "", short)
    kept = _cut_to_bytes(id, MAXIMUM_CHARACTERS - len(str(bare)) - 2)
    if len(str(bare)) > MAXIMUM_CHARACTERS:
        raise ContainerFormatError(f"the collection's name has {len(collection)} letters, which makes AACIDs of over 150", "Shorten it.")
    return str(msgspec.structs.replace(bare, id=kept))


def _cut_to_bytes(text: str, limit: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[: max(limit, 0)].decode("utf-8", "ignore")


def parse_aacid(text: str) -> Aacid:
    """The parts of an AACID of four or five parts; ids may be empty and may hold `__`, commas and quotes.

    ContainerFormatError for anything else, and for characters that no file name can carry safely.
    """
    head = _HEAD.match(text)
    if not head:
        raise ContainerFormatError(f"{text[:80]!r} is no AACID: it does not begin with aacid__COLLECTION__TIME__")
    parse_timestamp(head[2])
    id_part, separator, short = text[head.end() :].rpartition("__")
    if not _SHORTUUID.fullmatch(short):
        raise ContainerFormatError(f"{text[:80]!r} is no AACID: it does not end in a shortuuid of 22 letters and digits")
    if _UNSAFE.search(id_part):
        raise ContainerFormatError(f"{text[:80]!r} is no safe AACID: its id holds a slash, a backslash or a control character")
    return Aacid(head[1], head[2], id_part, short, has_empty_id=bool(separator) and not id_part)


def find_odd_form(aacid: Aacid) -> str | None:
    """What is unusual about a readable AACID, or None."""
    if len(str(aacid)) > MAXIMUM_CHARACTERS:
        return f"an AACID of over {MAXIMUM_CHARACTERS} characters"
    if aacid.has_empty_id:
        return "an AACID whose id is empty"
    if "__" in aacid.id:
        return "an AACID with '__' inside its id"
    return None
