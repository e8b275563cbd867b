"""A catalogue to read: that of an archive, or a published edition alone, with what is known of where its files are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fonoteca.catalogue.edition_diff import open_edition_file
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.database import CACHE_KIB
from fonoteca.workflows.archive import Archive


class FilePlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Where files may be: the folder that holds containers, and the URL of the release."""

    containers: Path | None = None
    url: str = ""


class ReadCatalogue(msgspec.Struct, frozen=True):
    """An open catalogue, whether it is an edition, and where its files may be."""

    statements: Statements
    is_edition: bool
    places: FilePlaces


def catalogue_of_archive(archive: Archive) -> ReadCatalogue:
    """The working catalogue of an open archive."""
    places = FilePlaces(containers=archive.containers, url=archive.settings.publish.url)
    return ReadCatalogue(archive.catalogue.statements, False, places)


@contextmanager
def open_edition_to_read(path: Path) -> Iterator[ReadCatalogue]:
    """A published edition; in a release folder its containers lie beside it."""
    connection = open_edition_file(path)
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        beside = path.parent / "containers"
        yield ReadCatalogue(Statements(connection, path), True, FilePlaces(containers=beside if beside.is_dir() else None))
    finally:
        connection.close()
