"""Downloads: resumed where they stopped, limited, and refused where the bytes are not those that were asked for."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fonoteca.ground import downloads
from fonoteca.ground.downloads import download, is_web_address, join_url, read_url
from fonoteca.ground.errors import DownloadError, NotFoundError
from torrents.web_server import WebServer

CONTENT = random.Random(7).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file name").write_bytes(CONTENT)
    made = WebServer(tmp_path / "root")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()


def test_a_download_goes_on_where_it_stopped(server: WebServer, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(CONTENT[:700_000])
    heard: list[int] = []
    url = join_url(server.url, "file name")
    assert download(url, target, limit_bytes=2_000_000, sha256=SHA256, on_bytes=heard.append) == SHA256
    assert target.read_bytes() == CONTENT and sum(heard) == 300_000


def test_what_was_left_of_another_file_is_fetched_anew(server: WebServer, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"x" * 1_000)
    assert download(join_url(server.url, "file name"), target, limit_bytes=2_000_000, sha256=SHA256) == SHA256
    assert target.read_bytes() == CONTENT


def test_other_bytes_than_those_asked_for_are_not_kept(server: WebServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="should have"):
        download(join_url(server.url, "file name"), tmp_path / "target", limit_bytes=2_000_000, sha256="0" * 64)
    assert not (tmp_path / "target").exists()


def test_what_is_larger_than_its_limit_is_refused(server: WebServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="more than 999999"):
        read_url(join_url(server.url, "file name"), 999_999)
    with pytest.raises(NotFoundError):
        read_url(join_url(server.url, "nothing"), 10)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x", "data:,x", "/etc/passwd", "http://", "http://[::1", "javascript:1"]
)
def test_only_web_addresses_are_opened(url: str) -> None:
    assert not is_web_address(url)
    with pytest.raises(DownloadError, match="no web address"):
        read_url(url, 10)


class Refusing(BaseHTTPRequestHandler):
    """Knows that what is asked for lies behind the end."""

    def do_GET(self) -> None:
        self.send_response(416 if "Range" in self.headers else 200)
        self.send_header("Content-Length", "0" if "Range" in self.headers else str(len(CONTENT)))
        self.end_headers()
        if "Range" not in self.headers:
            self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        return


def test_what_is_longer_than_the_file_is_fetched_anew(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    target = tmp_path / "target"
    target.write_bytes(b"x" * 2_000_000)
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    assert download(url, target, limit_bytes=3_000_000, sha256=SHA256) == SHA256 and target.read_bytes() == CONTENT
    server.shutdown()


class Dripping(BaseHTTPRequestHandler):
    """Says that there is more, and gives a byte now and then."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                if gone.wait(0.05):
                    return
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


gone = threading.Event()


def test_a_server_that_drips_is_left_and_one_that_stops_early_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(downloads, "_PATIENCE_S", 0.3)
    with pytest.raises(DownloadError, match="bytes a second"):
        read_url(f"http://127.0.0.1:{server.server_address[1]}/", 10_000)
    gone.set()
    monkeypatch.setattr(downloads, "_PATIENCE_S", 60)
    with pytest.raises(DownloadError, match=r"ended after 1 of 1000|cannot fetch"):
        read_url(f"http://127.0.0.1:{server.server_address[1]}/", 10_000)
    server.shutdown()


def test_nobody_listening_is_an_error_with_a_way_out() -> None:
    with pytest.raises(DownloadError, match="cannot fetch") as told:
        read_url("http://127.0.0.1:9/x", 10)
    assert told.value.hint
