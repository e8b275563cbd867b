"""The only module that starts other programs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fonoteca.ground.errors import ProgramError

BLOCK_BYTES = 1 << 20
Command = Sequence[str | Path]
# zfs, smartctl and their like lie where the PATH of an ordinary user, or of a command over SSH, does not lead
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_LONGEST_STDERR = 64 * 1024
_LONGEST_OUTPUT = 64 * 1024 * 1024
_LONGEST_DEATH_S = 1.0


def _search_path() -> str:
    given = os.environ.get("PATH", os.defpath)
    return os.pathsep.join([given, *(folder for folder in _SYSTEM_FOLDERS if folder not in given.split(os.pathsep))])


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "PATH": _search_path()}


def has_program(name: str) -> bool:
    """Whether `name` is on PATH, or where programs of the system lie."""
    return shutil.which(name, path=_search_path()) is not None


def run_program(
    arguments: Command, *, timeout_s: float, stdin: bytes | None = None, cwd: Path | None = None, any_status: bool = False
) -> bytes:
    """Its standard output; ProgramError with its own words when it is missing, takes too long or fails.

    With `any_status` it may end as it likes, for programs whose status is no verdict (smartctl).
    """
    name = str(arguments[0])
    try:
        program = subprocess.Popen(
            [str(part) for part in arguments], stdin=None if stdin is None else subprocess.PIPE, cwd=cwd, env=_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise _not_installed(name) from error
    try:
        output, stderr = program.communicate(stdin, timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ProgramError(f"{name} did not finish within {timeout_s:.0f} s", "Try again with less load.") from error
    finally:
        _end_at_once(program)
    end = ProgramEnd(tuple(map(str, arguments)), program.returncode, stderr.decode("utf-8", "replace").strip())
    if end.status and not any_status:
        raise end.error()
    return output


def _end_at_once(program: subprocess.Popen[bytes]) -> None:
    """Kill what still runs. What is stuck in the kernel does not die before its disk answers, so nobody waits for that."""
    if program.poll() is not None:
        return
    program.kill()
    with suppress(subprocess.TimeoutExpired):
        program.wait(_LONGEST_DEATH_S)
    for pipe in (program.stdin, program.stdout, program.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _not_installed(name: str) -> ProgramError:
    return ProgramError(f"{name} is not installed", f"On Debian: apt-get install {name}.")


class ProgramEnd(NamedTuple):
    """How a program ended: its status, and the end of what it said on stderr."""

    arguments: tuple[str, ...]
    status: int
    stderr: str

    def error(self) -> ProgramError:
        """Its failure in its own words."""
        return ProgramError(
            f"{self.arguments[0]} ended with status {self.status}: {' / '.join(self.stderr.splitlines()[-3:])}",
            f"Run it by hand: {list(self.arguments)}", status=self.status, stderr=self.stderr,
        )  # fmt: skip


class PipelineEnd(NamedTuple):
    """What a pipeline came to. An end is None where that end was a file, or was never started; `output` is what the consumer printed.

    `is_refused`: the consumer took no more, and how the producer ended after that is no failure of its own.
    """

    moved_bytes: int
    producer: ProgramEnd | None
    consumer: ProgramEnd | None
    tap: ProgramEnd | None
    output: bytes
    tap_output: bytes
    is_refused: bool = False


def run_pipeline(
    producer: Command | BinaryIO,
    consumer: Command | BinaryIO,
    *,
    tap: Command | None = None,
    head_bytes: int = 0,
    check_head: Callable[[bytes], None] | None = None,
    bytes_per_second: float | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> PipelineEnd:
    """Move the bytes of one program or file into another, and a copy into `tap`; failures are told in the ends, not raised.

    `check_head` sees the first `head_bytes` before the consumer is started, and stops all by raising; where fewer come, the consumer is
    never started. The consumer sees the end of its input when the producer ends, however that was: a cut stream looks cut to it.
    """
    with ExitStack() as running:
        source = _Running(producer, running, reads=True)
        head = source.read_head(head_bytes)
        if len(head) < head_bytes:
            return PipelineEnd(len(head), source.end(), None, None, b"", b"")
        if check_head is not None:
            check_head(head)
        sinks = [_Running(one, running, reads=False) for one in (consumer, tap) if one is not None]
        moved, is_refused = _pump(source, sinks, head, _Pace(bytes_per_second), on_bytes)
        source.close()
        for sink in sinks:
            sink.close()
        ends = [sink.end() for sink in sinks]
        outputs = [bytes(sink.output) for sink in sinks]
        copied = (ends[1], outputs[1]) if tap is not None else (None, b"")
        return PipelineEnd(moved, source.end(), ends[0], copied[0], outputs[0], copied[1], is_refused)


def _pump(source: _Running, sinks: list[_Running], block: bytes, pace: _Pace, on_bytes: Callable[[int], None] | None) -> tuple[int, bool]:
    """Until the source ends or the consumer, the first of the sinks, takes no more: bytes moved, and whether it was the latter."""
    moved = 0
    while block or (block := source.read()):
        taken = [sink.write(block) for sink in sinks]
        if not taken[0]:
            source.stop()
            return moved, True
        moved += len(block)
        if on_bytes is not None:
            on_bytes(len(block))
        pace.wait(moved)
        block = b""
    return moved, False


class _Pace:
    """Holds a stream to so many bytes a second on average."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._rate = bytes_per_second
        self._began = time.monotonic()

    def wait(self, moved: int) -> None:
        if self._rate:
            time.sleep(max(0.0, moved / self._rate - (time.monotonic() - self._began)))


class _Running:
    """One end of a pipeline: a program whose words are collected beside the work, or a file."""

    def __init__(self, what: Command | BinaryIO, running: ExitStack, *, reads: bool) -> None:
        self.output, self._stderr = bytearray(), bytearray()
        self._threads: list[threading.Thread] = []
        self._program: subprocess.Popen[bytes] | None = None
        if not isinstance(what, Sequence):
            self._file: BinaryIO = what
            return
        self._arguments = tuple(map(str, what))
        self._program = self._start(reads)
        running.callback(self.stop)
        stream = self._program.stdout if reads else self._program.stdin
        assert stream is not None
        self._file = stream  # type: ignore[assignment]
        with suppress(OSError, AttributeError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, BLOCK_BYTES)
        self._collect(self._program.stderr, self._stderr, _LONGEST_STDERR)
        if not reads:
            self._collect(self._program.stdout, self.output, _LONGEST_OUTPUT)

    def _start(self, reads: bool) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL if reads else subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, bufsize=0, env=_environment(),
            )  # fmt: skip
        except FileNotFoundError as error:
            raise _not_installed(self._arguments[0]) from error

    def _collect(self, stream: object, into: bytearray, longest: int) -> None:
        thread = threading.Thread(target=_collect, args=(stream, into, longest), daemon=True)
        thread.start()
        self._threads.append(thread)

    def read(self) -> bytes:
        return os.read(self._file.fileno(), BLOCK_BYTES)

    def read_head(self, size: int) -> bytes:
        head = b""
        while len(head) < size and (block := os.read(self._file.fileno(), size - len(head))):
            head += block
        return head

    def write(self, block: bytes) -> bool:
        """Whether it took all of it; what has ended takes nothing."""
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._file.fileno(), rest) :]
        except (BrokenPipeError, ValueError):
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._program is not None:
            with suppress(BrokenPipeError):
                self._file.close()

    def end(self) -> ProgramEnd | None:
        if self._program is None:
            return None
        status = self._program.wait()
        for thread in self._threads:
            thread.join()
        return ProgramEnd(self._arguments, status, self._stderr.decode("utf-8", "replace").strip())

    def stop(self) -> None:
        """Nothing goes on after the pipeline, whatever ended it."""
        self.close()
        if self._program is not None and self._program.poll() is None:
            self._program.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._program.wait(10)
            self._program.kill()
            self._program.wait()


def _collect(stream: BinaryIO, into: bytearray, longest: int) -> None:
    """The last `longest` bytes of what a program says; all of it is read, so that it never waits for a reader."""
    with stream:
        while block := stream.read(BLOCK_BYTES):
            into += block
            del into[: max(0, len(into) - longest)]
