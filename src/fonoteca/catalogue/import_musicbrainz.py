"""MusicBrainz JSON dumps: one artist, release or recording a line, as https://musicbrainz.org/doc/Development/JSON_Data_Dumps says.

A release becomes an album and a track for each of its places; its tracks are known by the MBID of the track, so that a recording
on two releases stands twice, joined by its recording MBID. A recording adds what it says to every track that carries its MBID.
"""

from __future__ import annotations

import hashlib
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from fonoteca.catalogue.identifiers import parse_mbid, track_id_of
from fonoteca.catalogue.import_lines import lines_after
from fonoteca.catalogue.import_records import BadRowError, ImportLine, ImportRow, bad_line, convert_row, fault_of_json, settle_row
from fonoteca.catalogue.lines import Line, open_bytes, read_lines
from fonoteca.ground.errors import FormatError, UsageError, translate_os_errors
from fonoteca.ground.findings import Finding

KINDS = ("artist", "release", "recording")
Values = dict[str, Any]


def read_musicbrainz(path: Path, after: int = 0) -> Iterator[ImportLine]:
    """The lines behind number `after` of a dump or of the archive around it; streams. Lines of several members are numbered on."""
    lines = _lines_of_archive(path, after) if is_archive(path) else lines_after(path, after)
    for line in lines:
        if line.fault:
            yield bad_line(path, line.number, line.fault)
        elif line.content.strip():
            yield _read_line(path, line.number, line.content)


def is_archive(path: Path) -> bool:
    """Whether the name is that of a tar archive."""
    suffixes = path.name.lower().split(".")[1:]
    return "tar" in suffixes or suffixes[-1:] in (["tgz"], ["txz"], ["tbz2"], ["tbz"], ["tzst"])


def _lines_of_archive(path: Path, after: int) -> Iterator[Line]:
    before = number = 0
    found = False
    with translate_os_errors(path), open_bytes(path) as file:
        try:
            with tarfile.open(fileobj=file, mode="r|") as archive:
                for member in archive:
                    if not member.isfile() or Path(member.name).name not in KINDS:
                        continue
                    found = True
                    for line in _lines_of_member(archive, member):
                        number = before + line.number
                        if number > after:
                            yield Line(number, line.content, line.fault)
                    before = number
        except (tarfile.TarError, EOFError, lzma.LZMAError) as error:
            yield Line(number + 1, b"", f"the archive is damaged or cut here: {error}")
            return
    if not found:
        raise UsageError(f"{path} holds no mbdump/artist, mbdump/release or mbdump/recording", "Give one of these three dumps.")


def _lines_of_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Line]:
    content = archive.extractfile(member)
    assert content is not None
    return read_lines(cast(BinaryIO, content))


def _read_line(path: Path, number: int, content: bytes) -> ImportLine:
    try:
        told = msgspec.json.decode(content)
        make = _MAKERS[kind_of(told)]
        values = make(told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, FormatError) as error:
        return bad_line(path, number, f"no MusicBrainz record: {fault_of_json(error, content)}"[:300], content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return bad_line(path, number, f"no MusicBrainz record as it is known: {type(error).__name__} {error}"[:300], content)
    rows: list[ImportRow] = []
    notes: list[Finding] = []
    for one in values:
        try:
            row, more = settle_row(convert_row({name: value for name, value in one.items() if value not in (None, "", [])}), number, path)
        except BadRowError as error:
            notes += bad_line(path, number, str(error)).findings
            continue
        rows.append(row)
        notes += more
    return ImportLine(number, tuple(rows), content, tuple(notes))


def kind_of(told: Any) -> str:
    """Which of the three kinds an object is; FormatError where it is none."""
    if isinstance(told, dict) and parse_mbid(str(told.get("id"))):
        if "media" in told or "release-group" in told or "label-info" in told:
            return "release"
        if "sort-name" in told:
            return "artist"
        if "length" in told or "first-release-date" in told or "video" in told or "artist-credit" in told:
            return "recording"
    raise FormatError("it is no artist, release or recording")


def _artist(told: Values) -> list[Values]:
    aliases = [alias["name"] for alias in told.get("aliases") or () if alias.get("name")]
    return [{
        "record": "artist", "name": told["name"], "mbid": told["id"], "sort_name": told.get("sort-name"), "country": told.get("country"),
        "aliases": list(dict.fromkeys(alias for alias in aliases if alias != told["name"])), "genres": _genres(told),
    }]  # fmt: skip


def _genres(told: Values) -> list[str]:
    return [genre["name"] for genre in sorted(told.get("genres") or (), key=lambda one: (-one.get("count", 0), one["name"]))]


def _credited(told: Values) -> tuple[list[str], list[str]]:
    """The names as credited, and the MBIDs beside them."""
    credit = told.get("artist-credit") or []
    return [one.get("name") or one["artist"]["name"] for one in credit], [one["artist"]["id"] for one in credit]


def _release(told: Values) -> list[Values]:
    names, mbids = _credited(told)
    labels = [(info.get("label") or {}).get("name") for info in told.get("label-info") or ()]
    label = next((name for name in labels if name), None)
    album = {
        "record": "album", "title": told["title"], "artists": names, "artist_mbids": mbids, "date": told.get("date"), "label": label,
        "barcode": told.get("barcode"), "mbid": told["id"],
    }  # fmt: skip
    shared = {
        "album": told["title"], "album_artists": names, "album_mbid": told["id"], "barcode": told.get("barcode"),
        "date": told.get("date"), "label": label,
    }  # fmt: skip
    return [album, *(track | shared for medium in told.get("media") or () for track in _tracks(medium))]


def _tracks(medium: Values) -> Iterator[Values]:
    for told in medium.get("tracks") or ():
        recording = told.get("recording") or {}
        names, mbids = _credited(told if told.get("artist-credit") else recording)
        yield {
            "id": id_of_release_track(told["id"]), "title": told.get("title") or recording.get("title"), "artists": names,
            "artist_mbids": mbids, "disc": medium.get("position"), "number": told.get("position"),
            "duration_ms": told.get("length") or recording.get("length"), "recording_mbid": recording.get("id"),
            "isrcs": recording.get("isrcs"), "genres": _genres(recording),
        }  # fmt: skip


def id_of_release_track(mbid: str) -> str:
    """The public id of a track on a release, from its MBID."""
    return track_id_of(hashlib.sha256(f"musicbrainz-track:{mbid.lower()}".encode()).hexdigest())


def _recording(told: Values) -> list[Values]:
    names, mbids = _credited(told)
    return [{
        "mbid": told["id"], "recording_mbid": told["id"], "title": told["title"], "artists": names, "artist_mbids": mbids,
        "duration_ms": told.get("length"), "isrcs": told.get("isrcs"), "genres": _genres(told),
    }]  # fmt: skip


_MAKERS: dict[str, Callable[[Values], list[Values]]] = {"artist": _artist, "release": _release, "recording": _recording}
