"""The audio room: probing, essence hashes, tags, patches back to the original, Opus encoding, loudness.

Names are loaded when they are first used, since the decoder alone takes longer to import than a short command runs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fonoteca.audio.comments import merge_comments, parse_comment_packet
    from fonoteca.audio.decode import Decoded, decode_audio
    from fonoteca.audio.encode import EncodedOpus, OpusRequest, encode_opus
    from fonoteca.audio.encoded_check import check_encoded, encode_and_check
    from fonoteca.audio.fingerprint import Fingerprint, find_fingerprinter, fingerprint_file
    from fonoteca.audio.formats import AUDIO_SUFFIXES
    from fonoteca.audio.gain_tags import check_gain_tags, track_gain_tags
    from fonoteca.audio.ogg_pictures import picture_block
    from fonoteca.audio.ogg_structure import OggStructure, read_ogg_structure
    from fonoteca.audio.patches import apply_patch, pictures_of_patch
    from fonoteca.audio.pictures import make_picture, sniff_picture
    from fonoteca.audio.probe import probe_file
    from fonoteca.audio.retag import Retagged, retag_ogg
    from fonoteca.audio.tag_names import picard_to_vorbis
    from fonoteca.audio.tags import EmbeddedTags, read_packet_tags

__all__ = [
    "AUDIO_SUFFIXES",
    "Decoded",
    "EmbeddedTags",
    "EncodedOpus",
    "Fingerprint",
    "OggStructure",
    "OpusRequest",
    "Retagged",
    "apply_patch",
    "check_encoded",
    "check_gain_tags",
    "decode_audio",
    "encode_and_check",
    "encode_opus",
    "find_fingerprinter",
    "fingerprint_file",
    "make_picture",
    "merge_comments",
    "parse_comment_packet",
    "picard_to_vorbis",
    "picture_block",
    "pictures_of_patch",
    "probe_file",
    "read_ogg_structure",
    "read_packet_tags",
    "retag_ogg",
    "sniff_picture",
    "track_gain_tags",
]

_HOMES = {
    "comments": ("merge_comments", "parse_comment_packet"),
    "gain_tags": ("check_gain_tags", "track_gain_tags"),
    "ogg_pictures": ("picture_block",),
    "decode": ("Decoded", "decode_audio"),
    "encode": ("EncodedOpus", "OpusRequest", "encode_opus"),
    "encoded_check": ("check_encoded", "encode_and_check"),
    "fingerprint": ("Fingerprint", "find_fingerprinter", "fingerprint_file"),
    "formats": ("AUDIO_SUFFIXES",),
    "ogg_structure": ("OggStructure", "read_ogg_structure"),
    "patches": ("apply_patch", "pictures_of_patch"),
    "pictures": ("make_picture", "sniff_picture"),
    "probe": ("probe_file",),
    "retag": ("Retagged", "retag_ogg"),
    "tag_names": ("picard_to_vorbis",),
    "tags": ("EmbeddedTags", "read_packet_tags"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
