"""A .torrent with more trackers in it; the infohash stays."""

from __future__ import annotations

from collections.abc import Sequence

from fonoteca.torrents.bencode import decode_dictionary, encode
from fonoteca.torrents.reading import TorrentInfo


def add_trackers(torrent: bytes, info: TorrentInfo, trackers: Sequence[str]) -> bytes:
    """`torrent` with tiers of its own for the trackers that it lacks; itself where it is private (BEP 27) or lacks none."""
    missing = [tracker for tracker in trackers if tracker not in info.trackers]
    if not missing or info.private:
        return torrent
    _, raw = decode_dictionary(torrent)
    raw[b"announce-list"] = encode([[tracker] for tracker in (*info.trackers, *missing)])
    raw.setdefault(b"announce", encode(missing[0]))
    return b"d%be" % b"".join(encode(key) + raw[key] for key in sorted(raw))
