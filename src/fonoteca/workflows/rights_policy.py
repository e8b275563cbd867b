"""What this archive does under each rights statement: the table of the rights room with the archive's own settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fonoteca.catalogue import RightsRow
from fonoteca.ground.errors import UsageError
from fonoteca.ground.things import Tags
from fonoteca.rights import Decision, RightsStatement, Sidecars, decide, load_table, read_statement, read_tag_statement, strongest_statement
from fonoteca.workflows.archive import Archive


def check_option(text: str) -> None:
    """UsageError where `--rights` names no licence that is known; what looks like it is told."""
    if read_statement(text) is None:
        close = load_table().close_names(text)
        meant = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
        raise UsageError(f"--rights {text!r} is no known licence", f"{meant}Give a URI, SPDX id or name; docs/rights.md lists them all.")


class RightsFinder:
    """Finds the statement that counts for a file: FILE.rights, the tags, RIGHTS in the nearest folder, then `--rights`."""

    def __init__(self, option: str | None, sources: Sequence[Path] = (), former: Sequence[Path] = ()) -> None:
        """`sources`: what is added now, which `--rights` is about; `former`: folders that were added before.

        RIGHTS counts from the file's folder upwards to the highest of all these. UsageError where `option` is no known licence.
        """
        if option is not None:
            check_option(option)
        self._option = RightsStatement((option,), "option") if option else None
        self._sources = frozenset(Path(os.path.abspath(source)) for source in sources)
        self._by_top = {top: Sidecars(top) for top in sorted(self._sources.union(former), key=lambda top: len(top.parts))}
        self._alone = Sidecars()

    def find(self, path: bytes, tags: Tags) -> RightsStatement | None:
        """The strongest statement, known or not; None where nothing is said."""
        place = Path(os.fsdecode(path))
        above = (place, *place.parents)
        sidecars = next((self._by_top[top] for top in reversed(above) if top in self._by_top and top != place), self._alone)
        is_added_now = any(folder in self._sources for folder in above)
        return strongest_statement([
            sidecars.of_file(place), read_tag_statement(tags), sidecars.of_folder(place), self._option if is_added_now else None
        ])  # fmt: skip


def decide_rights(archive: Archive, uri: str | None) -> Decision:
    """What this archive may do with an item under `uri`; default deny."""
    return decide(uri, commercial=archive.settings.rights.commercial)


def record_rights(archive: Archive, uri: str | None) -> None:
    """Tell the catalogue what the table says about a rights URI."""
    if uri is None:
        return
    decision = decide_rights(archive, uri)
    archive.catalogue.put_rights(RightsRow(
        uri=uri, name=decision.name or uri, may_publish=decision.may_publish, may_change=decision.may_change,
        attribution_required=decision.attribution_required, why=decision.why,
    ))  # fmt: skip


def refresh_rights_table(archive: Archive) -> None:
    """Decide every URI of the catalogue again: the table or a setting may have changed since it was added."""
    with archive.catalogue.transaction():
        for uri in archive.catalogue.rights_uris():
            record_rights(archive, uri)
