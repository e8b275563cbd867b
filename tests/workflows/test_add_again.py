"""What a second add reads again, and a file on which reading does not end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from adding import add, statuses, write_sound

from fonoteca.audio import probe_file
from fonoteca.ground.things import AudioFile
from fonoteca.workflows import ingest


def _hang_on_one(work: ingest.Work) -> AudioFile:
    path = Path(os.fsdecode(work.file.path))
    if path.name == "b.flac":
        time.sleep(600)
    return probe_file(path, decode=work.decode)


def test_a_file_on_which_reading_does_not_end_is_set_aside_and_the_others_are_kept(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcd":
        write_sound(tmp_path / "music" / f"{name}.flac", name)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "_probe", _hang_on_one)
        patch.setattr(ingest, "LIMIT_S", 8.0)
        report = add(archive, tmp_path / "music", decode=True)
    assert (report.counts["kept"], report.counts["set-aside"]) == (3, 1) and report.has_damage
    (finding,) = report.findings
    assert finding.code == "decode-failed" and finding.fact.startswith("it took longer than 8 s") and finding.path.endswith("b.flac")
    again = add(archive, tmp_path / "music", decode=True)
    assert (again.counts["kept"], again.counts["unchanged"]) == (1, 3) and not again.findings
    assert statuses(archive) == {"held": 4}


def test_set_aside_files_are_read_again_in_a_full_add_and_told_once(archive: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "music" / "good.flac")
    bad = tmp_path / "music" / "bad.flac"
    bad.write_bytes((tmp_path / "music" / "good.flac").read_bytes()[:-700])
    first = add(archive, tmp_path / "music", decode=True)
    assert first.counts["set-aside"] == 1
    quick = add(archive, tmp_path / "music")
    assert (quick.counts["read"], quick.counts["unchanged"]) == (0, 2)
    for _ in range(2):
        full = add(archive, tmp_path / "music", decode=True)
        assert (full.counts["read"], full.counts["unchanged"], full.counts["set-aside"]) == (1, 1, 1)
        assert full.findings == quick.findings == first.findings
    assert statuses(archive) == {"held": 1, "unreadable": 1}
