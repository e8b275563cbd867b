"""Picard's internal tag names and how each tag format spells them (docs/formats/tags.md has the tables)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fonoteca.ground.things import Tags

# Free names (Vorbis comments, TXXX, iTunes free form, APEv2) that mean a tag with another internal name.
_ALIASES = {
    "album artist": "albumartist", "album_artist": "albumartist", "tracktotal": "totaltracks", "disctotal": "totaldiscs",
    "track": "tracknumber", "disc": "discnumber", "disk": "discnumber", "year": "date", "organization": "label", "publisher": "label",
    "upc": "barcode", "ean": "barcode", "unsyncedlyrics": "lyrics", "unsynced lyrics": "lyrics", "catalog": "catalognumber",
    "musicbrainz_trackid": "musicbrainz_recordingid", "musicbrainz_releasetrackid": "musicbrainz_trackid",
    "musicbrainz album status": "releasestatus", "musicbrainz album type": "releasetype",
    "musicbrainz album release country": "releasecountry", "musicbrainz track id": "musicbrainz_recordingid",
    "musicbrainz release track id": "musicbrainz_trackid", "acoustid id": "acoustid_id", "acoustid fingerprint": "acoustid_fingerprint",
    "musicip puid": "musicip_puid", "musicmagic fingerprint": "musicip_fingerprint", "fingerprint": "musicip_fingerprint",
    "movementname": "movement", "movement": "movementnumber", "musicbrainz_albumstatus": "releasestatus",
    "musicbrainz_albumtype": "releasetype",
}  # fmt: skip
_VORBIS_NAMES = {
    "musicbrainz_recordingid": "MUSICBRAINZ_TRACKID", "musicbrainz_trackid": "MUSICBRAINZ_RELEASETRACKID",
    "musicip_fingerprint": "FINGERPRINT", "movement": "MOVEMENTNAME", "movementnumber": "MOVEMENT",
}  # fmt: skip
_TOTALS = {"tracknumber": "totaltracks", "discnumber": "totaldiscs", "movementnumber": "movementtotal"}
_MUSICBRAINZ_ID = re.compile(r"musicbrainz ([a-z ]+) id")
_OF_TOTAL = re.compile(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*")
_PERFORMER = re.compile(r"(.*\S)\s*\(([^()]+)\)", re.DOTALL)
_ABOUT_THE_ENCODING = ("replaygain_", "r128_", "encoder", "encodersettings", "metadata_block_picture", "coverart", "waveformatextensible")
TEXT_BYTES_AT_MOST = 4 << 20

ID3_NAMES = {
    "TALB": "album", "TBPM": "bpm", "TCMP": "compilation", "TCOM": "composer", "TCON": "genre", "TCOP": "copyright", "TDRC": "date",
    "TDOR": "originaldate", "TDRL": "releasedate", "TENC": "encodedby", "TEXT": "lyricist", "TIT1": "grouping", "GRP1": "grouping",
    "TIT2": "title", "TIT3": "subtitle", "TKEY": "key", "TLAN": "language", "TMED": "media", "TMOO": "mood", "TOAL": "originalalbum",
    "TOFN": "originalfilename", "TOPE": "originalartist", "TPE1": "artist", "TPE2": "albumartist", "TPE3": "conductor", "TPE4": "remixer",
    "TPOS": "discnumber", "TPUB": "label", "TRCK": "tracknumber", "TSO2": "albumartistsort", "TSOA": "albumsort", "TSOC": "composersort",
    "TSOP": "artistsort", "TSOT": "titlesort", "TSRC": "isrc", "TSSE": "encodersettings", "TSST": "discsubtitle", "MVNM": "movement",
    "MVIN": "movementnumber", "WCOP": "license", "USER": "license", "WOAR": "website", "WOAF": "website",
}  # fmt: skip
ID3_ROLES = {"arranger": "arranger", "engineer": "engineer", "producer": "producer", "dj-mix": "djmixer", "mix": "mixer"}
MP4_NAMES = {
    "\xa9nam": "title", "\xa9ART": "artist", "\xa9alb": "album", "\xa9wrt": "composer", "aART": "albumartist", "\xa9grp": "grouping",
    "\xa9day": "date", "\xa9gen": "genre", "\xa9lyr": "lyrics", "\xa9cmt": "comment", "\xa9too": "encodedby", "cprt": "copyright",
    "soal": "albumsort", "soaa": "albumartistsort", "soar": "artistsort", "sonm": "titlesort", "soco": "composersort",
    "\xa9dir": "director",
    "\xa9wrk": "work", "\xa9mvn": "movement", "\xa9mvi": "movementnumber", "\xa9mvc": "movementtotal", "tmpo": "bpm", "cpil": "compilation",
}  # fmt: skip
INFO_NAMES = {
    "INAM": "title", "IART": "artist", "IPRD": "album", "ICMT": "comment", "ICOP": "copyright", "ICRD": "date", "IGNR": "genre",
    "ITRK": "tracknumber", "IPRT": "tracknumber", "ILNG": "language", "IENG": "engineer", "IMUS": "composer", "IWRI": "lyricist",
}  # fmt: skip


class TagCollector:
    """Gathers values under internal names: as given but for NUL and blanks at the ends, no value twice, none empty."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}
        self.left_out = 0
        self._room = TEXT_BYTES_AT_MOST

    def add(self, name: str, value: str) -> None:
        """Take one value under an internal name; values with NUL inside are several."""
        for part in value.split("\0"):
            text = part.strip()
            held = self.values.get(name, ())
            if not text or text in held:
                continue
            if len(text) + len(name) > self._room:
                self.left_out += 1
                continue
            self._room -= len(text) + len(name)
            self.values.setdefault(name, []).append(text)

    def add_free(self, name: str, value: str) -> None:
        """Take one value under a name as a file spells it."""
        internal = internal_name(name)
        if internal == "performer" and (match := _PERFORMER.fullmatch(value.strip())) is not None:
            internal, value = f"performer:{match[2].strip().lower()}", match[1]
        if internal:
            self.add(internal, value)

    def finish(self) -> Tags:
        """All values, with "3/12" taken apart."""
        for name, total in _TOTALS.items():
            for place, value in enumerate(self.values.get(name, ())):
                if (match := _OF_TOTAL.fullmatch(value)) is not None:
                    self.values[name][place] = match[1]
                    self.values.setdefault(total, [match[2]])
        return {name: tuple(dict.fromkeys(values)) for name, values in self.values.items()}


def internal_name(name: str) -> str:
    """Picard's internal name, in lower case, for a free name."""
    folded = " ".join(name.replace("\0", " ").split()).lower()
    if folded in _ALIASES:
        return _ALIASES[folded]
    match = _MUSICBRAINZ_ID.fullmatch(folded)
    return f"musicbrainz_{match[1].replace(' ', '')}id" if match else folded


def merge_tags(ranked: Iterable[Tags]) -> Tags:
    """One set of tags: where several have a name, the first has the word."""
    merged: Tags = {}
    for tags in ranked:
        for name, values in tags.items():
            merged.setdefault(name, values)
    return merged


def picard_to_vorbis(tags: Tags) -> list[tuple[str, str]]:
    """The tags as Vorbis comments, named as Picard writes them, for a new encoding of the same recording.

    What describes the old encoding is left out: ReplayGain, R128 gains, encoder. So are names that Vorbis comments cannot hold.
    """
    comments: list[tuple[str, str]] = []
    for name, values in tags.items():
        base, _, detail = name.partition(":")
        if name.startswith(_ABOUT_THE_ENCODING):
            continue
        written = _VORBIS_NAMES.get(base, base.upper())
        if not written or not all(" " <= letter <= "}" and letter != "=" for letter in written):
            continue
        comments += [(written, f"{value} ({detail})" if base == "performer" and detail else value) for value in values]
    return comments
