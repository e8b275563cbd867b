"""From one file that was read to its rows: source in the ledger, track in the catalogue, duplicates noted and not kept twice."""

from __future__ import annotations

import os
import re

import msgspec

from fonoteca.catalogue import PlaysRow, TrackRecord, parse_isrcs, parse_mbid, path_track_id_of, track_id_of
from fonoteca.ground.findings import Finding
from fonoteca.ground.things import OGG_FORMATS, AudioFile, Tags
from fonoteca.integrity import Source, show_path
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.ingest_rights import settle_rights, with_statement, without_statement
from fonoteca.workflows.rights_policy import RightsFinder


def record_sound_file(
    archive: Archive, path: bytes, audio: AudioFile, rights: RightsFinder, original: str | None
) -> tuple[str, tuple[Finding, ...]]:
    """Record a file that can be kept; gives the outcome ("kept" or "duplicate") and what there is to note."""
    known = archive.ledger.source_at(path)
    twin = archive.ledger.kept_like(audio.sha256, audio.essence_sha256)
    track_id = twin.track_id if twin and twin.track_id else track_id_of(audio.essence_sha256 or audio.sha256)
    derived_from = archive.ledger.track_of_encoding(audio.essence_sha256)
    former = known
    if twin is not None and twin.path != path and _is_gone(twin):
        # it was moved, perhaps retagged: its new place is what build can read
        archive.ledger.put_source(msgspec.structs.replace(without_statement(twin), state="duplicate"))
        twin, former = None, twin
    notes: list[Finding] = []
    is_duplicate = derived_from is not None or (twin is not None and twin.path != path)
    if derived_from is not None:
        track_id = derived_from
        notes.append(Finding("duplicate-sound", show_path(path), "it is this archive's own encoding of a track that is held", track_id))
    elif is_duplicate and twin is not None:
        code = "duplicate-file" if twin.sha256 == audio.sha256 else "duplicate-sound"
        notes.append(Finding(code, show_path(path), f"it sounds like {twin.shown_path}", track_id))
    source = _source(path, audio, track_id, "duplicate" if is_duplicate else "kept", archive.now())
    if derived_from is None:  # our own encoding says what we said
        source = with_statement(source, former if former and former.track_id == track_id else None, rights)
    kept_before = known.original if known and known.sha256 == source.sha256 else None
    archive.ledger.put_source(msgspec.structs.replace(source, original=original or kept_before))
    if not is_duplicate:
        notes += _put_track(archive, track_id, source, audio)
    if derived_from is None:
        notes += settle_rights(archive, track_id, source).notes
    _release_former(archive, known, track_id)
    return ("duplicate" if is_duplicate else "kept"), tuple(notes)


def is_deleted(archive: Archive, audio: AudioFile) -> str | None:
    """The id of the track that this is, where its bytes were deleted for good; nothing of it is taken in again."""
    track_id = track_id_of(audio.essence_sha256 or audio.sha256)
    stone = archive.catalogue.tombstone_of(track_id)
    return track_id if stone is not None and stone.fate == "delete" else None


def record_deleted_file(archive: Archive, path: bytes, audio: AudioFile, track_id: str) -> None:
    """Remember only that it was seen."""
    former = archive.ledger.source_at(path)
    seen = _source(path, audio, track_id, "duplicate", archive.now())
    archive.ledger.put_source(msgspec.structs.replace(seen, tags={}, comment_packet=None, pictures=()))
    _release_former(archive, former, track_id)


def record_unreadable_file(archive: Archive, path: bytes, audio: AudioFile) -> tuple[Finding, ...]:
    """Record a file that is set aside: it is known, and not held."""
    known = archive.ledger.source_at(path)
    shown = show_path(path)
    # of the path, so that a mended file at the same place takes the unreadable row away again
    track_id = path_track_id_of(shown)
    archive.ledger.put_source(_source(path, audio, track_id, "set-aside", archive.now()))
    fact = next((finding.fact for finding in audio.findings if finding.kind.weight != "note"), "it cannot be read")
    record = track_of_tags(track_id, audio.tags, None, _title_of_name(path))
    archive.catalogue.put_track(msgspec.structs.replace(record, status="unreadable", status_reason=fact))
    _release_former(archive, known, track_id)
    return ()


def _source(path: bytes, audio: AudioFile, track_id: str, state: str, now: int) -> Source:
    return Source(
        path=path, size=audio.size, mtime_ns=audio.mtime_ns, sha256=audio.sha256, state=state, essence_sha256=audio.essence_sha256,
        track_id=track_id, format=audio.format, sample_rate=audio.sample_rate, channels=audio.channels, samples=audio.samples,
        bits_per_second=audio.bits_per_second, loudness_lufs=audio.loudness_lufs, sample_peak=audio.sample_peak,
        can_be_retagged=audio.can_be_retagged, tags=audio.tags, comment_packet=audio.comment_packet,
        pictures=tuple(dict.fromkeys(picture.sha256 for picture in audio.pictures)), added_at=now,
        decoded_at=now if audio.is_decoded else None, picture_bytes=_picture_bytes(audio),
    )  # fmt: skip


def _picture_bytes(audio: AudioFile) -> int:
    """What the pictures take in the file; Ogg has them in base64."""
    taken = sum(len(picture.data) for picture in audio.pictures)
    return -(-taken * 4 // 3) if audio.format in OGG_FORMATS else taken


def _put_track(archive: Archive, track_id: str, source: Source, audio: AudioFile) -> list[Finding]:
    notes: list[Finding] = []
    isrcs, bad = parse_isrcs(source.tags.get("isrc", ()))
    for value in bad:
        notes.append(Finding("bad-isrc", source.shown_path, f"{value[:80]!r} is no ISRC", track_id))
    record = track_of_tags(track_id, source.tags, audio.duration_ms, _title_of_name(source.path))
    for picture in audio.pictures:
        archive.catalogue.put_picture(picture.sha256, picture.mime, picture.width, picture.height, len(picture.data))
    record = msgspec.structs.replace(record, isrcs=isrcs, pictures=source.pictures, status="held")
    former = archive.catalogue.get_track(track_id)
    if former is not None and former.status in ("withdrawn", "not-kept"):
        record = msgspec.structs.replace(record, status=former.status, status_reason=former.status_reason)
    archive.catalogue.put_track(record, keep_metadata=True)
    _join_wanted(archive, track_id, record)
    return notes


def _join_wanted(archive: Archive, track_id: str, record: TrackRecord) -> None:
    """A wanted track with the same MusicBrainz recording is this one: what is known of it comes over, and it points here."""
    if not record.recording_mbid:
        return
    for wanted_id in archive.catalogue.find_keyed(PlaysRow(line=0, mbid=record.recording_mbid)):
        wanted = archive.catalogue.get_track(wanted_id)
        if wanted_id != track_id and wanted and wanted.status == "wanted":
            archive.catalogue.merge_wanted(wanted_id, track_id)


def _is_gone(source: Source) -> bool:
    return source.original is None and not os.path.lexists(source.path)


def _release_former(archive: Archive, known: Source | None, track_id: str) -> None:
    """The file at this path was another track's before: another file takes its place, or the track is wanted again."""
    if known is None or known.track_id is None or known.track_id == track_id:
        return
    former = known.track_id
    if known.state == "set-aside":
        archive.catalogue.remove_track(former)
        return
    others = list(archive.ledger.sources_of_track(former))
    if others:
        if not any(other.state == "kept" for other in others):
            archive.ledger.put_source(msgspec.structs.replace(others[0], state="kept"))
        settle_rights(archive, former, others[0])
    elif archive.ledger.current_member(former) is None and not archive.catalogue.is_withdrawn(former):
        archive.catalogue.set_status(former, "wanted", "its file was replaced before it was built")


def track_of_tags(track_id: str, tags: Tags, duration_ms: int | None, title: str) -> TrackRecord:
    """What the tags say of a track. Several artists stay several; names are as given."""
    first = {name: values[0] for name, values in tags.items() if values}
    return TrackRecord(
        id=track_id, title=first.get("title") or title, artists=tags.get("artists") or tags.get("artist") or (),
        artist_mbids=_mbids(tags.get("musicbrainz_artistid", ())), album=first.get("album"), album_artists=tags.get("albumartist", ()),
        album_mbid=parse_mbid(first.get("musicbrainz_albumid", "")), disc=_number(first.get("discnumber")),
        number=_number(first.get("tracknumber")), date=first.get("date") or first.get("originaldate"),
        recording_mbid=parse_mbid(first.get("musicbrainz_recordingid", "")), barcode=first.get("barcode"), label=first.get("label"),
        genres=tags.get("genre", ()), duration_ms=duration_ms,
    )  # fmt: skip


def _mbids(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(mbid for value in values if (mbid := parse_mbid(value)))


def _number(text: str | None) -> int | None:
    found = re.match(r"\s*(\d{1,6})", text or "")
    return int(found[1]) if found else None


def _title_of_name(path: bytes) -> str:
    return os.path.splitext(os.path.basename(show_path(path)))[0]
