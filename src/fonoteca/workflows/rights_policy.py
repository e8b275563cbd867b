"""What this archive does under each rights statement: the table of the rights room with the archive's own settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fonoteca.catalogue import RightsRow
from fonoteca.ground.things import Tags
from fonoteca.rights import Decision, RightsStatement, Sidecars, decide, read_tag_statement, strongest_statement
from fonoteca.workflows.archive import Archive


class RightsFinder:
    """Finds the statement that counts for a file: FILE.rights, the tags, RIGHTS in the nearest folder, then `--rights`."""

    def __init__(self, option: str | None, sources: Sequence[Path] = ()) -> None:
        """`sources`: what was added; RIGHTS counts from the file's folder upwards to the highest of these."""
        self._option = RightsStatement(option, "option") if option else None
        tops = sorted((Path(os.path.abspath(source)) for source in sources), key=lambda top: len(top.parts))
        self._by_top = {top: Sidecars(top) for top in tops}
        self._alone = Sidecars()

    def find(self, path: bytes, tags: Tags) -> RightsStatement | None:
        """The strongest statement, known or not; None where nothing is said."""
        place = Path(os.fsdecode(path))
        sidecars = next((self._by_top[top] for top in self._by_top if top in place.parents), self._alone)
        return strongest_statement([
            sidecars.of_file(place), read_tag_statement(tags), sidecars.of_folder(place), self._option
        ])  # fmt: skip

    @staticmethod
    def is_gone(path: bytes, source: str | None) -> bool:
        """Whether a statement that was read from `source` before ("sidecar", "tag", "folder") cannot be there any more."""
        if source == "folder":
            return Sidecars(Path("/")).of_folder(Path(os.fsdecode(path))) is None
        return source in ("sidecar", "tag")


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
