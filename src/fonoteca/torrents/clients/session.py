"""libtorrent sessions as a mirror needs them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import libtorrent as lt

from fonoteca import __version__
from fonoteca.ground.errors import TorrentFormatError, UsageError

_ALERTS = lt.alert_category.status | lt.alert_category.error | lt.alert_category.storage


def open_session(listen_host: str, listen_port: int, *, dht: bool) -> lt.session:
    """A session; without `dht` it speaks only to trackers, web seeds and the peers that it is told of.

    Measured with 2.1.1 (November 2026): peers that have nothing we want are kept, else widening a choice of files waits a minute for
    them; TCP was 11 to 24 times as fast as uTP on a LAN, so we dial by TCP; limits hold for neighbours, too.
    """
    settings: dict[str, Any] = {
        "listen_interfaces": f"{_bracketed(listen_host)}:{listen_port}",
        "user_agent": f"fonoteca/{__version__} libtorrent/{lt.__version__}",
        "enable_dht": dht, "enable_lsd": dht, "enable_upnp": dht, "enable_natpmp": dht,
        "enable_outgoing_utp": False,
        "close_redundant_connections": False,
        "allow_multiple_connections_per_ip": True,  # several mirrors behind one router
        "min_reconnect_time": 5, "max_failcount": 20,
        "unchoke_slots_limit": 64, "connections_limit": 1_000,
        "urlseed_wait_retry": 10, "urlseed_timeout": 15,
        "stop_tracker_timeout": 2,
        "alert_queue_size": 100_000,
        "alert_mask": _ALERTS,
        "webtorrent_stun_server": "",
    }  # fmt: skip
    session: lt.session = lt.session(settings)  # type: ignore[call-overload]
    everybody = lt.ip_filter()
    everybody.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
    everybody.add_rule("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1 << lt.session.global_peer_class_id)
    session.set_peer_class_filter(everybody)
    return session


def prepare_torrent(torrent: bytes, folder: str, trackers: Iterable[str] = ()) -> lt.add_torrent_params:
    """What is added to a session: runs at once, is never stopped by a queue, sparse files. TorrentFormatError where libtorrent takes it
    for no torrent."""
    try:
        parameters = lt.load_torrent_buffer(torrent)
    except RuntimeError as error:
        raise TorrentFormatError(f"libtorrent refuses the torrent: {error}", "Ask its publisher for a clean one.") from error
    parameters.save_path = folder
    parameters.storage_mode = lt.storage_mode_t.storage_mode_sparse
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if parameters.ti is None or not parameters.ti.priv():
        parameters.trackers = list(dict.fromkeys([*parameters.trackers, *trackers]))
    return parameters


def limit_session(session: lt.session, download: int | None, upload: int | None) -> None:
    """Bytes a second; None: no limit."""
    download_rate, upload_rate = (0 if rate is None else max(rate, 1) for rate in (download, upload))
    session.apply_settings({"download_rate_limit": download_rate, "upload_rate_limit": upload_rate})


def read_peer(peer: str) -> tuple[str, int]:
    """Host and port of "host:port", "[v6]:port"; UsageError where it is neither."""
    host, _, port = peer.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise UsageError(f"{peer!r} is no peer", 'Write "host:port".')
    return host.strip("[]"), int(port)


def find_addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Every address of a host, none where its name is not known now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys((str(address[0]), port) for *_, address in found))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
