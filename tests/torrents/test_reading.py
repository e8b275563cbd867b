"""Torrents from strangers: broken, lying and dangerous ones are refused with a reason, never worse."""

from __future__ import annotations

import time
from pathlib import Path

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import TorrentFormatError
from fonoteca.torrents import make_torrent, read_torrent
from fonoteca.torrents.bencode import Encodable, decode_dictionary, encode

PIECE = 16_384


def dictionary(**changes: Encodable) -> dict[bytes, Encodable]:
    """The info of a good folder torrent with some keys (underscores for spaces) changed, or left out where None."""
    info: dict[bytes, Encodable | None] = {
        b"name": b"folder", b"piece length": PIECE, b"pieces": bytes(20), b"files": [{b"length": 5, b"path": [b"a"]}]
    }  # fmt: skip
    info |= {key.replace("_", " ").encode(): value for key, value in changes.items()}
    return {key: value for key, value in info.items() if value is not None}


def torrent(**changes: Encodable) -> bytes:
    return encode({b"info": dictionary(**changes)})


def with_path(*parts: Encodable, **more: Encodable) -> bytes:
    return torrent(files=[{b"length": 5, b"path": list(parts), **{key.encode(): value for key, value in more.items()}}])


def test_the_good_one_is_read() -> None:
    assert read_torrent(torrent()).files[0].path == "a"


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "text": b"<html>404</html>",
    "list": b"le",
    "cut": torrent()[:-1],
    "cut in a string": torrent()[:30],
    "something after the end": torrent() + b"\n",
    "nested 10,000 deep": b"d4:info" + b"l" * 10_000 + b"e" * 10_000 + b"e",
    "nested dictionaries": b"d1:a" * 10_000,
    "a string that says 9 GB": b"d4:info9999999999:x",
    "a number of a megabyte": b"d4:infoi" + b"9" * 1_000_000 + b"ee",
    "a number with a leading zero": b"d4:infoi03ee",
    "minus zero": b"d4:infoi-0ee",
    "the same key twice": b"d4:infoi1e4:infoi2ee",
    "a number as a key": b"di1e1:ae",
    "info is a list": encode({b"info": []}),
    "v2 only": torrent(pieces=None, meta_version=2),
    "up": with_path(b"..", b"etc", b"passwd"),
    "absolute": with_path(b"/etc/passwd"),
    "backslash": with_path(b"..\\x"),
    "drive": with_path(b"C:x"),
    "dot": with_path(b"."),
    "NUL": with_path(b"a\0b"),
    "device": with_path(b"Aux.ogg"),
    "300 bytes": with_path(b"n" * 300),
    "empty part": with_path(b"a", b""),
    "no part": with_path(),
    "number as part": with_path(1),
    "link": with_path(b"a", attr=b"l"),
    "attributes are a number": with_path(b"a", attr=1),
    "name leads up": torrent(name=b".."),
    "no name": torrent(name=None),
    "negative size": torrent(files=[{b"length": -5, b"path": [b"a"]}]),
    "size is text": torrent(files=[{b"length": b"5", b"path": [b"a"]}]),
    "sizes that lie": torrent(files=[{b"length": 10**18, b"path": [b"a"]}]),
    "no files": torrent(files=[]),
    "files are text": torrent(files=b"a"),
    "a file is a number": torrent(files=[1]),
    "length and files": torrent(length=5),
    "neither length nor files": torrent(files=None),
    "same path twice": torrent(files=[{b"length": 2, b"path": [b"a"]}] * 2),
    "file and folder": torrent(files=[{b"length": 2, b"path": [b"a"]}, {b"length": 2, b"path": [b"a", b"b", b"c"]}]),
    "pieces of no bytes": torrent(piece_length=0),
    "half a piece hash": torrent(pieces=bytes(19)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_torrent_is_refused(name: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TorrentFormatError) as refusal:
        read_torrent(HOSTILE[name])
    assert refusal.value.hint and len(refusal.value.message) < 400
    assert time.monotonic() - begun < 1


def test_every_cut_and_every_flipped_bit_is_read_or_refused() -> None:
    whole = make_torrent("name", [("a", 5), ("b/c", PIECE)], PIECE, bytes(range(40)))
    for end in range(len(whole)):
        with pytest.raises(TorrentFormatError):
            read_torrent(whole[:end])
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            read_torrent(bytes(flipped))
        except TorrentFormatError:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"d4:info" + data + b"e"):
        try:
            read_torrent(candidate)
        except TorrentFormatError:
            continue


VALUES = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.binary(max_size=8), VALUES))
def test_bencoding_is_read_back_and_is_that_of_libtorrent(value: dict[bytes, Encodable]) -> None:
    data = encode(value)
    decoded, raw = decode_dictionary(data)
    assert decoded == value == lt.bdecode(data)
    assert {key: encode(inner) for key, inner in value.items()} == raw


def test_torrent_with_pads_of_other_makers_is_read(tmp_path: Path) -> None:
    sizes = {"a": 100, "b": 40_000}
    (tmp_path / "x").mkdir()
    for name, size in sizes.items():
        (tmp_path / "x" / name).write_bytes(bytes(size))
    entries = [lt.create_file_entry(f"x/{name}", size) for name, size in sizes.items()]
    creator = lt.create_torrent(entries, PIECE, lt.create_torrent.canonical_files)
    lt.set_piece_hashes(creator, str(tmp_path))
    info = read_torrent(lt.bencode(creator.generate()))
    assert {file.path: file.size for file in info.files if not file.is_padding} == sizes
    assert (info.file_count, info.data_bytes) == (2, 40_100) and len(info.files) > 2 and info.infohash_v2


def test_names_in_other_encodings_are_kept() -> None:
    info = read_torrent(with_path(b"caf\xe9.ogg"))
    assert info.files[0].path.encode("utf-8", "surrogateescape") == b"caf\xe9.ogg"
