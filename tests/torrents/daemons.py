"""Real daemons on loopback, set up as docs/tasks/torrent-clients.md says, each with a folder and ports of its own."""

from __future__ import annotations

import json
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks" / "torrent-clients.md"
PASSWORD = "a password of your own"


def free_port() -> int:
    """A port that nobody uses now, neither by TCP nor by UDP, and that the system does not hand out to others (above 32767 it does)."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


def read_block(language: str) -> str:
    """The block of that language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.S | re.M)
    assert found, f"{PAGE} has no {language} block"
    return found[1]


class Daemon:
    """A program that runs until it is stopped; `port` is that of its peers."""

    def __init__(self, name: str, folder: Path, command: list[str], url: str, port: int, user: str = "", password: str = "") -> None:
        self.name, self.folder, self.url, self.port, self.user, self.password = name, folder, url, port, user, password
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with open(self.folder / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(self._command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "daemon.log").read_text("utf-8", "replace")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def stop(self, *, kill: bool = False) -> None:
        if self.process:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(20)
            self.process = None


def require_program(name: str) -> str:
    """Its path; the test is skipped where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def start_transmission(folder: Path) -> Daemon:
    """transmission-daemon with the settings of the page."""
    program, rpc, peers = require_program("transmission-daemon"), free_port(), free_port()
    quiet = {
        "rpc-port": rpc, "peer-port": peers, "bind-address-ipv4": "127.0.0.1", "dht-enabled": False, "lpd-enabled": False,
        "pex-enabled": False, "utp-enabled": False, "port-forwarding-enabled": False, "download-dir": str(folder / "downloads"),
        "rpc-host-whitelist-enabled": False,
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps({**json.loads(read_block("json")), **quiet}))
    command = [program, "--foreground", "--config-dir", str(folder)]
    return Daemon("transmission", folder, command, f"http://127.0.0.1:{rpc}", peers, "mirror", PASSWORD)


def start_qbittorrent(folder: Path, page: str | None = None) -> Daemon:
    """qbittorrent-nox with the settings of the page, or others."""
    program, web, peers = require_program("qbittorrent-nox"), free_port(), free_port()
    settings = (
        (page or read_block("ini"))
        .replace("WebUI\\Port=8080", f"WebUI\\Port={web}")
        .replace("Session\\Port=6881", f"Session\\Port={peers}")
    )
    quiet = "Session\\DHTEnabled=false\nSession\\LSDEnabled=false\nSession\\PeXEnabled=false\nSession\\InterfaceAddress=127.0.0.1\n"
    settings = settings.replace("[BitTorrent]\n", f"[BitTorrent]\n{quiet}") + make_password_line() + "WebUI\\UseUPnP=false\n"
    path = folder / "qBittorrent" / "config" / "qBittorrent.conf"
    path.parent.mkdir(parents=True)
    path.write_text(settings)
    command = [program, f"--profile={folder}"]
    return Daemon("qbittorrent", folder, command, f"http://127.0.0.1:{web}", peers, "mirror", PASSWORD)


def make_password_line() -> str:
    """What the page's own command prints."""
    command = shlex.split(read_block("console").removeprefix("$ "))
    return subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, check=True).stdout


def start_opentracker(folder: Path) -> Daemon:
    """A tracker that speaks HTTP and UDP and knows the torrents in `folder`/whitelist."""
    program, port = require_program("opentracker"), free_port()
    (folder / "whitelist").touch()
    folder.chmod(0o755)
    command = [program, "-i", "127.0.0.1", "-p", str(port), "-P", str(port), "-d", str(folder), "-u", "nobody", "-w", "/whitelist"]
    return Daemon("opentracker", folder, command, f"http://127.0.0.1:{port}/stats", port)
