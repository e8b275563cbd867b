"""A published edition, opened to read: what a working catalogue answers, from one file that nobody writes."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from fonoteca.catalogue.catalogue_reading import CatalogueReader
from fonoteca.catalogue.edition_file import open_edition
from fonoteca.catalogue.statements import Statements


class Edition(CatalogueReader):
    """One open edition; rows are numbered by rank. Nothing here is for use by two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements = Statements(open_edition(path), path, is_edition=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The edition at `path`, which must stay as it is while it is open.

        NotFoundError where there is none; DatabaseError with the reason where it is cut short, foreign, newer or damaged.
        """
        return cls(path)

    @property
    def facts(self) -> dict[str, str]:
        """What the edition says of itself: title, date, schema, writer, counts."""
        return dict(self.statements.rows("SELECT name, value FROM edition ORDER BY name"))
