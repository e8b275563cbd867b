"""The host's side of the talk with the guest's agent: many programs at once over one socket."""

from __future__ import annotations

import json
import socket
import threading
from typing import NamedTuple

from zfs_lab_kit.guest import frames
from zfs_lab_kit.parts import LabError


class Ran(NamedTuple):
    """How a program in the guest ended: its status (-9 where SIGKILL ended it), what it printed, how long it took."""

    status: int
    out: str
    err: str
    seconds: float
    out_bytes: bytes = b""

    def __repr__(self) -> str:
        return f"status {self.status} after {self.seconds:.1f} s\nout: {self.out}\nerr: {self.err}"


class Job:
    """A program under way in the guest."""

    def __init__(self, number: int, words: str, connection: Connection) -> None:
        self.words = words
        self._number, self._connection = number, connection
        self._out, self._err = bytearray(), bytearray()
        self._ended = threading.Event()
        self._status, self._seconds = 255, 0.0

    def wait(self, timeout_s: float = 300) -> Ran:
        """How it ended; a LabError that shows what it said so far when it takes longer, and it is killed."""
        if not self._ended.wait(timeout_s):
            self.kill(9)
            self._ended.wait(5)
            raise LabError(f"in the guest, {self.words[:200]} did not end within {timeout_s} s; it said:\n{self.output()[-2000:]}")
        if self._connection.failure:
            raise LabError(f"in the guest, {self.words[:200]}: {self._connection.failure}")
        return Ran(
            self._status, self._out.decode("utf-8", "replace"), self._err.decode("utf-8", "replace"), self._seconds, bytes(self._out)
        )

    def kill(self, number: int = 15) -> None:
        """Send a signal to it and to all that it started (but what made a session of its own)."""
        self._connection.send(frames.KILL, self._number, str(int(number)).encode())

    def output(self) -> str:
        """What it has printed by now, on standard output and then on standard error."""
        return (bytes(self._out) + bytes(self._err)).decode("utf-8", "replace")

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def take(self, kind: int, payload: bytes) -> None:
        """What the agent says about it."""
        if kind == frames.OUT:
            self._out += payload
        elif kind == frames.ERR:
            self._err += payload
        elif kind == frames.END:
            status, seconds = payload.split()
            self._status, self._seconds = int(status), float(seconds)
            self._ended.set()

    def give_up(self) -> None:
        """The guest has gone."""
        self._ended.set()


class Connection:
    """Frames to and from an agent; a thread reads."""

    def __init__(self, link: socket.socket) -> None:
        self.failure = ""
        self._link, self._writing = link, threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._count = 0
        self._hello = threading.Event()
        self._reader = threading.Thread(target=self._read, name="zfs-lab", daemon=True)
        self._reader.start()

    def wait_for_hello(self, timeout_s: float) -> bool:
        """Whether a guest that boots has said that it is there."""
        return self._hello.wait(timeout_s) and not self.failure

    def start(self, asked: dict[str, object], stdin: bytes, words: str) -> Job:
        """Have the agent start something."""
        self._count += 1
        job = self._jobs[self._count] = Job(self._count, words, self)
        number = self._count
        self.send(frames.START, number, json.dumps(asked).encode())
        for at in range(0, len(stdin), frames.LARGEST):
            self.send(frames.STDIN, number, stdin[at : at + frames.LARGEST])
        self.send(frames.STDIN, number)
        return job

    def send(self, kind: int, job: int, payload: bytes = b"") -> None:
        """One frame to the agent."""
        try:
            with self._writing:
                self._link.sendall(frames.pack(kind, job, payload))
        except OSError as error:
            raise LabError(f"the guest has gone: {error}") from error

    def _read(self) -> None:
        unpacker = frames.Unpacker()
        try:
            while data := self._link.recv(1 << 20):
                for kind, number, payload in unpacker.feed(data):
                    if kind == frames.HELLO:
                        self._hello.set()
                    elif job := self._jobs.get(number):
                        job.take(kind, payload)
        except OSError:
            pass
        self.failure = "the guest has gone"
        self._hello.set()
        for job in list(self._jobs.values()):
            job.give_up()

    def close(self) -> None:
        """Hang up."""
        try:
            self._link.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._link.close()
        self._reader.join(5)
