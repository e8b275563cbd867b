"""Acoustic fingerprints by Chromaprint: ffmpeg with its muxer, of the package imageio-ffmpeg or of the system, else fpcalc."""

from __future__ import annotations

import functools
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from fonoteca.ground.errors import AudioFormatError, ProgramError
from fonoteca.ground.programs import has_program, run_program

FINGERPRINTED_S = 120  # what fpcalc takes by default, too
TIMEOUT_S = 300
_ITEM_MS = 4096 / 3 / 11.025


class Fingerprint(msgspec.Struct, frozen=True):
    """Raw Chromaprint items (algorithm 2 of the library, "test2"), 32 bits each, little-endian; `duration_ms` of sound they cover."""

    items: bytes
    duration_ms: int


@functools.cache
def find_fingerprinter() -> str | None:
    """The program that makes fingerprints here, or None where there is none."""
    for program in _candidates():
        if Path(program).name.startswith("fpcalc") or "chromaprint" in _muxers(program):
            return program
    return None


def _candidates() -> list[str]:
    found = [name for name in ("ffmpeg", "fpcalc") if has_program(name)]
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped]

        return [imageio_ffmpeg.get_ffmpeg_exe(), *found]
    except (ImportError, RuntimeError):  # it raises RuntimeError where its wheel brings no program
        return found


def _muxers(program: str) -> str:
    try:
        return run_program([program, "-hide_banner", "-muxers"], timeout_s=30).decode("utf-8", "replace")
    except ProgramError:
        return ""


def fingerprint_file(path: Path) -> Fingerprint:
    """The fingerprint of the first two minutes. ProgramError without a program, AudioFormatError where the sound is too short."""
    program = find_fingerprinter()
    if program is None:
        raise ProgramError("no program here makes acoustic fingerprints", "Install one: pip install 'fonoteca[fingerprint]'.")
    read: Callable[[str, Path], bytes] = _by_fpcalc if Path(program).name.startswith("fpcalc") else _by_ffmpeg
    items = read(program, path.absolute())
    if len(items) < 4 or len(items) % 4:
        raise AudioFormatError(f"{path} gives no fingerprint: it is shorter than three seconds", "Nothing to do: it is compared by names.")
    return Fingerprint(items, round(len(items) // 4 * _ITEM_MS))


def _by_ffmpeg(program: str, path: Path) -> bytes:
    arguments = [program, "-v", "error", "-nostdin", "-threads", "1", "-t", str(FINGERPRINTED_S), "-i", f"file:{path}", "-map", "0:a:0"]
    items = run_program([*arguments, "-f", "chromaprint", "-fp_format", "raw", "pipe:1"], timeout_s=TIMEOUT_S)
    return items if sys.byteorder == "little" else struct.pack(f"<{len(items) // 4}I", *struct.unpack(f">{len(items) // 4}I", items))


def _by_fpcalc(program: str, path: Path) -> bytes:
    # Debian's 1.5.1 takes the end of a file for an error
    arguments = [program, "-raw", "-ignore-errors", "-length", str(FINGERPRINTED_S), str(path)]
    return read_fpcalc(run_program(arguments, timeout_s=TIMEOUT_S))


def read_fpcalc(output: bytes) -> bytes:
    """The items that `fpcalc -raw` printed, signed or unsigned decimal numbers behind FINGERPRINT=; empty where there are none."""
    found = re.search(rb"^FINGERPRINT=([-0-9,]*)", output, re.MULTILINE)
    numbers = [int(number) & 0xFFFFFFFF for number in found[1].split(b",") if number.strip(b"-")] if found else []
    return struct.pack(f"<{len(numbers)}I", *numbers)
