"""Files over HTTP, without trusting the server: sizes have limits, nothing waits for ever, and only http and https are followed."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from fonoteca import __version__
from fonoteca.ground.errors import DownloadError, NotFoundError, translate_os_errors

TIMEOUT_S = 30.0
BLOCK_BYTES = 256 * 1024
SLOWEST_BYTES_S = 10_000
"""A server that gives less than this over a minute is left."""

_PATIENCE_S = 60.0
_LONGEST_HEAD_S = 60.0
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class _PassedLimitError(Exception):
    """A server gives more than was asked for."""


class _Connection(http.client.HTTPConnection):
    """One that gives up on answers whose head comes drop by drop."""

    def getresponse(self) -> http.client.HTTPResponse:
        with _cut_after(self.sock):
            return super().getresponse()


class _SecureConnection(http.client.HTTPSConnection):
    def getresponse(self) -> http.client.HTTPResponse:
        with _cut_after(self.sock):
            return super().getresponse()


@contextmanager
def _cut_after(connection: Any) -> Iterator[None]:
    def cut() -> None:
        try:
            connection.shutdown(2)
        except OSError:
            return

    timer = threading.Timer(_LONGEST_HEAD_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Plain(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _Secure(HTTPSHandler):
    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req)


class _Redirects(HTTPRedirectHandler):
    """urllib follows to ftp, too, and would follow to what other handlers open."""

    max_redirections = 5
    max_repeats = 2

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if urlsplit(newurl).scheme.lower() not in ("http", "https"):
            raise DownloadError(
                f"{req.full_url} leads to {newurl[:200]!r}, which is no web address", "Do not trust this server; name another."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    opener = OpenerDirector()
    for handler in (ProxyHandler(), _Plain(), _Secure(), HTTPDefaultErrorHandler(), _Redirects(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", f"fonoteca/{__version__}"), ("Accept-Encoding", "identity")]
    return opener


def is_web_address(text: str) -> bool:
    """Whether this is an http or https URL with a host."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


def join_url(folder: str, path: str) -> str:
    """The URL of a file by its path below a folder's URL; every character that a URL cannot hold is escaped."""
    parts = urlsplit(folder)
    joined = f"{parts.path.rstrip('/')}/{quote(os.fsencode(path))}"
    return urlunsplit((parts.scheme, parts.netloc, joined, parts.query, ""))


def read_url(url: str, limit_bytes: int) -> bytes:
    """What the URL gives, at most `limit_bytes`; NotFoundError where it is not there, DownloadError for all else."""
    try:
        with _opened(url, 0) as answer:
            return b"".join(_blocks(answer, url, limit_bytes))
    except _PassedLimitError as error:
        raise DownloadError(str(error), "Do not trust this server; name another.") from error


def download(
    url: str,
    target: Path,
    *,
    limit_bytes: int,
    sha256: str | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> str:
    """Fetch into `target` and give its SHA-256; goes on with what an earlier call that was stopped left there.

    With `sha256` other bytes are a DownloadError and are not kept, nor is what passes the limit. The file is on disk when this returns.
    """
    have = target.stat().st_size if target.is_file() else 0
    try:
        found = _fetch(url, target, have, limit_bytes, on_bytes)
        if sha256 is not None and found != sha256 and have:
            found = _fetch(url, target, 0, limit_bytes, on_bytes)  # what lay here was of another file
    except _PassedLimitError as error:
        target.unlink(missing_ok=True)
        raise DownloadError(str(error), "Nothing was kept of it. Do not trust this server; name another.") from error
    if sha256 is not None and found != sha256:
        target.unlink(missing_ok=True)
        raise DownloadError(
            f"{url} has SHA-256 {found}, should have {sha256}", "It changed while it was fetched, or is damaged there: try again."
        )
    return found


def _fetch(url: str, target: Path, have: int, limit_bytes: int, on_bytes: Callable[[int], None] | None) -> str:
    digest = hashlib.sha256()
    with translate_os_errors(target), _opened(url, have) as answer:
        start = have if have and _starts_at(answer, have) else 0
        with open(target, "r+b" if start else "wb") as file:
            while start and file.tell() < start:
                digest.update(file.read(min(BLOCK_BYTES, start - file.tell())))
            file.truncate(start)
            for block in _blocks(answer, url, limit_bytes - start):
                file.write(block)
                digest.update(block)
                if on_bytes is not None:
                    on_bytes(len(block))
            file.flush()
            os.fsync(file.fileno())
    return digest.hexdigest()


def _starts_at(answer: Any, have: int) -> bool:
    """Whether the server goes on where we ended; one that does not know ranges begins anew."""
    told = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    return answer.status == 206 and told is not None and int(told[1]) == have


@contextmanager
def _opened(url: str, have: int) -> Iterator[Any]:
    if not is_web_address(url):
        raise DownloadError(f"{url[:200]!r} is no web address", "Give an http or https URL, or a folder.")
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = _open_once(request, url)
        if answer is None:
            answer = _open_once(Request(url), url)
        if answer is None:
            raise DownloadError(f"{url} refuses the range of bytes that nobody asked for", "Ask whoever runs the server.")
        with answer:
            yield answer
    except (URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"cannot fetch {url}: {reason}", "Check the address and the network; the same command goes on.") from error


def _open_once(request: Request, url: str) -> Any:
    """The answer; None where the range that was asked for is not there."""
    try:
        return _opener().open(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            return None
        if error.code in (404, 410):
            raise NotFoundError(f"{url} is not there ({error.code})", "Check the address, or ask whoever runs the server.") from error
        raise DownloadError(f"{url} answers {error.code} {error.reason}", "Try again later, or ask whoever runs the server.") from error


def _blocks(answer: Any, url: str, limit_bytes: int) -> Iterator[bytes]:
    """The body, never more than the limit and never for ever."""
    told = answer.headers.get("Content-Length", "")
    length = int(told) if told.isascii() and told.isdigit() else None
    if length is not None and length > limit_bytes:
        raise _PassedLimitError(f"{url} would give {length} bytes, more than {limit_bytes}")
    total = since = 0
    began = time.monotonic()
    while block := answer.read1(BLOCK_BYTES):
        total += len(block)
        since += len(block)
        if total > limit_bytes:
            raise _PassedLimitError(f"{url} gives more than {limit_bytes} bytes")
        yield block
        if (passed := time.monotonic() - began) > _PATIENCE_S:
            if since < SLOWEST_BYTES_S * passed:
                raise DownloadError(
                    f"{url} gives {since / passed:.0f} bytes a second, fewer than {SLOWEST_BYTES_S}",
                    "Try again later: it goes on where it stopped.",
                )
            since, began = 0, time.monotonic()
    if length is not None and total < length:
        raise DownloadError(f"{url} ended after {total} of {length} bytes", "Try again: it goes on where it stopped.")
