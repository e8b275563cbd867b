"""`withdraw`: a tombstone now; the next build issues the rest of its containers again, the next release says so."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from fonoteca.catalogue import Tombstone, picture_id_of
from fonoteca.catalogue.source_records import SOURCES, forget_source_records
from fonoteca.rights import parse_reason
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.lookup import find_track


class WithdrawReport(msgspec.Struct, kw_only=True):
    """What is withdrawn, why, what becomes of its bytes, and the containers that the next build replaces."""

    id: str
    title: str | None
    reason: str
    code: str
    fate: str
    containers: list[str]
    removed_originals: list[str]
    is_done: bool
    stood_before: bool


def withdraw_track(archive: Archive, text: str, reason: str, *, dry_run: bool = False) -> WithdrawReport:
    """Lay a tombstone for a track. The first date and reason stay, unless the new reason asks for more; the report tells which stands."""
    withdrawal = parse_reason(reason)
    id = find_track(archive, text)
    track = archive.catalogue.get_track(id)
    assert track is not None
    date = datetime.fromtimestamp(archive.now(), UTC).strftime("%Y-%m-%d")
    stone = Tombstone(
        track_id=id, reason=withdrawal.text, date=date, code=withdrawal.code, fate=withdrawal.fate,
        shows_metadata=withdrawal.shows_metadata,
    )  # fmt: skip
    former = archive.catalogue.tombstone_of(id)
    stood_before = former is not None and former.strength >= stone.strength
    if former is not None and stood_before:
        stone = former
    deletes = stone.fate == "delete"
    originals = sorted({source.original for source in archive.ledger.sources_of_track(id) if source.original}) if deletes else []
    report = WithdrawReport(
        id=id, title=track.title, reason=stone.reason, code=stone.code, fate=stone.fate,
        containers=sorted({row.container for row in archive.catalogue.files_of(id)}), removed_originals=originals, is_done=not dry_run,
        stood_before=stood_before,
    )  # fmt: skip
    if dry_run:
        return report
    archive.catalogue.tombstone(stone)
    if deletes:
        _delete(archive, id, originals, with_names=not stone.shows_metadata)
    return report


def _delete(archive: Archive, id: str, originals: list[str], *, with_names: bool) -> None:
    """Bytes that no container holds go now; those in containers go with the next build, which issues the other members again."""
    sources = list(archive.ledger.sources_of_track(id))
    for name in originals:
        (archive.originals / name).unlink(missing_ok=True)
    for sha256 in {sha256 for source in sources for sha256 in source.pictures}:
        if not archive.ledger.is_picture_of_others(sha256, id):
            archive.picture_file(picture_id_of(sha256)).unlink(missing_ok=True)
    with archive.ledger.transaction():
        archive.ledger.forget_originals(id)
        archive.ledger.forget_track(id, with_names=with_names)
    if with_names:
        archive.catalogue.forget_names(id)
        forget_source_records(archive.path / SOURCES, id)
        archive.ledger.rewrite()
