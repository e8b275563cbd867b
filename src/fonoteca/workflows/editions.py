"""`catalogue diff` and `catalogue apply`: from one edition of the catalogue to the next by what changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.catalogue.edition_apply import apply_delta
from fonoteca.catalogue.edition_diff import DeltaCounts, EditionFile, describe_edition, write_delta
from fonoteca.catalogue.edition_file import check_edition, open_edition
from fonoteca.ground.errors import DatabaseError, UsageError
from fonoteca.ground.progress import Progress
from fonoteca.workflows.read_catalogue import damage_told

if TYPE_CHECKING:
    from fonoteca.catalogue.bulk.parquet_edition import ParquetEdition


class DeltaReport(msgspec.Struct, frozen=True, kw_only=True):
    """A delta that was written: rows put and removed by table, its size and that of the newer edition in bytes."""

    delta: str
    old: EditionFile
    new: EditionFile
    counts: DeltaCounts


def diff_editions(old: Path, new: Path, target: Path, progress: Progress) -> DeltaReport:
    """Write the delta from one edition to another; UsageError where the target exists or its name does not end in .zst."""
    if not target.name.endswith(".zst"):
        raise UsageError(f"{target} does not end in .zst, and a delta is compressed", "Name it, say, OLD-NEW.jsonl.zst.")
    _refuse_place(target)
    _refuse_damaged(old)
    _refuse_damaged(new)
    with damage_told(old, new):
        counts = write_delta(old, new, target, progress)
        return DeltaReport(delta=str(target), old=describe_edition(old), new=describe_edition(new), counts=counts)


def apply_to_edition(old: Path, delta: Path, target: Path, scratch: Path | None = None) -> EditionFile:
    """Write the newer edition, proved; UsageError where the target exists."""
    _refuse_place(target)
    with damage_told(old):
        return apply_delta(old, delta, target, scratch=scratch)


def _refuse_place(target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target} exists already", "Name another file, or remove it first.")
    _refuse_missing_folder(target)


def _refuse_missing_folder(target: Path) -> None:
    if not target.absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {target.absolute().parent} to write {target.name} to", "Make it first, or name another place."
        )


def _refuse_damaged(edition: Path) -> None:
    """Read the whole file before its rows are passed on; DatabaseError with the first thing that is wrong with it."""
    open_edition(edition).close()
    if findings := check_edition(edition):
        hint = f"fonoteca verify {edition} tells all that is wrong with it. Get it again."
        raise DatabaseError(f"{edition} is damaged: {findings[0].fact}", hint)


def write_as_parquet(edition: Path, folder: Path, progress: Progress) -> ParquetEdition:
    """Write an edition as Parquet; UsageError without the extra [bulk]."""
    try:
        from fonoteca.catalogue.bulk.parquet_edition import write_parquet_edition
    except ModuleNotFoundError as error:
        raise UsageError("Parquet editions need the extra [bulk]", "Install it with: pip install 'fonoteca[bulk]'") from error
    _refuse_missing_folder(folder)
    _refuse_damaged(edition)
    with damage_told(edition):
        return write_parquet_edition(edition, folder, progress)
