"""Where a mirror takes lists from: a folder on this machine, or one on the web; both are read as strangers' things."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urljoin, urlsplit

from fonoteca.ground.downloads import BLOCK_BYTES, download, is_web_address, join_url, read_url
from fonoteca.ground.errors import DownloadError, NotFoundError, UsageError, translate_os_errors

OnBytes = Callable[[int], None]


class Origin(Protocol):
    """A folder shaped like a release, or the folder of a list."""

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine; None on the web."""

    def read(self, path: str, limit_bytes: int) -> bytes:
        """A small file; NotFoundError where it is not there."""

    def fetch(self, path: str, target: Path, limit_bytes: int, sha256: str | None = None, on_bytes: OnBytes | None = None) -> str:
        """Put a file of any size at `target`, on disk, and give its SHA-256; DownloadError where it has another than `sha256`."""


class FolderOrigin:
    """A folder on this machine; it is only read, and links in it are not followed out of it."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self._top = folder

    def read(self, path: str, limit_bytes: int) -> bytes:
        """As Origin.read."""
        with _open_file(self._top, path, limit_bytes) as file:
            return file.read(limit_bytes)

    def fetch(self, path: str, target: Path, limit_bytes: int, sha256: str | None = None, on_bytes: OnBytes | None = None) -> str:
        """As Origin.fetch."""
        digest = hashlib.sha256()
        with _open_file(self._top, path, limit_bytes) as reader, translate_os_errors(target), open(target, "wb") as writer:
            while block := reader.read(min(BLOCK_BYTES, limit_bytes - writer.tell())):  # it may grow meanwhile
                digest.update(block)
                writer.write(block)
                if on_bytes is not None:
                    on_bytes(len(block))
            writer.flush()
            os.fsync(writer.fileno())
        if sha256 is not None and digest.hexdigest() != sha256:
            target.unlink()
            raise DownloadError(
                f"{self._top / path} has SHA-256 {digest.hexdigest()}, should have {sha256}",
                "It changed while it was read, or is damaged there: try again, and prove it there with fonoteca verify.",
            )
        return digest.hexdigest()


def _open_file(top: Path, path: str, limit_bytes: int) -> BinaryIO:
    place = top / path
    with translate_os_errors(place):
        try:
            if not place.resolve().is_relative_to(top.resolve()):
                raise UsageError(f"{place} is a link out of the folder", "Put the file itself there.")
            handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"there is no {place}", "Check the path, or take another source.") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
        os.close(handle)
        raise DownloadError(
            f"{place} is no file of at most {limit_bytes} bytes (it has {status.st_size})", "Do not trust this source; name another."
        )
    return open(handle, "rb")


class WebOrigin:
    """A folder on the web, by its URL."""

    folder: Path | None = None

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self, path: str, limit_bytes: int) -> bytes:
        """As Origin.read."""
        return read_url(join_url(self._url, path), limit_bytes)

    def fetch(self, path: str, target: Path, limit_bytes: int, sha256: str | None = None, on_bytes: OnBytes | None = None) -> str:
        """As Origin.fetch; goes on with what a stopped call left at `target`."""
        return download(join_url(self._url, path), target, limit_bytes=limit_bytes, sha256=sha256, on_bytes=on_bytes)


def open_origin(location: str) -> Origin:
    """The folder at a path or URL."""
    return WebOrigin(location) if is_web_address(location) else FolderOrigin(Path(location))


def locate(told: str) -> tuple[str, str]:
    """What a person named, as ("release" or "list", its location): a folder, its URL, or a torrents.json with or without a release
    around it. UsageError where it can be neither."""
    if is_web_address(told):
        return _locate_on_web(told)
    if "://" in told:
        raise UsageError(f"{told!r} is no web address", "Give a folder, or an http or https URL.")
    path = Path(os.path.abspath(told))
    if path.is_file():
        beside = path.name == "torrents.json" and (path.parent / "SHA256SUMS").is_file()
        return ("release", str(path.parent)) if beside else ("list", str(path))
    if not path.is_dir():
        raise UsageError(f"there is no {path}", "Give a release folder, its URL, or a torrents.json.")
    if (path / "SHA256SUMS").is_file():
        return "release", str(path)
    for inner in (path / "release", *sorted((path / "held").glob("*"))):
        if (inner / "SHA256SUMS").is_file():
            raise UsageError(f"{path} is no release", f"Did you mean {inner}?")
    raise UsageError(f"{path} holds no SHA256SUMS, so it is no release", "Give a release folder, its URL, or a torrents.json.")


def _locate_on_web(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if parts.query or parts.fragment or not parts.path.endswith(".json"):
        if parts.path.endswith(".json"):
            return "list", url
        if parts.query or parts.fragment:
            raise UsageError(f"{url!r} has more behind its path", "Give the URL of the release folder itself.")
        return "release", url.rstrip("/")
    folder = url.rpartition("/")[0]
    if url.endswith("/torrents.json"):
        try:
            read_url(join_url(folder, "SHA256SUMS.minisig"), 1 << 16)
        except NotFoundError:
            return "list", url
        return "release", folder
    return "list", url


def resolve_in_list(location: str, url: str) -> str:
    """Where a `.torrent` of a list is: a web address, or a path below the folder of a list on this machine. DownloadError for all else."""
    if is_web_address(location):
        joined = urljoin(location, url)
        if is_web_address(joined):
            return joined
    elif is_web_address(url):
        return url
    elif "://" not in url:
        folder = Path(location).parent.resolve()
        place = (folder / url).resolve()
        if place.is_relative_to(folder):
            return str(place)
    raise DownloadError(f"the list gives {url[:200]!r} for a torrent", "Torrents must be on the web, or beside the list on this machine.")


def fetch_torrent_of_list(location: str, url: str, limit_bytes: int) -> bytes:
    """The bytes of a `.torrent` that a list names."""
    place = resolve_in_list(location, url)
    if is_web_address(place):
        return read_url(place, limit_bytes)
    path = Path(place)
    return FolderOrigin(path.parent).read(path.name, limit_bytes)
