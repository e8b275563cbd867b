"""Process 1 of the guest: starts what the host asks for, many at once, and passes on what they say and how they end."""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import subprocess
import sys
import time

import fonoteca_client
import frames

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "USER": "root",
    "PYTHONPATH": "/run/fonoteca/src:/opt/fonoteca/site",
}  # fmt: skip


class Process:
    """A program that was started; `waiter` is readable when it has ended."""

    def __init__(self, asked: dict, ends: tuple[int, int, int]) -> None:
        environment = {**ENVIRONMENT, **(asked.get("env") or {})}
        command = asked["command"]
        command = ["sh", "-c", command] if isinstance(command, str) else command
        self.popen = subprocess.Popen(
            command, stdin=ends[0], stdout=ends[1], stderr=ends[2], cwd=asked["cwd"], env=environment, start_new_session=True
        )
        self.waiter = os.pidfd_open(self.popen.pid)

    def kill(self, number: int) -> None:
        os.killpg(self.popen.pid, number)

    def status(self) -> int:
        os.close(self.waiter)
        return self.popen.wait()


class Fonoteca:
    """A call of Fonoteca in a child of the process that has it imported."""

    def __init__(self, asked: dict, ends: tuple[int, int, int]) -> None:
        environment = {**ENVIRONMENT, **(asked.get("env") or {})}
        self.link = fonoteca_client.ask(asked["fonoteca"], asked["cwd"], environment, ends)
        self.pid = int(fonoteca_client.read_line(self.link))
        self.waiter = self.link.fileno()

    def kill(self, number: int) -> None:
        os.killpg(self.pid, number)

    def status(self) -> int:
        status = int(fonoteca_client.read_line(self.link) or 255)
        self.link.close()
        return status


class Agent:
    """Frames on one side, pipes of processes on the other, in one loop."""

    def __init__(self, port: int) -> None:
        self.port, self.unpacker, self.selector = port, frames.Unpacker(), selectors.DefaultSelector()
        self.jobs: dict[int, tuple[Process | Fonoteca, float]] = {}
        self.stdin: dict[int, tuple[int, bytearray, list[bool]]] = {}
        self.outputs: dict[int, dict[int, int]] = {}
        self.selector.register(port, selectors.EVENT_READ, (self.read_port, 0))

    def send(self, kind: int, job: int, payload: bytes = b"") -> None:
        rest = memoryview(frames.pack(kind, job, payload))
        while rest:
            rest = rest[os.write(self.port, rest) :]

    def run(self) -> None:
        self.send(frames.HELLO, 0)
        while True:
            for key, _ in self.selector.select(1):
                now = self.selector.get_map().get(key.fd)
                if now and now.data is key.data:  # else it was closed by what came before it
                    act, job = key.data
                    act(job, key.fd)
            self.reap_orphans()

    def reap_orphans(self) -> None:
        """Process 1 inherits what others leave behind; what it started itself is waited for by its waiter."""
        own = {process.popen.pid for process, _ in self.jobs.values() if isinstance(process, Process)}
        try:
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and found.si_pid not in own:
                os.waitpid(found.si_pid, 0)
        except ChildProcessError:
            pass

    def read_port(self, _job: int, fd: int) -> None:
        data = os.read(fd, frames.LARGEST)
        if not data:  # nobody is at the other end, between a state saved and restored
            time.sleep(0.01)
        for kind, job, payload in self.unpacker.feed(data):
            if kind == frames.START:
                self.start(job, json.loads(payload))
            elif kind == frames.STDIN and job in self.stdin:
                self.take_stdin(job, payload)
            elif kind == frames.KILL and job in self.jobs:
                self.kill(job, int(payload))

    def kill(self, job: int, number: int) -> None:
        try:
            self.jobs[job][0].kill(number)
        except ProcessLookupError:
            pass

    def start(self, job: int, asked: dict) -> None:
        if "clock" in asked:
            time.clock_settime(time.CLOCK_REALTIME, asked["clock"])
        pipes = os.pipe(), os.pipe(), os.pipe()
        ends = pipes[0][0], pipes[1][1], pipes[2][1]
        try:
            process = (Fonoteca if "fonoteca" in asked else Process)(asked, ends)
        except (OSError, ValueError) as error:
            for fd in (pipes[0][1], pipes[1][0], pipes[2][0]):
                os.close(fd)
            self.send(frames.ERR, job, f"{error}\n".encode())
            self.send(frames.END, job, b"127 0")
            return
        finally:
            for fd in ends:
                os.close(fd)
        self.jobs[job] = process, time.monotonic()
        self.outputs[job] = {pipes[1][0]: frames.OUT, pipes[2][0]: frames.ERR}
        self.stdin[job] = pipes[0][1], bytearray(), [False]
        for fd in (pipes[0][1], pipes[1][0], pipes[2][0]):
            os.set_blocking(fd, False)
        for fd in self.outputs[job]:
            self.selector.register(fd, selectors.EVENT_READ, (self.read_output, job))
        self.selector.register(process.waiter, selectors.EVENT_READ, (self.end, job))

    def read_output(self, job: int, fd: int) -> bool:
        """Pass on what is there; whether there may be more. After its end a job's children may still write: that is dropped."""
        try:
            data = os.read(fd, frames.LARGEST)
        except BlockingIOError:
            return False
        if not data:
            self.selector.unregister(fd)
            os.close(fd)
            self.outputs.get(job, {}).pop(fd, None)
            return False
        if job in self.outputs:
            self.send(self.outputs[job][fd], job, data)
        return True

    def end(self, job: int, fd: int) -> None:
        for output in list(self.outputs[job]):
            while self.read_output(job, output):
                pass
        self.selector.unregister(fd)
        process, started = self.jobs.pop(job)
        del self.outputs[job]
        self.close_stdin(job)
        self.send(frames.END, job, f"{process.status()} {time.monotonic() - started:.4f}".encode())

    def take_stdin(self, job: int, payload: bytes) -> None:
        """Bytes for a job; none means that no more come."""
        fd, waiting, ended = self.stdin[job]
        if not waiting:
            self.selector.register(fd, selectors.EVENT_WRITE, (self.write_stdin, job))
        waiting += payload
        ended[0] = ended[0] or not payload
        if not waiting:
            self.selector.unregister(fd)
            self.close_stdin(job)

    def write_stdin(self, job: int, fd: int) -> None:
        _, waiting, ended = self.stdin[job]
        try:
            del waiting[: os.write(fd, memoryview(waiting)[: 256 * 1024])]
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return
            waiting.clear()
            ended[0] = True
        if not waiting:
            self.selector.unregister(fd)
            if ended[0]:
                self.close_stdin(job)

    def close_stdin(self, job: int) -> None:
        fd, waiting, _ = self.stdin.pop(job, (-1, b"", []))
        if fd >= 0:
            if waiting:
                self.selector.unregister(fd)
            os.close(fd)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    subprocess.Popen(["python3", "/lab/fonoteca_server.py"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, start_new_session=True)
    Agent(os.open(sys.argv[1], os.O_RDWR)).run()
