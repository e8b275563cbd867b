"""The torrent client of a mirror, as its settings ask for it."""

from __future__ import annotations

import time
from pathlib import Path

from fonoteca.ground.errors import SettingsError
from fonoteca.ground.mirror_settings import optional_bytes, split_address
from fonoteca.integrity.windows import Hours
from fonoteca.torrents.clients import ClientOptions, TorrentClient, open_client
from fonoteca.workflows.mirror import Mirror

LISTENING = "listening"
"""The name under which the ledger keeps host:port of the embedded client."""


def client_options(mirror: Mirror) -> ClientOptions:
    """What the settings say of the client; the password comes from its file."""
    settings = mirror.settings.client
    host, port = split_address(settings.listen)
    cache = mirror.staging / "client"
    cache.mkdir(parents=True, exist_ok=True)
    return ClientOptions(
        cache=cache, kind=settings.kind, url=settings.url, user=settings.user, password=_password(mirror.path, settings.password_file),
        listen_host=host, listen_port=port, dht=settings.dht, peers=settings.peers, trackers=settings.trackers,
    )  # fmt: skip


def _password(mirror: Path, name: str) -> str:
    if not name:
        return ""
    path = mirror / name
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"client.password_file: {path} cannot be read", "Put the password on its first line; chmod 600.") from error
    return lines[0].strip() if lines else ""


def open_mirror_client(mirror: Mirror) -> TorrentClient:
    """The client, its limits set and its address in the ledger."""
    client = open_client(client_options(mirror))
    limits = mirror.settings.limits
    client.limit(optional_bytes(limits.download), optional_bytes(limits.upload))
    port = client.settings().listen_port
    host = split_address(mirror.settings.client.listen)[0] if client.name == "embedded" else "127.0.0.1"
    with mirror.ledger.transaction():
        mirror.ledger.put_value(LISTENING, f"{host}:{port}" if port else "")
    return client


def may_fetch_now(mirror: Mirror, now: float | None = None) -> bool:
    """Whether the hours of [limits] let bytes in."""
    hours = Hours.parse(mirror.settings.limits.hours)
    return hours is None or hours.is_open(time.time() if now is None else now)
