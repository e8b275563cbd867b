"""Has Fonoteca imported, and runs each call of it in a child: without KVM its imports take seconds, a child some milliseconds."""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback

from fonoteca_client import ADDRESS

OTHERS = ("apsw", "anyascii", "anycrc", "av", "backports.zstd", "cryptography.hazmat.primitives.asymmetric.ed25519", "cyclopts",
          "libtorrent", "msgspec", "mutagen", "numpy", "rich.console", "rich.progress", "rich.table", "shortuuid", "soundfile",
          "concurrent.futures.process", "multiprocessing.forkserver", "sqlite3", "tarfile", "http.client")  # fmt: skip
LOAD = "load-fonoteca"


def load(names):
    """Import what can be; the rest is told when it is needed."""
    importlib.invalidate_caches()  # where Fonoteca is to be, nothing was when this began
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:
            traceback.print_exc()
    gc.collect()
    gc.freeze()


def receive(link):
    """What is asked, and the three files of the one who asks."""
    head, ancillary, _, _ = link.recvmsg(4, socket.CMSG_SPACE(3 * 4))
    ends = array.array("i")
    for _, _, data in ancillary:
        ends.frombytes(data[: len(data) - len(data) % ends.itemsize])
    asked = b""
    while len(asked) < int.from_bytes(head, "big"):
        asked += link.recv(65536)
    return json.loads(asked), list(ends)


def run_child(asked, ends):
    """In the child: become the program, run it, end."""
    status = 1
    try:
        os.setsid()
        for number, fd in enumerate(ends):
            os.dup2(fd, number)
        os.closerange(3, 256)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as every Python starts
        for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["fonoteca", *asked["arguments"]]
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 they live as long as the child
        from fonoteca.cli import main

        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(status)


class Server:
    """One loop: calls come in, children end."""

    def __init__(self) -> None:
        self.links = {}
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(ADDRESS)
        os.chmod(ADDRESS, 0o666)
        self.listener.listen(64)
        self.ended, wake = socket.socketpair()
        for end in (self.ended, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wake = wake
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(self.ended, selectors.EVENT_READ, self.reap)

    def accept(self, _):
        link, _ = self.listener.accept()
        asked, ends = receive(link)
        if asked["arguments"][:1] == [LOAD]:
            sys.path[:0] = [path for path in asked["arguments"][1].split(":") if path not in sys.path]
            load(asked["arguments"][2:])
            link.sendall(b"0\n0\n")
            link.close()
        else:
            self.fork(link, asked, ends)
        for fd in ends:
            os.close(fd)

    def fork(self, link, asked, ends):
        pid = os.fork()
        if pid == 0:
            run_child(asked, ends)
        self.links[pid] = link
        link.sendall(b"%d\n" % pid)
        self.selector.register(link, selectors.EVENT_READ, self.hang_up)

    def reap(self, _):
        self.ended.recv(4096)
        while self.links:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if link := self.links.pop(pid, None):
                try:
                    self.selector.unregister(link)
                except KeyError:
                    pass  # it has hung up
                try:
                    link.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                except OSError:
                    pass
                link.close()

    def hang_up(self, link):
        """Who asked has gone: so does what it asked for, as over SSH."""
        for pid, other in self.links.items():
            if other is link:
                try:
                    os.killpg(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
        self.selector.unregister(link)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)


if __name__ == "__main__":
    os.umask(0o022)
    load(OTHERS)
    Server().run()
