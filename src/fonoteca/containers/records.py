"""Record lines of a metadata file: written in the order that importers look for, read whatever state they are in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fonoteca.containers.aacid import parse_aacid
from fonoteca.containers.safe_names import check_name
from fonoteca.ground.errors import ContainerFormatError

MAXIMUM_CHECKED_BYTES = 4 << 20
"""Lines up to this length are searched for repeated keys; longer ones only for sound JSON, so that memory stays bounded."""

_BEGINS_WITH_ID = re.compile(rb'\{"id":')
_MD5_PLACE = re.compile(rb'\{"id":(?:"(?:[^"\\]|\\.)*"|[^"{\[,}]+),"md5":')


class Record(msgspec.Struct, frozen=True):
    """One line: its AACID, the data folder where it has a member there, its metadata as JSON bytes, and where it stood."""

    aacid: str
    data_folder: str | None
    metadata: msgspec.Raw
    line_number: int = 0


class _Line(msgspec.Struct):
    aacid: str
    metadata: msgspec.Raw
    data_folder: str | None = None


def encode_record(aacid: str, metadata: Mapping[str, Any] | msgspec.Raw, data_folder: str | None = None) -> bytes:
    """One line with its newline: keys in the order of the convention, no spaces.

    The first field of `metadata` must be `id`; `md5`, where there is one, must be the second. ContainerFormatError otherwise.
    """
    parse_aacid(aacid)
    body = _encode_metadata(metadata)
    if not _BEGINS_WITH_ID.match(body):
        raise ContainerFormatError(f"the metadata of {aacid} does not begin with its own id", 'Make "id" its first field.')
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if "md5" in fields and not _MD5_PLACE.match(body):
        raise ContainerFormatError(f"the field md5 of {aacid} is not the second", 'Put "md5" right after "id".')
    head = b'{"aacid":' + msgspec.json.encode(aacid)
    folder = b"" if data_folder is None else b',"data_folder":' + msgspec.json.encode(check_name(data_folder))
    return head + folder + b',"metadata":' + body + b"}\n"


def _encode_metadata(metadata: Mapping[str, Any] | msgspec.Raw) -> bytes:
    try:
        if isinstance(metadata, msgspec.Raw):
            return msgspec.json.format(bytes(metadata), indent=-1)
        return msgspec.json.encode(metadata)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise ContainerFormatError(f"the metadata cannot be written as JSON: {error}") from error


def decode_record(line: bytes, line_number: int = 0) -> Record:
    """The record on one line (without its newline); ContainerFormatError with the reason where it is none.

    Refused: bad JSON or UTF-8, an unsafe AACID or data folder, a key that stands twice in one object, nesting too deep to decode.
    """
    try:
        found = msgspec.json.decode(line, type=_Line)
        if len(line) <= MAXIMUM_CHECKED_BYTES:
            _refuse_repeated_keys(line)
        else:
            line.decode()
    except RecursionError as error:
        raise ContainerFormatError("it is nested too deep") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise ContainerFormatError(f"it is no JSON record: {error}") from error
    parse_aacid(found.aacid)
    if found.data_folder is not None:
        check_name(found.data_folder)
    return Record(found.aacid, found.data_folder, found.metadata, line_number)


def _refuse_repeated_keys(line: bytes) -> None:
    """ValueError where an object has a key twice. Lines as we write them come back in the same length, which is quick to see."""
    try:
        if len(msgspec.json.encode(msgspec.json.decode(line))) == len(line):
            return
    except msgspec.MsgspecError:
        pass
    _slow_decode(line)


def _slow_decode(line: bytes) -> None:
    json.loads(line.decode(), object_pairs_hook=_make_object)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"the key {repeated[:60]!r} stands twice in one object")
    return made
