"""A catalogue to read: that of an archive, or a published edition alone, with what is known of where its files are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fonoteca.catalogue.edition_reading import Edition
from fonoteca.catalogue.statements import Statements
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
    with Edition.open(path) as edition:
        beside = path.parent / "containers"
        yield ReadCatalogue(edition.statements, True, FilePlaces(containers=beside if beside.is_dir() else None))
