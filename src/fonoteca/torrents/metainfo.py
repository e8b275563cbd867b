"""Writing .torrent files: v1 for folders and files, hybrid (v1 and v2) for single files. The same input always gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from fonoteca.ground.errors import TorrentFormatError
from fonoteca.torrents.bencode import Encodable, encode
from fonoteca.torrents.paths import encode_name, split_path
from fonoteca.torrents.pieces import TORRENT_LIMIT_BYTES, check_piece_length, choose_piece_length, count_pieces

CREATED_BY = "fonoteca"


class TorrentOptions(msgspec.Struct, frozen=True):
    """What goes around the files. `trackers` are tiers in order; `web_seeds` are folders that hold the torrent's file or folder
    by its name (BEP 19); `private` keeps clients to the trackers (BEP 27); `source` goes into the infohash, the comment does not.
    """

    trackers: tuple[str, ...] = ()
    web_seeds: tuple[str, ...] = ()
    private: bool = False
    comment: str = ""
    source: str = ""


class TorrentMeasure:
    """Exact size of a v1 folder torrent that has no pieces yet, for who decides where a container ends."""

    def __init__(self, folder_name: str, options: TorrentOptions | None = None, piece_length: int | None = None) -> None:
        self._piece_length = piece_length
        self._files_bytes = 0
        self.data_bytes = 0
        self.files = 0
        info = _info_around(encode_name(folder_name), 1, b"", options or TorrentOptions())
        self._fixed_bytes = len(_wrap({**info, b"files": []}, options or TorrentOptions())) - len(encode(1)) - len(encode(b""))

    def add(self, name_bytes: int, size: int) -> None:
        """One more file in the folder itself, its name of `name_bytes` bytes."""
        # d 6:length i…e 4:path l N:… e e
        self._files_bytes += 21 + len(str(size)) + len(str(name_bytes)) + name_bytes
        self.data_bytes += size
        self.files += 1

    def encoded_bytes(self) -> int:
        """What len(make_torrent(…)) would give now."""
        piece_length = self._piece_length or choose_piece_length(self.data_bytes)
        pieces_bytes = 20 * count_pieces(self.data_bytes, piece_length)
        return self._fixed_bytes + self._files_bytes + len(encode(piece_length)) + len(str(pieces_bytes)) + 1 + pieces_bytes


def path_order(path: str) -> tuple[bytes, ...]:
    """Sorting key of a path inside a torrent: its components as bytes, the order every torrent maker agrees on."""
    return tuple(part.encode("utf-8", "surrogateescape") for part in path.split("/"))


def make_torrent(
    name: str, files: Sequence[tuple[str, int]] | int, piece_length: int, pieces: bytes, options: TorrentOptions | None = None,
    *, limit_bytes: int = TORRENT_LIMIT_BYTES,
) -> bytes:  # fmt: skip
    """A v1 .torrent (BEP 3) of a folder's files (relative path, size; in `path_order`), or of one file by its size.

    `pieces` are the SHA-1 of the files' bytes one after the other. TorrentFormatError where they do not fit, where a path could
    lead out of the folder, or where the file grows above `limit_bytes`.
    """
    options = options or TorrentOptions()
    total = files if isinstance(files, int) else sum(size for _, size in files)
    _check_pieces(total, piece_length, pieces)
    info = _info_around(encode_name(name), piece_length, pieces, options)
    if isinstance(files, int):
        info[b"length"] = files
    else:
        info[b"files"] = _file_list(files)
    return _within(limit_bytes, _wrap(info, options), name)


def make_hybrid_torrent(
    name: str, size: int | Sequence[tuple[str, int]], piece_length: int, pieces: bytes, pieces_root: bytes, piece_layer: bytes,
    options: TorrentOptions | None = None, *, limit_bytes: int = TORRENT_LIMIT_BYTES,
) -> bytes:  # fmt: skip
    """A .torrent that both v1 and v2 clients read (BEP 52), of one file only: a folder is refused with the size it would have."""
    options = options or TorrentOptions()
    if not isinstance(size, int):
        raise TorrentFormatError(
            f"a hybrid torrent of the {len(size)} files of {name} would take {measure_hybrid_folder(size, piece_length)} bytes",
            f"Folders get v1 torrents; other clients refuse .torrent files above {limit_bytes} bytes.",
        )
    _check_pieces(size, piece_length, pieces)
    expected_layer = 32 * count_pieces(size, piece_length) if size > piece_length else 0
    if len(piece_layer) != expected_layer or len(pieces_root) != (32 if size else 0):
        raise TorrentFormatError(
            f"the piece layer of {name} has {len(piece_layer)} bytes, needs {expected_layer}", "Hash the file again with this piece length."
        )
    name_bytes = encode_name(name)
    leaf: dict[bytes, Encodable] = {b"length": size, **({b"pieces root": pieces_root} if size else {})}
    info = _info_around(name_bytes, piece_length, pieces, options)
    info |= {b"file tree": {name_bytes: {b"": leaf}}, b"length": size, b"meta version": 2}
    layers: dict[bytes, Encodable] = {pieces_root: piece_layer} if piece_layer else {}
    return _within(limit_bytes, _wrap(info, options, {b"piece layers": layers}), name)


def measure_hybrid_folder(files: Iterable[tuple[str, int]], piece_length: int) -> int:
    """About how many bytes a hybrid .torrent of a folder would have: both file lists, pads between files, and every piece layer."""
    total = 0
    for path, size in files:
        name_bytes = len(path.encode("utf-8", "surrogateescape"))
        layer_bytes = 32 * count_pieces(size, piece_length) + 39 if size > piece_length else 0
        total += 2 * (name_bytes + 26 + len(str(size))) + 60 + 70 + layer_bytes + 20 * count_pieces(size, piece_length)
    return total


def hash_info(info: bytes) -> str:
    """v1 infohash in lower-case hex of a bencoded info dictionary."""
    return hashlib.sha1(info, usedforsecurity=False).hexdigest()


def magnet_link(infohash: str, name: str, trackers: Iterable[str] = (), web_seeds: Iterable[str] = ()) -> str:
    """A magnet link (BEP 9) with a v1 infohash in hex, the display name, trackers and web seeds."""
    link = f"magnet:?xt=urn:btih:{infohash}&dn={quote(name, safe='', errors='surrogateescape')}"
    link += "".join(f"&tr={quote(tracker, safe=':/')}" for tracker in trackers)
    return link + "".join(f"&ws={quote(_as_folder(seed), safe=':/')}" for seed in web_seeds)


def _as_folder(url: str) -> str:
    return url if url.endswith("/") else url + "/"


def _info_around(name: bytes, piece_length: int, pieces: bytes, options: TorrentOptions) -> dict[bytes, Encodable]:
    info: dict[bytes, Encodable] = {b"name": name, b"piece length": piece_length, b"pieces": pieces}
    if options.private:
        info[b"private"] = 1
    if options.source:
        info[b"source"] = options.source
    return info


def _wrap(info: dict[bytes, Encodable], options: TorrentOptions, more: dict[bytes, Encodable] | None = None) -> bytes:
    whole: dict[bytes, Encodable] = {b"info": info, b"created by": CREATED_BY, **(more or {})}
    if options.trackers:
        whole[b"announce"] = options.trackers[0]
        whole[b"announce-list"] = [[tracker] for tracker in options.trackers]
    if options.comment:
        whole[b"comment"] = options.comment
    if options.web_seeds:
        whole[b"url-list"] = [_as_folder(seed) for seed in options.web_seeds]
    return encode(whole)


def _file_list(files: Sequence[tuple[str, int]]) -> list[Encodable]:
    listed: list[Encodable] = []
    before: tuple[bytes, ...] = ()
    for path, size in files:
        parts = split_path(path)
        if parts <= before or (before and parts[: len(before)] == before):
            raise TorrentFormatError(
                f"{path!r} cannot follow {b'/'.join(before)!r} in a torrent", "List every file once, sorted by path components as bytes."
            )
        listed.append({b"length": size, b"path": parts})
        before = parts
    if not listed:
        raise TorrentFormatError("a torrent of no files cannot be", "Leave the empty folder out.")
    return listed


def _check_pieces(total: int, piece_length: int, pieces: bytes) -> None:
    needed = 20 * count_pieces(total, check_piece_length(piece_length))
    if len(pieces) != needed:
        raise TorrentFormatError(
            f"{total} bytes in pieces of {piece_length} need {needed} bytes of hashes, has {len(pieces)}", "Hash the files again."
        )


def _within(limit_bytes: int, torrent: bytes, name: str) -> bytes:
    if len(torrent) > limit_bytes:
        raise TorrentFormatError(
            f"the torrent of {name} takes {len(torrent)} bytes, other clients refuse more than {limit_bytes}",
            "Split the container further (torrent_bytes in archive.toml), or set longer pieces.",
        )
    return torrent
