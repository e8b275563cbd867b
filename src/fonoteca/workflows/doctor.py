"""What around an archive or a mirror keeps it from doing its work: disk, databases, key, and the settings of the torrent client."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

from fonoteca.ground.errors import DatabaseError, FonotecaError, NotFoundError
from fonoteca.ground.findings import Finding
from fonoteca.ground.mirror_settings import MIRROR_FILE, split_address
from fonoteca.ground.quantities import format_bytes
from fonoteca.ground.settings import read_settings
from fonoteca.integrity import load_key
from fonoteca.torrents.clients import ClientSettings, open_client
from fonoteca.workflows.archive import CATALOGUE, FOLDERS
from fonoteca.workflows.archive import LEDGER as ARCHIVE_LEDGER
from fonoteca.workflows.mirror import LEDGER, Mirror, open_mirror
from fonoteca.workflows.mirror_client import LISTENING, client_options

_FREE_PART, _FREE_BYTES = 0.02, 1_000_000_000
_BUSY_MS = 2_000


class Diagnosis(msgspec.Struct, frozen=True):
    """What was looked at, the client's own answers (None for an archive, or where it did not answer), and what is wrong."""

    place: str
    kind: str
    free_bytes: int
    needed_bytes: int
    client: ClientSettings | None
    findings: list[Finding]


def examine(place: Path, *, outside: bool = False) -> Diagnosis:
    """Look at the archive or mirror at `place`; nothing is changed. `outside` lets a client ask its makers whether its port is open."""
    return examine_mirror(place, outside=outside) if (place / MIRROR_FILE).is_file() else examine_archive(place)


def examine_archive(path: Path) -> Diagnosis:
    """Disk, key, folders and databases of an archive."""
    settings = read_settings(path)
    findings = [
        *judge_disk(path, shutil.disk_usage(path), 0),
        *_judge_folders(path, [path / name for name in FOLDERS]),
        *_judge_key(path / settings.signing.key_file),
        *_judge_database(path / CATALOGUE),
        *_judge_database(path / ARCHIVE_LEDGER),
    ]
    return Diagnosis(str(path), "archive", shutil.disk_usage(path).free, 0, None, findings)


def examine_mirror(path: Path, *, outside: bool = False) -> Diagnosis:
    """Those of a mirror, and its torrent client."""
    findings = [*_judge_folders(path, [path / "held", path / "staging"]), *_judge_key(path / "signing" / "mirror.key")]
    findings += _judge_database(path / LEDGER)
    client, needed = None, 0
    try:
        with open_mirror(path, read_only=True) as mirror:
            needed = _still_to_come(mirror)
            client, told = _ask_client(mirror, outside=outside)
            findings += told
    except (DatabaseError, NotFoundError) as error:
        if not any(finding.path == str(path / LEDGER) for finding in findings):
            findings.append(Finding("bad-database", str(path / LEDGER), error.message))
    findings += judge_disk(path, shutil.disk_usage(path), needed)
    return Diagnosis(str(path), "mirror", shutil.disk_usage(path).free, needed, client, findings)


def judge_disk(path: Path, usage: shutil._ntuple_diskusage, needed_bytes: int) -> Iterator[Finding]:
    """A finding where less stays free than is still to come, and a little more."""
    reserve = min(int(usage.total * _FREE_PART), _FREE_BYTES)
    if usage.free < needed_bytes + reserve:
        still = f", {format_bytes(needed_bytes)} are still to come" if needed_bytes else ""
        yield Finding("disk-nearly-full", str(path), f"{format_bytes(usage.free)} of {format_bytes(usage.total)} are free{still}")


def judge_client(client: ClientSettings, where: str) -> Iterator[Finding]:
    """What of a client's settings harms a mirror."""
    if client.preallocation:
        yield Finding("preallocation", where, f"{client.name} preallocates files")
    if client.incomplete_folder:
        yield Finding("incomplete-elsewhere", where, f"{client.name} keeps unfinished files in {client.incomplete_folder}")
    if client.partial_suffix:
        yield Finding("incomplete-elsewhere", where, f"{client.name} lets the names of unfinished files end in {client.partial_suffix}")
    if client.queueing:
        yield Finding("queueing", where, f"{client.name}: {client.queueing}")
    if client.stops_seeding:
        yield Finding("stops-seeding", where, f"{client.name} stops {client.stops_seeding}")
    if client.port_open is False:
        yield Finding("port-closed", where, f"{client.name} cannot be reached on port {client.listen_port}")


def _judge_folders(place: Path, folders: list[Path]) -> Iterator[Finding]:
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        yield Finding("not-writable", str(place), "the file system is mounted read-only")
        return
    for folder in (place, *folders):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            yield Finding("not-writable", str(folder), "this user may not write it")


def _judge_key(path: Path) -> Iterator[Finding]:
    try:
        load_key(path)
    except FonotecaError as error:
        yield Finding("bad-key", str(path), error.message)


def _judge_database(path: Path) -> Iterator[Finding]:
    """Whether it is there, whole (quickly) and can be written; another process that is writing just now is no hindrance."""
    if not os.path.lexists(path):
        yield Finding("missing", str(path), "there is no such database")
        return
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(_BUSY_MS)
            connection.execute("BEGIN IMMEDIATE").fetchall()
            connection.execute("ROLLBACK").fetchall()
        finally:
            connection.close()
    except apsw.BusyError:
        return
    except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError) as error:
        yield Finding("not-writable", str(path), str(error))
    except apsw.Error as error:
        yield Finding("bad-database", str(path), str(error))


def _still_to_come(mirror: Mirror) -> int:
    """Bytes of chosen torrents that are not on the disk yet."""
    total = 0
    for torrent in mirror.ledger.torrents(states=("wanted", "fetching")):
        for file in mirror.ledger.files_of(torrent.infohash):
            if torrent.selection is None or file.path.split("/", 1)[-1] in torrent.selection:
                total += max(file.size - _blocks_of(mirror.file_path(file, torrent)), 0)
    return total


def _blocks_of(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0


def _ask_client(mirror: Mirror, *, outside: bool) -> tuple[ClientSettings | None, list[Finding]]:
    choice = mirror.settings.client
    if choice.kind == "embedded":
        return _look_at_embedded(mirror)
    try:
        client = open_client(client_options(mirror))
        try:
            settings = client.settings()
            if outside and (is_open := getattr(client, "ask_outside", lambda: None)()) is not None:
                settings = msgspec.structs.replace(settings, port_open=is_open)
        finally:
            client.close()
    except FonotecaError as error:
        return None, [Finding("no-client", choice.url or choice.kind, error.message)]
    return settings, list(judge_client(settings, choice.url))


def _look_at_embedded(mirror: Mirror) -> tuple[ClientSettings, list[Finding]]:
    """While a run has the client, its port must answer; else it must be free."""
    listen = mirror.ledger.value(LISTENING) if _is_running(mirror) else ""
    address = listen or mirror.settings.client.listen
    host, port = split_address(address)
    is_open = _answers(host, port) if listen else None
    settings = ClientSettings(name="embedded", listen_port=port or None, port_open=is_open, preallocation=False)
    findings = list(judge_client(settings, address))
    if not listen and (fact := _why_not_free(host, port)):
        findings.append(Finding("port-closed", address, fact))
    return settings, findings


def _is_running(mirror: Mirror) -> bool:
    """Whether a run holds the mirror; looked at without taking it."""
    try:
        with open(mirror.staging / "run" / ".lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1" if host in ("0.0.0.0", "") else host, port), 2).close()
    except OSError:
        return False
    return True


def _why_not_free(host: str, port: int) -> str:
    """Why the embedded client could not listen there; "" where it could."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"another program listens on port {port}, so the embedded client cannot"
        return f"the embedded client cannot listen there: {error.strerror or error}"
    return ""
