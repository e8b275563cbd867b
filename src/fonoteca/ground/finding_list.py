"""Findings without number in a bounded amount of memory: above a megabyte they lie in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile

import msgspec

from fonoteca.ground.findings import Finding

HELD_BYTES = 1 << 20


class FindingList:
    """Findings in the order in which they came; may be read again and again, and grow in between."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115  # lives as long as the list
        self._decode = msgspec.json.Decoder(Finding).decode
        self._count = 0

    def append(self, finding: Finding) -> None:
        """One more."""
        self._file.seek(0, 2)
        self._file.write(_encode(finding) + b"\n")
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Finding]:
        at = 0
        for _ in range(self._count):
            self._file.seek(at)
            line = self._file.readline()
            at += len(line)
            yield self._decode(line)


def _encode(finding: Finding) -> bytes:
    try:
        return msgspec.json.encode(finding)
    except UnicodeEncodeError:  # a name that is no UTF-8
        path, fact = (text.encode("utf-8", "backslashreplace").decode() for text in (finding.path, finding.fact))
        return msgspec.json.encode(msgspec.structs.replace(finding, path=path, fact=fact))
