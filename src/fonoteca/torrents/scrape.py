"""How many others have a torrent, asked of trackers: over HTTP (BEP 48) and UDP (BEP 15)."""

from __future__ import annotations

import http.client
import re
import secrets
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote_from_bytes, urlsplit

import msgspec

from fonoteca import __version__
from fonoteca.ground.errors import TorrentFormatError
from fonoteca.ground.findings import Finding
from fonoteca.torrents.bencode import Decoded, decode_dictionary

HASHES_A_PACKET = 74
"""As many as a UDP answer of 8 + 12·74 = 896 bytes carries (BEP 15)."""

_HASHES_A_REQUEST = 50
_ANSWER_LIMIT_BYTES = 1 << 20
_TRIES = 3
_UDP_PROTOCOL = 0x41727101980
_CONNECT, _SCRAPE, _ERROR = 0, 2, 3


class Scrape(msgspec.Struct, frozen=True):
    """What one tracker says of one torrent at a second since 1970: who has all of it, who does not, how often it was fetched."""

    seeders: int
    leechers: int
    completed: int
    tracker: str
    at: int


def scrape(
    trackers: Iterable[str],
    infohashes: Sequence[str],
    timeout_s: float = 15.0,
    *,
    tell: Callable[[Finding], None] | None = None,
    now: Callable[[], float] = time.time,
) -> dict[str, Scrape]:
    """For each torrent the answer of the tracker that knows most seeders; none where no tracker knows it. See scrape_each."""
    found: dict[str, Scrape] = {}
    for infohash, answer in scrape_each(trackers, infohashes, timeout_s, tell=tell, now=now):
        if infohash not in found or answer.seeders > found[infohash].seeders:
            found[infohash] = answer
    return found


def scrape_each(
    trackers: Iterable[str],
    infohashes: Sequence[str],
    timeout_s: float = 15.0,
    *,
    tell: Callable[[Finding], None] | None = None,
    now: Callable[[], float] = time.time,
) -> Iterator[tuple[str, Scrape]]:
    """Every answer of every tracker, as (infohash, Scrape); `timeout_s` for one request and its answer.

    A tracker that does not answer, or answers nonsense, is told as a finding "no-census" and asked nothing more; it is not
    raised. Answers for torrents that were not asked are passed over. The caller keeps torrents that are private from other trackers.
    """
    for tracker in dict.fromkeys(trackers):
        ask = _scrape_udp if tracker.startswith("udp:") else _scrape_http
        try:
            for infohash, numbers in ask(tracker, infohashes, timeout_s):
                yield infohash, Scrape(*numbers, tracker=tracker, at=int(now()))
        except (OSError, http.client.HTTPException, TorrentFormatError, ValueError) as error:
            if tell:
                tell(Finding("no-census", tracker, getattr(error, "message", str(error)) or type(error).__name__))


def scrape_url(announce: str) -> str:
    """Where an HTTP tracker is scraped (BEP 48): "announce" at the start of the last part of its path becomes "scrape"; ValueError else."""
    address, mark, query = announce.partition("?")
    head, _, last = address.rpartition("/")
    if urlsplit(announce).scheme not in ("http", "https"):
        raise ValueError("no HTTP or UDP address")
    if not last.startswith("announce"):
        raise ValueError("it cannot be scraped: its address does not end in /announce")
    return f"{head}/scrape{last.removeprefix('announce')}{mark}{query}"


def _scrape_http(tracker: str, infohashes: Sequence[str], timeout_s: float) -> Iterator[tuple[str, tuple[int, int, int]]]:
    url = scrape_url(tracker)
    for asked in _batches(infohashes, _HASHES_A_REQUEST):
        query = "&".join("info_hash=" + quote_from_bytes(bytes.fromhex(infohash), safe="") for infohash in asked)
        answer, _ = decode_dictionary(_get(f"{url}{'&' if '?' in url else '?'}{query}", timeout_s))
        if reason := answer.get(b"failure reason"):
            raise ValueError(f"the tracker refuses: {reason!r:.100}")
        files = answer.get(b"files")
        for infohash in asked:
            entry = files.get(bytes.fromhex(infohash)) if isinstance(files, dict) else None
            if isinstance(entry, dict):
                yield infohash, (_count(entry, b"complete"), _count(entry, b"incomplete"), _count(entry, b"downloaded"))


def _count(entry: dict[bytes, Decoded], key: bytes) -> int:
    value = entry.get(key, 0)
    return min(value, 2**31) if isinstance(value, int) and value > 0 else 0


class _NoOtherKind(urllib.request.HTTPRedirectHandler):
    """Redirects stay with HTTP."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not re.match(r"https?://", newurl):
            raise urllib.error.URLError(f"it leads to {newurl:.80}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _get(url: str, timeout_s: float) -> bytes:
    """The answer of a web server, as long as it is short and comes in time, however slowly it drips."""
    request = urllib.request.Request(url, headers={"User-Agent": f"fonoteca/{__version__}"})
    end = time.monotonic() + timeout_s
    content = bytearray()
    with urllib.request.build_opener(_NoOtherKind).open(request, timeout=timeout_s) as answer:
        while part := answer.read1(65_536):
            content += part
            if len(content) > _ANSWER_LIMIT_BYTES:
                raise ValueError(f"it answers with more than {_ANSWER_LIMIT_BYTES} bytes")
            if time.monotonic() > end:
                raise TimeoutError(f"it did not finish its answer within {timeout_s:.0f} s")
    return bytes(content)


def _scrape_udp(tracker: str, infohashes: Sequence[str], timeout_s: float) -> Iterator[tuple[str, tuple[int, int, int]]]:
    url = urlsplit(tracker)
    if not url.hostname or not url.port:
        raise ValueError("a UDP tracker needs host and port")
    family, kind, protocol, _, address = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as udp:
        udp.connect(address)  # answers of others are not heard
        (connection,) = struct.unpack_from(">Q", _ask_udp(udp, struct.pack(">Q", _UDP_PROTOCOL), _CONNECT, 8, timeout_s))
        for asked in _batches(infohashes, HASHES_A_PACKET):
            hashes = b"".join(bytes.fromhex(infohash) for infohash in asked)
            answer = _ask_udp(udp, struct.pack(">Q", connection), _SCRAPE, 12 * len(asked), timeout_s, hashes)
            for infohash, (seeders, completed, leechers) in zip(asked, struct.iter_unpack(">III", answer), strict=True):
                yield infohash, (seeders, leechers, completed)


def _ask_udp(udp: socket.socket, head: bytes, action: int, answer_bytes: int, timeout_s: float, body: bytes = b"") -> bytes:
    """The body of the answer to one question, which is sent again where it gets lost."""
    number = secrets.randbits(32)
    packet = head + struct.pack(">II", action, number) + body
    for _ in range(_TRIES):
        udp.send(packet)
        end = time.monotonic() + timeout_s / _TRIES
        while (left := end - time.monotonic()) > 0:
            udp.settimeout(left)
            try:
                answer = udp.recv(4_096)
            except TimeoutError:
                break
            if len(answer) < 8 or struct.unpack_from(">I", answer, 4)[0] != number:
                continue
            (said,) = struct.unpack_from(">I", answer)
            if said == _ERROR:
                raise ValueError(f"the tracker refuses: {answer[8:108].decode('utf-8', 'replace')}")
            if said == action and len(answer) >= 8 + answer_bytes:
                return answer[8 : 8 + answer_bytes]
            raise ValueError(f"it answers with {len(answer)} bytes, {8 + answer_bytes} are needed")
    raise TimeoutError(f"no answer within {timeout_s:.0f} s")


def _batches(infohashes: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(infohashes), size):
        yield infohashes[start : start + size]
