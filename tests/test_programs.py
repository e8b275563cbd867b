"""Pipelines: what goes in comes out, whoever fails is told, and nothing is left running."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fonoteca.ground.errors import ProgramError, StreamError
from fonoteca.ground.programs import run_pipeline, run_program


def python(code: str) -> list[str]:
    return [sys.executable, "-ESc", code]


def write_words(size: int) -> list[str]:
    return python(f"import sys; sys.stdout.buffer.write(bytes(range(256)) * {size // 256})")


def read_all(path: Path) -> list[str]:
    return ["sh", "-c", 'cat > "$0"; echo done', str(path)]


def test_every_byte_goes_through_and_into_the_tap(tmp_path: Path) -> None:
    heard: list[int] = []
    end = run_pipeline(write_words(5_000_192), read_all(tmp_path / "out"), tap=read_all(tmp_path / "tap"), head_bytes=312,
                       check_head=lambda head: heard.append(-len(head)), on_bytes=heard.append)  # fmt: skip
    assert end.moved_bytes == 5_000_192 and end.output == end.tap_output == b"done\n"
    assert end.producer is not None and end.consumer is not None and end.tap is not None
    assert (end.producer.status, end.consumer.status, end.tap.status) == (0, 0, 0)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "tap").read_bytes() == bytes(range(256)) * (5_000_192 // 256)
    assert heard[0] == -312 and sum(heard[1:]) == 5_000_192


def test_a_file_may_stand_at_either_end(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * 3_000_000)
    with open(tmp_path / "in", "rb") as source, open(tmp_path / "out", "wb") as target:
        end = run_pipeline(source, target)
    assert end == (3_000_000, None, None, None, b"", b"", False)
    assert (tmp_path / "out").read_bytes() == b"x" * 3_000_000


def test_head_that_is_refused_keeps_the_consumer_from_starting(tmp_path: Path) -> None:
    def refuse(head: bytes) -> None:
        raise StreamError("no", "")

    with pytest.raises(StreamError):
        run_pipeline(write_words(1 << 24), ["touch", tmp_path / "started"], head_bytes=16, check_head=refuse)
    assert not (tmp_path / "started").exists()


def test_stream_that_is_shorter_than_its_head_starts_nothing(tmp_path: Path) -> None:
    end = run_pipeline(python("import sys; print('hello'); sys.exit('gone wrong')"), ["touch", tmp_path / "x"], head_bytes=312)
    assert end.consumer is None and end.moved_bytes == 6 and not (tmp_path / "x").exists()
    assert end.producer is not None and end.producer.status == 1 and end.producer.stderr == "gone wrong"


def test_consumer_that_stops_ends_the_producer() -> None:
    began = time.monotonic()
    end = run_pipeline(["yes"], python("import sys; sys.stdin.buffer.read(100); sys.exit('out of space')"))
    assert time.monotonic() - began < 20
    assert end.is_refused and end.consumer is not None and end.consumer.stderr == "out of space" and end.consumer.status == 1
    assert end.producer is not None and end.producer.status != 0


def test_tap_that_stops_disturbs_nobody(tmp_path: Path) -> None:
    end = run_pipeline(write_words(1 << 22), read_all(tmp_path / "out"), tap=["true"])
    assert end.moved_bytes == 1 << 22 and (tmp_path / "out").stat().st_size == 1 << 22


def test_producer_that_is_killed_leaves_a_cut_stream_and_says_so(tmp_path: Path) -> None:
    kill = "import os, sys; sys.stdout.buffer.write(b'a' * 100000); sys.stdout.flush(); os.kill(os.getpid(), 9)"
    end = run_pipeline(python(kill), read_all(tmp_path / "out"))
    assert end.producer is not None and end.producer.status == -9
    assert (tmp_path / "out").read_bytes() == b"a" * 100000


def test_words_without_end_do_not_fill_memory_or_stop_the_stream() -> None:
    noisy = "import sys\nfor n in range(40): sys.stderr.write('e' * 100000 + f'line {n}\\n'); sys.stdout.write('x' * 1000)"
    end = run_pipeline(python(noisy), ["wc", "-c"])
    assert end.output.strip() == b"40000"
    assert end.producer is not None and len(end.producer.stderr) <= 64 * 1024 and end.producer.stderr.endswith("line 39")


def test_stream_is_held_to_its_pace() -> None:
    began = time.monotonic()
    run_pipeline(write_words(1 << 20), ["cat"], bytes_per_second=2 << 20)
    assert time.monotonic() - began > 0.4


def test_missing_program_is_told_and_the_other_end_stopped() -> None:
    with pytest.raises(ProgramError, match="no-such-program is not installed"):
        run_pipeline(["sleep", "60"], ["no-such-program"])


def test_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    def stop(moved: int) -> None:
        raise KeyboardInterrupt

    pid_file = tmp_path / "pid"
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(
            ["yes"], python(f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"), on_bytes=stop
        )
    if pid_file.exists() and (pid := pid_file.read_text()):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_programs_of_the_system_are_found_from_a_short_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert b":/usr/sbin:" in run_program(["sh", "-c", "echo $PATH:"], timeout_s=10)


def test_a_stream_that_is_no_real_file_is_refused_at_once() -> None:
    with pytest.raises(io.UnsupportedOperation):
        run_pipeline(io.BytesIO(b"x"), ["cat"])


def test_a_program_that_does_not_die_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck: list[int] = []
    monkeypatch.setattr(subprocess.Popen, "kill", lambda program: stuck.append(program.pid))  # as in the kernel, behind a dead disk
    begun = time.monotonic()
    with pytest.raises(ProgramError, match="did not finish within 0 s"):
        run_program(["sleep", "30"], timeout_s=0.1)
    assert time.monotonic() - begun < 15
    os.kill(stuck[0], signal.SIGKILL)
