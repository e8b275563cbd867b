"""Questions about folders and ports that a client shares with us."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from fonoteca.ground.errors import ClientError, UsageError
from fonoteca.torrents.clients.piece_map import PieceMap


def is_same_folder(left: str | Path, right: str | Path) -> bool:
    """Whether two paths name one folder, links followed."""
    return os.path.realpath(left) == os.path.realpath(right)


def refuse_other_folder(name: str, known: str, asked: Path) -> None:
    """ClientError where a torrent is already in the client, with other files than those of the mirror."""
    if not is_same_folder(known, asked):
        raise ClientError(
            f"the client already has {name}, in {known} and not in {asked}",
            "Remove it there (its files stay), or use another client for this mirror.",
        )


def holds_any_file(pieces: PieceMap, folder: Path) -> bool:
    """Whether a file of the torrent lies there, whole or not."""
    top = folder if pieces.info.is_single else folder / pieces.info.name
    return any((top / file.path).exists() for file in pieces.info.files)


def listens(url: str, port: int | None, timeout_s: float = 2.0) -> bool | None:
    """Whether something answers by TCP on this port of the host in `url`; None where that cannot be told."""
    host = urlsplit(url).hostname
    if not host or not port:
        return None
    try:
        socket.create_connection((host, port), timeout_s).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    return True


def require_http(url: str, kind: str) -> str:
    """`url` itself; UsageError where it is not one of HTTP."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError(f"{url!r} is not the address of a {kind} daemon", 'Write url = "http://127.0.0.1:PORT" under [client].')
    return url
