"""`catalogue diff` and `catalogue apply`: from one edition of the catalogue to the next by what changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fonoteca.catalogue.edition_apply import apply_delta
from fonoteca.catalogue.edition_diff import DeltaCounts, EditionFile, describe_edition, write_delta
from fonoteca.ground.errors import UsageError
from fonoteca.ground.progress import Progress

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
    _refuse_existing(target)
    counts = write_delta(old, new, target, progress)
    return DeltaReport(delta=str(target), old=describe_edition(old), new=describe_edition(new), counts=counts)


def apply_to_edition(old: Path, delta: Path, target: Path, scratch: Path | None = None) -> EditionFile:
    """Write the newer edition, proved; UsageError where the target exists."""
    _refuse_existing(target)
    return apply_delta(old, delta, target, scratch=scratch)


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target} exists already", "Name another file, or remove it first.")


def write_as_parquet(edition: Path, folder: Path, progress: Progress) -> ParquetEdition:
    """Write an edition as Parquet; UsageError without the extra [bulk]."""
    try:
        from fonoteca.catalogue.bulk.parquet_edition import write_parquet_edition
    except ModuleNotFoundError as error:
        raise UsageError("Parquet editions need the extra [bulk]", "Install it with: pip install 'fonoteca[bulk]'") from error
    return write_parquet_edition(edition, folder, progress)
