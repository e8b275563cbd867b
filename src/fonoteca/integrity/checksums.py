"""SHA256SUMS: one line a file, as `sha256sum -c` reads them; written and read as a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from fonoteca.ground.errors import FormatError
from fonoteca.ground.findings import Finding

LONGEST_LINE = 64 * 1024

_LINE = re.compile(rb"(\\?)([0-9A-Fa-f]{64}) [ *](.+)", re.DOTALL)
_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}
_ODD = re.compile(rb"[\\\n\r]")
_ESCAPED = re.compile(rb"\\.?", re.DOTALL)


class Checksum(msgspec.Struct, frozen=True):
    """One line: SHA-256 in lower-case hex and the path, relative to the list, with slashes."""

    sha256: str
    path: str


def checksum_line(sha256: str, path: str) -> bytes:
    """The line for one file. Backslash, newline and carriage return in names are escaped as GNU coreutils 9 does."""
    name = os.fsencode(path)
    escaped = _ODD.sub(lambda odd: _ESCAPES[odd[0]], name)
    return b"%b%b  %b\n" % (b"\\" if escaped != name else b"", sha256.encode(), escaped)


def write_checksums(target: BinaryIO, checksums: Iterable[Checksum]) -> int:
    """Write the lines and give their number. They must come sorted by path as bytes, so that the same files give the same list;
    FormatError where they do not, or where `read_checksums` would refuse one."""
    count = 0
    before = b""
    for checksum in checksums:
        name = os.fsencode(checksum.path)
        if name <= before:
            raise FormatError(f"{checksum.path!r} cannot follow {before!r} in SHA256SUMS", "Sort by path as bytes, each file once.")
        if fact := _refuse_path(name):
            raise FormatError(f"{checksum.path!r} cannot stand in SHA256SUMS: it {fact}", "Give paths inside the folder of the list.")
        target.write(checksum_line(checksum.sha256, checksum.path))
        before = name
        count += 1
    return count


def read_checksums(source: BinaryIO, name: str = "SHA256SUMS") -> Iterator[Checksum | Finding]:
    """Every line as a checksum, or a finding `bad-list` with its number; comments and empty lines are passed over.

    Takes text and binary mode and CRLF. Paths that lead out of the folder are findings.
    """
    number = 0
    while line := source.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                line = source.readline(LONGEST_LINE)
            yield Finding("bad-list", name, f"line {number}: longer than {LONGEST_LINE} bytes")
        elif (read := _read_line(line.removesuffix(b"\n").removesuffix(b"\r"))) is not None:
            yield Finding("bad-list", name, f"line {number}: {read}") if isinstance(read, str) else read


def _read_line(line: bytes) -> Checksum | str | None:
    if not line or line.startswith(b"#"):
        return None
    match = _LINE.fullmatch(line)
    if match is None:
        return f"no SHA-256 with a file name: {line[:40]!r}"
    path = match[3]
    if match[1]:
        escapes = set(_ESCAPED.findall(path))
        if not escapes <= _UNESCAPES.keys():
            return f"a name with an unknown escape: {path[:40]!r}"
        path = _ESCAPED.sub(lambda escape: _UNESCAPES[escape[0]], path)
    if fact := _refuse_path(path):
        return f"the name {path[:40]!r} {fact}"
    return Checksum(match[2].decode().lower(), os.fsdecode(path))


def _refuse_path(path: bytes) -> str | None:
    parts = path.split(b"/")
    if path.startswith(b"/"):
        return "is absolute"
    if b".." in parts:
        return "leads out of the folder"
    if b"" in parts or b"." in parts or b"\0" in path:
        return "is no plain path"
    return "is too long" if max(map(len, parts)) > 255 or len(path) > 4096 else None
