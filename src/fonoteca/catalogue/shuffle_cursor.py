"""Where a shuffle stands, as a short text that can be kept and given back; docs/formats/shuffle.md."""

from __future__ import annotations

import hashlib

import msgspec

from fonoteca.catalogue.random_words import KEY_BYTES
from fonoteca.catalogue.shuffle_order import State
from fonoteca.ground.errors import UsageError

VERSION = 1
LONGEST = 20_000  # characters of a text that can be a cursor
_DIGITS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # those of public ids: none that look alike
_PREFIX = "s"
_CHECK_BYTES = 4


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """What goes on: the key, what was shuffled, and how far.

    `mark` is 8 bytes that tell the rows and their numbering from any other; `described` says it to people (date of the edition,
    number of rows); `filter` is the filter's JSON, empty where there is none.
    """

    key: bytes
    mark: bytes
    described: str
    filter: str
    is_weighted: bool
    state: tuple[int, ...]


def write_cursor(cursor: Cursor) -> str:
    """The cursor as text of letters and digits: `s`, then version, MessagePack and check bytes as one number in base 57."""
    content = bytes([VERSION]) + msgspec.msgpack.encode(msgspec.structs.replace(cursor, state=_shortened(cursor.state)))
    number = int.from_bytes(content + _check(content), "big")
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 57)
        digits.append(_DIGITS[digit])
    return _PREFIX + "".join(reversed(digits))


def read_cursor(text: str) -> Cursor:
    """The cursor that write_cursor wrote; UsageError where a character is wrong, missing or too many."""
    text = text.strip()
    if not text.startswith(_PREFIX) or len(text) > LONGEST or not set(text[1:]) <= set(_DIGITS):
        raise _no_cursor(f"{text[:40]!r} is no cursor")
    number = 0
    for character in text[1:]:
        number = number * 57 + _DIGITS.index(character)
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    content, check = content[:-_CHECK_BYTES], content[-_CHECK_BYTES:]
    if not content or check != _check(content):
        raise _no_cursor("a character of this cursor is wrong or missing")
    if content[0] != VERSION:
        raise UsageError(f"this cursor is of version {content[0]}; this program knows {VERSION}", "Update fonoteca, or start anew.")
    try:
        cursor = msgspec.msgpack.decode(content[1:], type=Cursor)
    except msgspec.DecodeError as error:
        raise _no_cursor(f"this cursor holds something else: {error}") from error
    if len(cursor.key) != KEY_BYTES or min(cursor.state, default=0) < 0:
        raise _no_cursor("this cursor holds something else")
    return cursor


def _no_cursor(fact: str) -> UsageError:
    return UsageError(fact, "Give it as it was printed, whole; or leave --resume out to start anew.")


def _shortened(state: State) -> State:
    """Without the zeros at its end: by weight, most classes were not drawn yet."""
    length = len(state)
    while length and not state[length - 1]:
        length -= 1
    return state[:length]


def _check(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:_CHECK_BYTES]
