"""What the records of containers say, and what goes into tags: our words for a track, in one place. See docs/formats/records.md."""

from __future__ import annotations

import base64
from typing import Any

from fonoteca.audio import picard_to_vorbis, pictures_of_patch, track_gain_tags
from fonoteca.catalogue import TrackRecord
from fonoteca.integrity import Source
from fonoteca.rights import Decision, attribution_line
from fonoteca.workflows.build_choices import OWN_MARK
from fonoteca.workflows.members import MadeMember

_SUFFIXES = {"ogg-vorbis": ".ogg", "ogg-opus": ".opus", "flac": ".flac", "mp3": ".mp3", "aac": ".aac", "m4a": ".m4a", "wav": ".wav"}


def suffix_of(format: str) -> str:
    """The usual ending of a file of this format."""
    return _SUFFIXES.get(format, "")


def audio_metadata(
    track: TrackRecord, source: Source | None, made: MadeMember, rights: Decision, *, tier: str, replaces: str | None
) -> dict[str, Any]:
    """The metadata of an audio member: what it is, what it was made from, who made the music, what may be done with it."""
    is_encoded = made.action == "encode"
    format = "ogg-opus" if is_encoded else (source.format if source else None)
    told: dict[str, Any] = {
        "id": track.id,
        "sha256": made.sha256,
        "size": made.size,
        "format": format,
        "suffix": suffix_of(format or ""),
        "tier": tier,
        "made_by": made.action,
        "is_derived": is_encoded and source is not None and source.format not in ("flac", "wav"),
        "original": {
            "sha256": made.source_sha256,
            "size": source.size if source else None,
            "format": source.format if source else None,
            "essence_sha256": made.essence_sha256 or (source.essence_sha256 if source else None),
            "can_be_restored": not is_encoded,
            **_taken_out(made.patch),
        },
        "encoder": made.encoder,
        "duration_ms": track.duration_ms,
        "samples": made.samples or (source.samples if source else None),
        "sample_rate": 48_000 if is_encoded else (source.sample_rate if source else None),
        "channels": source.channels if source else None,
        "loudness_lufs": made.loudness_lufs if made.loudness_lufs is not None else (source.loudness_lufs if source else None),
        **track_facts(track),
        "rights": rights_facts(track, rights),
        "tags": dict(source.tags) if source else None,
        "replaces": [replaces] if replaces else None,
    }
    return {name: value for name, value in told.items() if value not in (None, (), [], {})}


def track_facts(track: TrackRecord) -> dict[str, Any]:
    """Names and numbers of a track as its records give them."""
    return {
        "title": track.title,
        "artists": track.artists,
        "album": track.album,
        "album_artists": track.album_artists,
        "disc": track.disc,
        "number": track.number,
        "date": track.date,
        "isrcs": track.isrcs,
        "recording_mbid": track.recording_mbid,
        "barcode": track.barcode,
        "label": track.label,
        "genres": track.genres,
        "popularity": track.popularity,
        "pictures": track.pictures,
    }


def rights_facts(track: TrackRecord, decision: Decision) -> dict[str, Any]:
    """What may be done with a track, and whose name to show."""
    told = {
        "uri": track.rights_uri,
        "name": decision.name,
        "statement": track.rights_text,
        "attribution": attribution_line(track.title, track.artists, decision.name, decision.uri, track.attribution),
        "may_be_published": decision.may_publish,
        "may_be_changed": decision.may_change,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def patch_metadata(id: str, aacid: str, patch: bytes, original_sha256: str, replaces: str | None) -> dict[str, Any]:
    """The metadata of a patch record: with it the member `member` becomes the file as it came."""
    told = {"id": id, "member": aacid, "original_sha256": original_sha256, "patch": base64.b64encode(patch).decode(), **_taken_out(patch)}
    return told | ({"replaces": [replaces]} if replaces else {})


def _taken_out(patch: bytes | None) -> dict[str, list[str]]:
    """The pictures that the file had and has no more, by SHA-256: members of a covers container, which the patch needs."""
    hashes = [picture.sha256 for picture in pictures_of_patch(patch)] if patch else []
    return {"pictures_taken_out": list(dict.fromkeys(hashes))} if hashes else {}


def added_comments(track: TrackRecord, source: Source) -> tuple[tuple[str, str], ...]:
    """The Vorbis comments that a kept file gains: what we know and its own tags do not say."""
    facts: list[tuple[str, str, str | None]] = [
        ("title", "TITLE", track.title),
        *(("artist", "ARTIST", name) for name in track.artists),
        ("album", "ALBUM", track.album),
        *(("albumartist", "ALBUMARTIST", name) for name in track.album_artists),
        ("tracknumber", "TRACKNUMBER", str(track.number) if track.number else None),
        ("discnumber", "DISCNUMBER", str(track.disc) if track.disc else None),
        ("date", "DATE", track.date),
        *(("isrc", "ISRC", isrc) for isrc in track.isrcs),
        ("label", "LABEL", track.label),
        ("barcode", "BARCODE", track.barcode),
        ("musicbrainz_recordingid", "MUSICBRAINZ_TRACKID", track.recording_mbid),
        *(("genre", "GENRE", genre) for genre in track.genres),
        ("license", "LICENSE", track.rights_uri),
        *((key.lower(), key, value) for key, value in track_gain_tags(source.format or "", source.loudness_lufs, source.sample_peak)),
        ("fonoteca_id", "FONOTECA_ID", track.id),
    ]
    return tuple((key, value) for name, key, value in facts if value and name not in source.tags)


def carried_comments(track: TrackRecord, source: Source) -> tuple[tuple[str, str], ...]:
    """The Vorbis comments of an encoded file: its source's, what we know beside them, and what it was made from."""
    own = tuple(pair for pair in picard_to_vorbis(source.tags) if not pair[0].startswith(("REPLAYGAIN_", "R128_")))
    added = tuple(pair for pair in added_comments(track, source) if not pair[0].startswith(("REPLAYGAIN_", "R128_")))
    return (*own, *added, (OWN_MARK.upper(), source.sha256))
