"""Files that are whole or not there, and leave their neighbours alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fonoteca.ground.errors import UsageError
from fonoteca.ground.files import open_atomically, write_atomically


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_file_that_fails_leaves_nothing_behind(tmp_path: Path, is_ours: bool) -> None:
    with pytest.raises(KeyError), open_atomically(tmp_path / "a", is_ours=is_ours) as file:
        file.write(b"half")
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_file_of_a_stranger_beside_it_stays(tmp_path: Path) -> None:
    (tmp_path / "a.partial").write_bytes(b"mine")
    write_atomically(tmp_path / "a", b"new", is_ours=False)
    assert (tmp_path / "a.partial").read_bytes() == b"mine" and (tmp_path / "a").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_folder_or_a_pipe_is_no_place_for_a_file(tmp_path: Path, is_ours: bool) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(UsageError, match="is a folder" if name == "folder" else "a pipe"):
            write_atomically(tmp_path / name, b"", is_ours=is_ours)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_run_left_beside_a_file_goes_with_the_next_run(tmp_path: Path) -> None:
    target, kept = tmp_path / "my [list].m3u", tmp_path / ".fonoteca-0123456789abcdef.partial"
    kept.write_text("a person's own")
    killed = "import os, sys; from pathlib import Path; from fonoteca.ground.files import open_atomically\n"
    killed += "with open_atomically(Path(sys.argv[1]), is_ours=False) as file: file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", killed, target]).returncode == -9
        assert len(list(tmp_path.iterdir())) == 2
    with open_atomically(target, is_ours=False) as first, open_atomically(tmp_path / "other", is_ours=False) as other:
        with open_atomically(target, is_ours=False) as second:  # one that is written meanwhile is no leftover
            second.write(b"second")
        first.write(b"first")
        other.write(b"other")
    assert target.read_bytes() == b"first" and sorted(tmp_path.iterdir()) == sorted([kept, target, tmp_path / "other"])
