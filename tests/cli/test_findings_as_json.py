"""Findings tell programs what they tell people: what the code means, what it weighs, the way out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fonoteca.ground.findings import FINDING_KINDS


def run(*arguments: str | Path) -> tuple[int, Any]:
    done = subprocess.run([sys.executable, "-m", "fonoteca", *map(str, arguments), "--json"], capture_output=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


def test_findings_of_add_build_and_verify_carry_their_way_out(tmp_path: Path) -> None:
    archive, music = tmp_path / "archive", tmp_path / "music"
    assert run("init", archive)[0] == 0
    music.mkdir()
    (music / "empty.flac").write_bytes(b"")
    (music / "gone.wav").write_bytes(_wav())
    told = {"add": run("add", music, "--archive", archive)}
    (music / "gone.wav").unlink()
    told["build"] = run("build", "--archive", archive)
    (archive / "containers" / "stray").write_bytes(b"?")
    told["verify"] = run("verify", archive)
    for command, (status, result) in told.items():
        found = result["listed"] if command == "verify" else result["findings"]
        assert status == 3 and found, command
        for one in found:
            kind = FINDING_KINDS[one["code"]]
            assert (one["weight"], one["meaning"], one["way_out"]) == (kind.weight, kind.meaning, kind.way_out)
            assert one["path"] and one["fact"]


def _wav() -> bytes:
    sound = bytes(range(256)) * 200
    form = b"\1\0\1\0\x44\xac\0\0\x88\x58\1\0\2\0\x10\0"
    body = b"WAVEfmt \x10\0\0\0" + form + b"data" + len(sound).to_bytes(4, "little") + sound
    return b"RIFF" + len(body).to_bytes(4, "little") + body
