"""Playlists as players read them, whatever names hold."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue.playlist_files import PlaylistEntry, write_m3u, write_xspf

XSPF = "{http://xspf.org/ns/0/}"
NAME = st.one_of(st.none(), st.text(), st.sampled_from(["a\nb", "]]>", "<x>&amp;", "\x00\x1b[2J", "#EXTM3U", "\u2028", "\ud800"]))


@st.composite
def entries(draw: st.DrawFn) -> PlaylistEntry:
    location = draw(st.one_of(st.just("/music/a.ogg"), st.just("/mus\nic/#.ogg"), st.just("#a"), st.text(min_size=1)))
    return PlaylistEntry(
        identifier="urn:fonoteca:x", location=location, uri="file:///music/a%0Ab.ogg", title=draw(NAME), creator=draw(NAME),
        album=draw(NAME), duration_ms=draw(st.one_of(st.none(), st.integers(0, 2**40))),
    )  # fmt: skip


@given(st.lists(entries(), max_size=5))
def test_an_m3u_has_two_lines_a_track_and_one_at_the_head(found: list[PlaylistEntry]) -> None:
    text = "".join(write_m3u(found))
    text.encode()
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U" and len(lines) == 1 + 2 * len(found)
    assert all(line.startswith("#EXTINF:") for line in lines[1::2])
    assert not any(line.startswith("#") for line in lines[2::2])


@given(st.lists(entries(), max_size=5), st.text())
def test_an_xspf_is_xml_with_the_names_in_it(found: list[PlaylistEntry], title: str) -> None:
    root = ElementTree.fromstring("".join(write_xspf(found, title)).encode())
    assert root.tag == f"{XSPF}playlist" and root.get("version") == "1"
    tracks = root.findall(f"{XSPF}trackList/{XSPF}track")
    assert len(tracks) == len(found)
    for track, entry in zip(tracks, found, strict=True):
        assert track.findtext(f"{XSPF}location") == entry.uri
        assert track.findtext(f"{XSPF}identifier") == entry.identifier
        assert (track.find(f"{XSPF}title") is not None) == bool(entry.title)
        if entry.duration_ms is not None:
            assert track.findtext(f"{XSPF}duration") == str(entry.duration_ms)


def test_names_are_kept_but_for_what_a_line_or_xml_cannot_hold() -> None:
    entry = PlaylistEntry(
        identifier="urn:fonoteca:x", location="/a", uri="file:///a", title="A\r\n#B & <C>", creator="東京", duration_ms=1500
    )
    assert list(write_m3u([entry]))[1] == "#EXTINF:2,東京 - A #B & <C>\n"
    root = ElementTree.fromstring("".join(write_xspf([entry], "t")))
    assert root.findtext(f"{XSPF}trackList/{XSPF}track/{XSPF}creator") == "東京"
    assert root.findtext(f"{XSPF}trackList/{XSPF}track/{XSPF}title") == "A\n#B & <C>"
