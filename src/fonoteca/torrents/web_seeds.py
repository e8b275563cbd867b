"""More web seeds for a torrent: what is outside of its info dictionary may be changed without another infohash."""

from __future__ import annotations

from collections.abc import Iterable

from fonoteca.torrents.bencode import decode_dictionary, encode


def with_web_seeds(torrent: bytes, urls: Iterable[str]) -> bytes:
    """The torrent with these URLs in its `url-list`, after those it has; its info dictionary keeps its very bytes (BEP 19)."""
    values, raw = decode_dictionary(torrent)
    listed = values.get(b"url-list", [])
    before = [url for url in (listed if isinstance(listed, list) else [listed]) if isinstance(url, bytes) and url]
    more = [url.encode() for url in urls]
    raw[b"url-list"] = encode([*before, *(url for url in more if url not in before)])
    return b"d%be" % b"".join(encode(key) + raw[key] for key in sorted(raw))
