"""Names inside torrents: what may be one, on any system, so that nothing is written outside its folder."""

from __future__ import annotations

import re

from fonoteca.ground.errors import TorrentFormatError

LONGEST_NAME_BYTES = 255

_TRICK = re.compile(rb"[/\\\x00]|^\.{1,2}$|^[A-Za-z]:|^$")
_DEVICE = re.compile(rb"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)


def check_component(part: bytes) -> bytes:
    """`part` itself, or TorrentFormatError where it would lead elsewhere, name a device, or fit no file system."""
    if len(part) > LONGEST_NAME_BYTES:
        raise _bad(part[:40] + b"...", f"has {len(part)} bytes, at most {LONGEST_NAME_BYTES} fit")
    if _TRICK.search(part):
        raise _bad(part, "leads out of its folder")
    if _DEVICE.match(part):
        raise _bad(part, "is a device on some systems")
    return part


def encode_name(name: str) -> bytes:
    """The bytes of one file or folder name, checked."""
    return check_component(name.encode("utf-8", "surrogateescape"))


def split_path(path: str) -> tuple[bytes, ...]:
    """The components of a relative path with slashes, checked."""
    return tuple(encode_name(part) for part in path.split("/"))


def _bad(part: bytes, fact: str) -> TorrentFormatError:
    return TorrentFormatError(f"the name {part!r} {fact}", "Do not use this torrent; ask its publisher for a clean one.")
