"""`catalogue source`: what sources said of a thing, before it was taken apart."""

from __future__ import annotations

from typing import Any

import msgspec

from fonoteca.catalogue.source_records import SOURCES, SourceRecords
from fonoteca.ground.errors import NotFoundError
from fonoteca.workflows.archive import Archive


class ToldRecord(msgspec.Struct, frozen=True):
    """One line of a source about the thing of a public id."""

    id: str
    source: str
    content: bytes

    @property
    def record(self) -> Any:
        """The object that the line is; the line itself where it is none."""
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self.content.decode("utf-8", "replace")


def read_source_records(archive: Archive, thing: str) -> list[ToldRecord]:
    """Every line about what `thing` names, in the order in which they came; NotFoundError where there is none."""
    path = archive.path / SOURCES
    told: list[ToldRecord] = []
    if path.is_file():
        with SourceRecords(path, read_only=True) as sources:
            for id in dict.fromkeys([thing, *(found.id for found in archive.catalogue.find(thing))]):
                told += [ToldRecord(id, one.source, one.content) for one in sources.records_of(id)]
    if not told:
        raise NotFoundError(f"no source record answers to {thing!r}", "Lines are kept by: fonoteca catalogue import FILE")
    return told
