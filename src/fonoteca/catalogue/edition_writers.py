"""The writers of editions and what decides their bytes: a delta can be applied only with the writer that wrote the edition."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from fonoteca.catalogue.bulk import has_bulk_extra
from fonoteca.catalogue.edition import WRITER_VERSION

FACTS = ("writer", "writer_version", "sqlite")
"""Rows of the table `edition` that name the writer; `sqlite` is the version of the library, which orders pages in its own way."""


def writer_facts(writer: str) -> dict[str, str]:
    """What this program's writer of that name would say of itself; empty where there is none."""
    if writer == "sql":
        return {"writer": "sql", "writer_version": str(WRITER_VERSION), "sqlite": apsw.sqlite_lib_version()}
    if writer in ("pages", "adbc") and has_bulk_extra():
        from fonoteca.catalogue.bulk.finishing import WRITER_VERSION as BULK_VERSION

        return {"writer": writer, "writer_version": str(BULK_VERSION), "sqlite": apsw.sqlite_lib_version()}
    return {}


def why_not_written_here(facts: Mapping[str, str]) -> str:
    """Why this program cannot write the edition with these facts again; empty where it can."""
    wanted = {name: facts.get(name, "unknown") for name in FACTS}
    ours = writer_facts(wanted["writer"])
    if not ours:
        return f"it was written by the writer {wanted['writer']!r}, and this program has no such writer"
    told = {"writer_version": "version", "sqlite": "SQLite"}
    for name, word in told.items():
        if wanted[name] != ours[name]:
            return f"it was written by the writer {wanted['writer']!r} with {word} {wanted[name]}; here it is {word} {ours[name]}"
    return ""
