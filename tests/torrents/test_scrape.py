"""Trackers are asked how many have a torrent: a real one over HTTP and UDP, and ones that answer nothing good."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import libtorrent as lt
import pytest
from daemons import Daemon, free_port
from swarm import Folder, Peer, wait_until

from fonoteca.ground.findings import Finding
from fonoteca.torrents.bencode import encode
from fonoteca.torrents.scrape import HASHES_A_PACKET, scrape, scrape_each, scrape_url

pytestmark = pytest.mark.xdist_group("torrent-clients")


def allow(tracker: Daemon, *infohashes: str) -> None:
    """Put torrents on the tracker's whitelist."""
    (tracker.folder / "whitelist").write_text("".join(f"{infohash}\n" for infohash in infohashes))
    assert tracker.process
    os.kill(tracker.process.pid, signal.SIGHUP)


def announce(folder: Folder, tracker: str, root: Path) -> tuple[Peer, lt.torrent_handle]:
    """A peer that tells the tracker what it has."""
    peer = Peer()
    parameters = lt.load_torrent_buffer(folder.torrent)
    parameters.save_path, parameters.trackers = str(root), [tracker]
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    parameters.flags |= lt.torrent_flags.upload_mode  # what is missing stays missing
    return peer, peer.session.add_torrent(parameters)


def test_seeders_and_leechers_are_counted_over_http_and_udp(opentracker: Daemon, tmp_path: Path) -> None:
    folder, unknown = Folder(tmp_path / "seed", "scraped"), "ab" * 20
    http, udp = (f"{kind}://127.0.0.1:{opentracker.port}/announce" for kind in ("http", "udp"))
    allow(opentracker, folder.infohash)
    empty = tmp_path / "empty"
    empty.mkdir()
    peers = [announce(folder, http, folder.root), announce(folder, udp, empty)]
    asked = [*(f"{number:040x}" for number in range(HASHES_A_PACKET + 5)), unknown, folder.infohash]
    for tracker in (http, udp):
        findings: list[Finding] = []
        assert wait_until(lambda tracker=tracker: counted(tracker, folder.infohash) == (1, 1)), counted(tracker, folder.infohash)
        answers = scrape([tracker], asked, tell=findings.append, now=lambda: 1234.5)
        answer = answers[folder.infohash]
        assert (answer.seeders, answer.leechers, answer.tracker, answer.at) == (1, 1, tracker, 1234)
        assert unknown not in answers or answers[unknown].seeders == 0
        assert findings == []
    both = list(scrape_each([http, udp], [folder.infohash]))
    assert {answer.tracker for _, answer in both} == {http, udp}
    del peers


def counted(tracker: str, infohash: str) -> tuple[int, int] | None:
    answer = scrape([tracker], [infohash], 2).get(infohash)
    return (answer.seeders, answer.leechers) if answer else None


def test_address_of_a_scrape_follows_from_that_of_the_announce() -> None:
    assert scrape_url("http://t.org:6969/announce") == "http://t.org:6969/scrape"
    assert scrape_url("https://t.org/x/announce.php?key=a/b") == "https://t.org/x/scrape.php?key=a/b"
    for odd in ("http://t.org/a", "http://t.org/announce/x", "file:///etc/announce", "wss://t.org/announce"):
        with pytest.raises(ValueError):
            scrape_url(odd)


@contextmanager
def answering(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Iterator[str]:
    """The announce URL of an HTTP tracker that gives the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/announce"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"not bencoded", 200, {}),
        (b"d5:filesd20:" + bytes(20), 200, {}),
        (b"d5:files" + b"l" * 10_000, 200, {}),
        (encode({b"failure reason": b"go away"}), 200, {}),
        (b"x" * (2 << 20), 200, {}),
        (b"", 500, {}),
        (b"", 302, {"Location": "file:///etc/passwd"}),
        (b"", 302, {"Location": "ftp://127.0.0.1/x"}),
    ],
)
def test_answers_that_are_none_are_told_and_the_next_tracker_is_asked(body: bytes, status: int, headers: dict[str, str]) -> None:
    findings: list[Finding] = []
    good = encode({b"files": {bytes.fromhex("11" * 20): {b"complete": 7, b"incomplete": 1, b"downloaded": 9}}})
    with answering(body, status, headers) as bad, answering(good) as well:
        found = scrape([bad, well], ["11" * 20], 5, tell=findings.append)
    assert (found["11" * 20].seeders, found["11" * 20].completed) == (7, 9)
    assert [(finding.code, finding.path) for finding in findings] == [("no-census", bad)] and findings[0].fact


def test_numbers_that_cannot_be_count_as_none() -> None:
    odd = {b"complete": -5, b"incomplete": b"many", b"downloaded": 10**17}
    with answering(encode({b"files": {bytes.fromhex("11" * 20): odd, b"short": 3}})) as tracker:
        answer = scrape([tracker], ["11" * 20])["11" * 20]
    assert (answer.seeders, answer.leechers, answer.completed) == (0, 0, 2**31)


def test_silent_or_lying_udp_tracker_is_told_in_time() -> None:
    findings: list[Finding] = []
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        tracker = f"udp://127.0.0.1:{udp.getsockname()[1]}/announce"
        assert scrape([tracker], ["11" * 20], 0.5, tell=findings.append) == {}

        def lie() -> None:
            packet, sender = udp.recvfrom(4_096)
            while len(packet) < 16 or packet[8:12] != bytes(4):
                packet, sender = udp.recvfrom(4_096)
            udp.sendto(bytes(4) + packet[12:16] + b"x", sender)

        liar = threading.Thread(target=lie)
        liar.start()
        assert scrape([tracker], ["11" * 20], 3, tell=findings.append) == {}
        liar.join()
    gone = f"udp://127.0.0.1:{free_port()}/announce"
    assert scrape([gone, "udp://nameless", "nonsense"], ["11" * 20], 0.5, tell=findings.append) == {}
    assert [finding.path for finding in findings] == [tracker, tracker, gone, "udp://nameless", "nonsense"]
