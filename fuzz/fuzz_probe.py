"""Fuzz what `add` does with a file of any codec: facts or findings with known codes, never an error, in bounded memory."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "audio"))

from codec_files import CODECS, sound_file
from mutations import run
from sounds import as_file, noise

from fonoteca.audio import probe_file
from fonoteca.ground.findings import FINDING_KINDS


def check(content: bytes, path: Path) -> None:
    """Probe `content` as a file whose name says nothing."""
    path.write_bytes(content)
    audio = probe_file(path)
    assert audio.size == len(content)
    assert all(finding.code in FINDING_KINDS for finding in audio.findings)
    assert audio.is_sound or audio.findings


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "sound"
        seeds = [sound_file(kind, 0.2) for kind in CODECS]
        seeds += [as_file(noise(9_600), 48_000, "OGG", codec) for codec in ("VORBIS", "OPUS")]
        sys.exit(run("probe", seeds, lambda content: check(content, place)))
