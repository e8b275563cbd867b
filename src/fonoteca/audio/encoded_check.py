"""The check after every encode: what was written is whole, lasts as long, sounds as loud and carries its tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from fonoteca.audio.comments import parse_comment_packet
from fonoteca.audio.decode import Decoded, decode_audio
from fonoteca.audio.encode import EncodedOpus, OpusRequest, encode_opus, is_carried
from fonoteca.audio.gain_tags import judge_gain_tags
from fonoteca.audio.ogg_structure import OggStructure, read_ogg_structure
from fonoteca.ground.errors import AudioFormatError
from fonoteca.ground.findings import Finding

MOST_LOUDNESS_CHANGE_LU = 1.0
"""How far the encoded file may be from its source."""

_CODE = "encode-check-failed"


def encode_and_check(source: Path, request: OpusRequest) -> EncodedOpus:
    """Encode, then check what came out; where the check fails the findings say why and `data` is empty."""
    made = encode_opus(source, request)
    if not made.data:
        return made
    found = check_encoded(
        made.data,
        path=str(source),
        expected_samples=made.samples,
        source_loudness_lufs=made.loudness_lufs,
        comments=request.comments,
    )
    return msgspec.structs.replace(made, data=b"", findings=found) if found else made


def check_encoded(
    data: bytes, *, path: str, expected_samples: int, source_loudness_lufs: float | None, comments: Iterable[tuple[str, str]]
) -> tuple[Finding, ...]:
    """Every way in which an Ogg Opus file fails to be its source: structure, decode, samples, loudness within 1 LU, tags.

    `comments` as in OpusRequest. All findings are `encode-check-failed`.
    """
    structure = read_ogg_structure(data, path)
    decoded = decode_audio(data, path=path, format="ogg-opus")
    facts = [
        *(f"{found.code}: {found.fact}" for found in (*structure.findings, *decoded.findings)),
        *_compare_length(structure, decoded, expected_samples),
        *_compare_loudness(decoded, source_loudness_lufs),
        *_compare_comments(structure.comment_packet, comments, source_loudness_lufs),
    ]
    return tuple(Finding(_CODE, path, fact) for fact in facts)


def _compare_length(structure: OggStructure, decoded: Decoded, expected: int) -> Iterator[str]:
    if structure.samples != expected:
        yield f"the pages declare {structure.samples} samples, the source has {expected}"
    if decoded.samples != expected:
        yield f"{decoded.samples} samples decode, the source has {expected}"


def _compare_loudness(decoded: Decoded, source_lufs: float | None) -> Iterator[str]:
    if source_lufs is None or decoded.loudness_lufs is None:
        return
    change = decoded.loudness_lufs - source_lufs
    if abs(change) > MOST_LOUDNESS_CHANGE_LU:
        yield f"loudness is {decoded.loudness_lufs:.2f} LUFS, that of the source {source_lufs:.2f}: {change:+.2f} LU"


def _compare_comments(packet: bytes | None, comments: Iterable[tuple[str, str]], source_lufs: float | None) -> Iterator[str]:
    try:
        raw = parse_comment_packet(packet or b"").comments
    except AudioFormatError as error:
        yield f"tags: {error.message}"
        return
    pairs = [text.partition("=")[::2] for text in (one.decode("utf-8", "replace") for one in raw)]
    present = [(name.upper(), value) for name, value in pairs]
    for name, value in comments:
        if is_carried(name) and (name.upper(), value) not in present:
            yield f"the tag {name} is not carried over: {value[:80]!r}"
    yield from (f"the tag {name} does not belong in Opus" for name, _ in present if name.startswith("REPLAYGAIN_"))
    gains = [value for name, value in present if name == "R128_TRACK_GAIN"]
    if source_lufs is not None and len(gains) != 1:
        yield f"R128_TRACK_GAIN is there {len(gains)} times"
    given: dict[str, list[str]] = {}
    for name, value in present:
        given.setdefault(name, []).append(value)
    yield from judge_gain_tags(given)
