"""The audio room: probing, essence hashes, tags, patches back to the original, Opus encoding, loudness.

Names are loaded when they are first used, since the decoder alone takes longer to import than a short command runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fonoteca.audio.decode import Decoded, decode_audio
    from fonoteca.audio.formats import AUDIO_SUFFIXES
    from fonoteca.audio.pictures import make_picture, sniff_picture
    from fonoteca.audio.probe import probe_file
    from fonoteca.audio.tag_names import picard_to_vorbis
    from fonoteca.audio.tags import EmbeddedTags, read_packet_tags

__all__ = [
    "AUDIO_SUFFIXES",
    "Decoded",
    "EmbeddedTags",
    "decode_audio",
    "make_picture",
    "picard_to_vorbis",
    "probe_file",
    "read_packet_tags",
    "sniff_picture",
]

_HOMES = {
    "AUDIO_SUFFIXES": "formats", "Decoded": "decode", "EmbeddedTags": "tags", "decode_audio": "decode", "make_picture": "pictures",
    "picard_to_vorbis": "tag_names", "probe_file": "probe", "read_packet_tags": "tags", "sniff_picture": "pictures",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
