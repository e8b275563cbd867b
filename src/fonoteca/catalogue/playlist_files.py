"""Playlists as files: extended M3U in UTF-8 and XSPF; text from strangers cannot break out of its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

import msgspec

_LINE_ENDS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]+")
# all that XML 1.0 does not allow: https://www.w3.org/TR/xml/#charsets
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XSPF_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<playlist version="1" xmlns="http://xspf.org/ns/0/">\n'
_UNKNOWN_DURATION = -1  # what players take for "not known"


class PlaylistEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One track of a playlist. `location` is a path or URI, `uri` the same as a URI; `identifier` is `urn:fonoteca:` and the public id."""

    identifier: str
    location: str
    uri: str
    title: str | None = None
    creator: str | None = None
    album: str | None = None
    duration_ms: int | None = None


def write_m3u(entries: Iterable[PlaylistEntry]) -> Iterator[str]:
    """The lines of an extended M3U, each with its end. A path that a line cannot hold is given as a URI."""
    yield "#EXTM3U\n"
    for entry in entries:
        seconds = _UNKNOWN_DURATION if entry.duration_ms is None else round(entry.duration_ms / 1000)
        names = " - ".join(_on_one_line(name) for name in (entry.creator, entry.title) if name)
        yield f"#EXTINF:{seconds},{names}\n"
        location = entry.uri if _LINE_ENDS.search(entry.location) or entry.location.startswith("#") else entry.location
        yield f"{_storable(location)}\n"


def write_xspf(entries: Iterable[PlaylistEntry], title: str) -> Iterator[str]:
    """The parts of an XSPF, version 1 (https://xspf.org/spec)."""
    yield f"{_XSPF_HEAD}  <title>{_in_xml(title)}</title>\n  <trackList>\n"
    for entry in entries:
        lines = "".join(f"      <{name}>{_in_xml(text)}</{name}>\n" for name, text in _elements(entry))
        yield f"    <track>\n{lines}    </track>\n"
    yield "  </trackList>\n</playlist>\n"


def _elements(entry: PlaylistEntry) -> Iterator[tuple[str, str]]:
    """In the order of the specification."""
    duration = None if entry.duration_ms is None else str(entry.duration_ms)
    elements = {"location": entry.uri, "identifier": entry.identifier, "title": entry.title, "creator": entry.creator, "album": entry.album,
                "duration": duration}  # fmt: skip
    yield from ((name, text) for name, text in elements.items() if text)


def _on_one_line(text: str) -> str:
    return _LINE_ENDS.sub(" ", _storable(text)).strip()


def _in_xml(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
