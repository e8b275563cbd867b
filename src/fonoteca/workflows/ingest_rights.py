"""Whose word about a track counts: each file keeps what was last said of it; of several files of one track the strictest counts."""

from __future__ import annotations

import msgspec

from fonoteca.catalogue import TrackRecord
from fonoteca.ground.findings import Finding
from fonoteca.integrity import Source
from fonoteca.rights import RightsStatement, StatementSource, strictest_statement
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.rights_policy import RightsFinder, record_rights

RIGHTS_FINDINGS = frozenset({"unknown-rights", "conflicting-rights"})


class SettledRights(msgspec.Struct, frozen=True):
    """What came of deciding a track's rights again."""

    notes: list[Finding] = []
    has_changed: bool = False


def with_statement(source: Source, former: Source | None, rights: RightsFinder) -> Source:
    """The source with what is said of it now; what was said with `--rights` before stays where nothing else is said.

    `former`: the same track's file at this place, or at the place it was moved from.
    """
    found = rights.find(source.path, source.tags)
    if found is None and former is not None and former.rights_from == "option":
        found = _statement_of(former)
    if found is None:
        return msgspec.structs.replace(source, rights_values=(), rights_from=None, attribution=None)
    return msgspec.structs.replace(source, rights_values=found.values, rights_from=found.source, attribution=found.attribution)


def without_statement(source: Source) -> Source:
    """The source with nothing said of it."""
    return msgspec.structs.replace(source, rights_values=(), rights_from=None, attribution=None)


def refresh_rights(archive: Archive, source: Source, rights: RightsFinder) -> SettledRights:
    """Decide again for a file that is known and unchanged: a sidecar may be new, `--rights` may be given now."""
    if source.track_id is None or archive.ledger.track_of_encoding(source.essence_sha256):
        return SettledRights()
    fresh = with_statement(source, source, rights)
    if fresh != source:
        archive.ledger.put_source(fresh)
    return settle_rights(archive, source.track_id, fresh)


def settle_rights(archive: Archive, track_id: str, source: Source) -> SettledRights:
    """Record the statement that counts for a track; notes about `source` where it is unknown or others say something else."""
    track = archive.catalogue.get_track(track_id)
    if track is None or track.status == "withdrawn":
        return SettledRights()
    own = _statement_of(source)
    notes = []
    if own is not None and own.licence is None:
        notes.append(Finding("unknown-rights", source.shown_path, f"{own.text[:120]!r} is no known licence", track_id))
    given = _statements_of_track(archive, track)
    counts = strictest_statement([statement for statement, _ in given])
    if counts is None:
        return SettledRights(notes, _forget(archive, track))
    licences = {statement.licence for statement, _ in given}
    if len(licences) > 1:
        place = next(place for statement, place in given if statement is counts)
        fact = f"{len(given)} files of this track say different things; {counts.text[:120]!r} of {place} counts"
        notes.append(Finding("conflicting-rights", source.shown_path, fact, track_id))
    return SettledRights(notes, _record(archive, track, counts))


def _statement_of(source: Source) -> RightsStatement | None:
    if source.rights_from is None:
        return None
    where: StatementSource = source.rights_from  # type: ignore[assignment]
    return RightsStatement(source.rights_values, where, source.attribution)


def _statements_of_track(archive: Archive, track: TrackRecord) -> list[tuple[RightsStatement, str]]:
    """What each file of a track says, and where; a row of --metadata goes before all but sidecars."""
    sources = archive.ledger.sources_of_track(track.id)
    given = [(statement, source.shown_path) for source in sources if (statement := _statement_of(source))]
    if track.rights_from != "metadata":
        return given
    sidecars = [pair for pair in given if pair[0].source == "sidecar"]
    return sidecars or [(RightsStatement((track.rights_text or "",), "metadata", track.attribution), "--metadata")]


def _forget(archive: Archive, track: TrackRecord) -> bool:
    if track.rights_from not in ("sidecar", "tag", "folder"):
        return False
    archive.catalogue.set_rights(track.id, None, text=None, rights_from=None)
    return True


def _record(archive: Archive, track: TrackRecord, statement: RightsStatement) -> bool:
    """Write it where it is new; tells whether what may be done has changed."""
    licence = statement.licence
    uri = licence.uri if licence else None
    record_rights(archive, uri)
    attribution = statement.attribution or track.attribution
    if statement.source == "metadata":
        return False
    if (track.rights_uri, track.rights_text, track.rights_from, track.attribution) != (uri, statement.text, statement.source, attribution):
        archive.catalogue.set_rights(track.id, uri, text=statement.text, rights_from=statement.source, attribution=attribution)
    return track.rights_uri != uri
