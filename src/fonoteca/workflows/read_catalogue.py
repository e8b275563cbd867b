"""A catalogue to read: that of an archive, or a published edition alone, with what is known of where its files are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from fonoteca.catalogue.edition_reading import Edition
from fonoteca.catalogue.statements import Statements
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError
from fonoteca.workflows.archive import Archive

_OF_IMPOSSIBLE_ROWS = (AssertionError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, msgspec.MsgspecError)


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
def damage_told(*paths: Path) -> Iterator[None]:
    """Rows that no writer of editions writes end as a DatabaseError about the editions that are read inside."""
    shown = " or ".join(map(str, paths))
    try:
        yield
    except apsw.Error as error:
        raise translate_database_error(error, shown) from error
    except _OF_IMPOSSIBLE_ROWS as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        hint = f"Prove it with: fonoteca verify {paths[0]}. Get it again where that finds damage; else tell us of this."
        raise DatabaseError(f"{shown} is damaged: its rows do not fit together ({told})", hint) from error


@contextmanager
def opened_edition(path: Path) -> Iterator[Edition]:
    """An edition, open to be read; DatabaseError where what it holds cannot be."""
    with damage_told(path), Edition.open(path) as edition:
        yield edition


@contextmanager
def open_edition_to_read(path: Path) -> Iterator[ReadCatalogue]:
    """A published edition; in a release folder its containers lie beside it."""
    with opened_edition(path) as edition:
        beside = path.parent / "containers"
        yield ReadCatalogue(edition.statements, True, FilePlaces(containers=beside if beside.is_dir() else None))
