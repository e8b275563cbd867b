"""A member whose header is whole and whose sound is damaged, made whole from the file that it was made from."""

from __future__ import annotations

from fonoteca.audio.ogg_layout import read_layout, shift_pages


def graft_header(member: bytes, original: bytes) -> bytes:
    """The header of `member` (a retagged Ogg file, damaged behind its comments) before the audio pages of `original`.

    AudioFormatError where one of the headers cannot be read. The caller proves the result.
    """
    new, old = read_layout(member), read_layout(original)
    step = len(new.fronts) - len(old.fronts)
    return b"".join((member[: new.end], shift_pages(memoryview(original)[old.end :], step)))
