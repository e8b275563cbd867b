"""A web server that gives byte ranges of files, and a small tracker; both note what they were asked."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from fonoteca.torrents.bencode import encode


class WebServer(ThreadingHTTPServer):
    """Serves `root`; `/announce` answers with `peers` ("host", port); `asked` are the paths with their queries, as they came."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.asked: list[str] = []
        self.peers: list[tuple[str, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def announced(self) -> set[str]:
        """Infohashes that were announced."""
        queries = [urlsplit(path).query for path in self.asked if path.startswith("/announce")]
        return {parse_qs(query, encoding="latin-1")["info_hash"][0].encode("latin-1").hex() for query in queries}


@contextmanager
def serve(root: Path) -> Iterator[WebServer]:
    """A server for as long as the block lasts."""
    server = WebServer(root)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path.startswith("/announce"):
            peers = b"".join(socket.inet_aton(host) + port.to_bytes(2, "big") for host, port in self.server.peers)
            return self._answer(200, encode({b"interval": 1800, b"min interval": 1, b"peers": peers}))
        path = self.server.root / unquote(urlsplit(self.path).path).lstrip("/")
        if not path.is_file():
            return self._answer(404, b"")
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        size = path.stat().st_size
        first, last = (int(found[1]), min(int(found[2] or size - 1), size - 1)) if found else (0, size - 1)
        with open(path, "rb") as file:
            file.seek(first)
            content = file.read(last - first + 1)
        return self._answer(206 if found else 200, content, {"Content-Range": f"bytes {first}-{last}/{size}"} if found else {})

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Accept-Ranges": "bytes", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass
