"""Reading .torrent files without trusting them."""

from __future__ import annotations

import hashlib

import msgspec

from fonoteca.ground.errors import TorrentFormatError
from fonoteca.torrents.bencode import Decoded, decode_dictionary
from fonoteca.torrents.metainfo import hash_info
from fonoteca.torrents.paths import check_component
from fonoteca.torrents.pieces import count_pieces

READ_LIMIT_BYTES = 64 * 1024 * 1024
LONGEST_PIECE_READ = 1 << 30
"""Longer ones no program makes, and libtorrent counts them wrongly."""

MOST_BYTES = 1 << 53
"""Where other people's programs stop counting exactly; 9 PB."""

_HINT = "Do not use this torrent; fetch it again or ask its publisher for a clean one."


class TorrentFile(msgspec.Struct, frozen=True):
    """One file of a torrent: its path below the torrent's folder (its name, for a single file), bytes, and whether it is only a pad."""

    path: str
    size: int
    is_padding: bool = False


class TorrentInfo(msgspec.Struct, frozen=True):
    """What a .torrent says. `pieces` are v1 SHA-1 one after the other; infohashes in lower-case hex, v2 only for hybrids.

    A single file has `is_single` and one entry in `files` with the torrent's own name.
    """

    name: str
    files: tuple[TorrentFile, ...]
    is_single: bool
    piece_length: int
    pieces: bytes
    infohash: str
    infohash_v2: str | None = None
    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    private: bool = False
    comment: str = ""
    source: str = ""
    torrent_bytes: int = 0

    @property
    def data_bytes(self) -> int:
        """Bytes of all files without pads."""
        return sum(file.size for file in self.files if not file.is_padding)

    @property
    def file_count(self) -> int:
        """Files without pads."""
        return sum(not file.is_padding for file in self.files)


def read_torrent(data: bytes) -> TorrentInfo:
    """The content of a v1 or hybrid .torrent; TorrentFormatError for broken, lying or dangerous ones."""
    if len(data) > READ_LIMIT_BYTES:
        raise TorrentFormatError(f"a torrent of {len(data)} bytes, more than {READ_LIMIT_BYTES}", _HINT)
    whole, raw = decode_dictionary(data)
    info = whole.get(b"info")
    if not isinstance(info, dict):
        raise TorrentFormatError("the torrent has no info dictionary", _HINT)
    if b"pieces" not in info:
        raise TorrentFormatError("the torrent has no v1 pieces", "Ask its publisher for a v1 or hybrid torrent.")
    name = _text(check_component(_bytes(info, b"name")))
    files = _read_files(info, name)
    _check_sizes(info, sum(file.size for file in files))
    is_hybrid = info.get(b"meta version") == 2
    return TorrentInfo(
        name=name,
        files=files,
        is_single=b"length" in info,
        piece_length=_number(info, b"piece length"),
        pieces=_bytes(info, b"pieces"),
        infohash=hash_info(raw[b"info"]),
        infohash_v2=hashlib.sha256(raw[b"info"]).hexdigest() if is_hybrid else None,
        trackers=_read_trackers(whole),
        web_seeds=_texts(whole.get(b"url-list")),
        private=info.get(b"private") == 1,
        comment="".join(_texts(whole.get(b"comment"))),
        source="".join(_texts(info.get(b"source"))),
        torrent_bytes=len(data),
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(values: dict[bytes, Decoded], key: bytes) -> bytes:
    value = values.get(key)
    if not isinstance(value, bytes):
        raise TorrentFormatError(f"{_text(key)!r} in the torrent is missing or no text", _HINT)
    return value


def _number(values: dict[bytes, Decoded], key: bytes) -> int:
    value = values.get(key)
    if not isinstance(value, int) or value < 0:
        raise TorrentFormatError(f"{_text(key)!r} in the torrent is missing or no size: {value!r:.50}", _HINT)
    return value


def _texts(value: Decoded | None) -> tuple[str, ...]:
    """One text or a list of them; what else stands there is passed over, since nothing depends on it."""
    values = value if isinstance(value, list) else [value]
    return tuple(_text(text) for text in values if isinstance(text, bytes) and text)


def _read_trackers(whole: dict[bytes, Decoded]) -> tuple[str, ...]:
    tiers = whole.get(b"announce-list")
    listed = [tracker for tier in tiers for tracker in _texts(tier)] if isinstance(tiers, list) else []
    return tuple(dict.fromkeys(listed or _texts(whole.get(b"announce"))))


def _read_files(info: dict[bytes, Decoded], name: str) -> tuple[TorrentFile, ...]:
    if (b"length" in info) == (b"files" in info):
        raise TorrentFormatError("the torrent must have either one length or a list of files", _HINT)
    if b"length" in info:
        return (TorrentFile(name, _number(info, b"length")),)
    listed = info[b"files"]
    if not isinstance(listed, list) or not listed:
        raise TorrentFormatError("the list of files in the torrent is empty or no list", _HINT)
    files = tuple(map(_read_file, listed))
    _check_distinct([file.path for file in files if not file.is_padding])
    return files


def _read_file(entry: Decoded) -> TorrentFile:
    parts = entry.get(b"path") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(parts, list) or not parts:
        raise TorrentFormatError("a file in the torrent has no path", _HINT)
    attributes = entry.get(b"attr", b"")
    if not isinstance(attributes, bytes) or b"l" in attributes:
        raise TorrentFormatError(f"a file in the torrent is a link: {parts!r:.80}", _HINT)
    checked = [check_component(part) if isinstance(part, bytes) else _refuse(part) for part in parts]
    return TorrentFile(_text(b"/".join(checked)), _number(entry, b"length"), b"p" in attributes)


def _refuse(part: Decoded) -> bytes:
    raise TorrentFormatError(f"a path in the torrent holds {part!r:.50}", _HINT)


def _check_distinct(paths: list[str]) -> None:
    known = set(paths)
    if len(known) != len(paths):
        raise TorrentFormatError("two files in the torrent have the same path", _HINT)
    folders = {path.rsplit("/", 1)[0] for path in paths if "/" in path}
    while folders:
        if both := folders & known:
            raise TorrentFormatError(f"{min(both)!r} in the torrent is a file and a folder", _HINT)
        folders = {folder.rsplit("/", 1)[0] for folder in folders if "/" in folder}


def _check_sizes(info: dict[bytes, Decoded], total: int) -> None:
    piece_length = _number(info, b"piece length")
    if not 0 < piece_length <= LONGEST_PIECE_READ:
        raise TorrentFormatError(f"pieces of {piece_length} bytes", _HINT)
    if total >= MOST_BYTES:
        raise TorrentFormatError(f"the torrent tells of {total} bytes, more than there can be", _HINT)
    have, needed = len(_bytes(info, b"pieces")), 20 * count_pieces(total, piece_length)
    if have != needed:
        raise TorrentFormatError(f"{total} bytes in pieces of {piece_length} need {needed} bytes of hashes, the torrent has {have}", _HINT)
