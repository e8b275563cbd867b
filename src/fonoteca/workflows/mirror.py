"""A mirror on disk: its settings, ledger and folders, opened together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import apsw

from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError, NotFoundError, UsageError, translate_os_errors
from fonoteca.ground.files import lock_folder, write_atomically
from fonoteca.ground.mirror_settings import MIRROR_FILE, MirrorSettings, find_mirror, read_mirror_settings, render_mirror_template
from fonoteca.ground.quantities import parse_bytes
from fonoteca.integrity import create_key
from fonoteca.integrity.mirror_ledger import MirrorLedger
from fonoteca.integrity.mirror_ledger_rows import MirrorFile, MirrorSource, MirrorTorrent
from fonoteca.workflows.archive import Archive

LEDGER = "ledger.sqlite3"
RELEASE_MARKS = ("SHA256SUMS", "release.json")
FOLDERS = ("held", "staging", "signing", "obsolete")

__all__ = ["Mirror", "find_mirror", "make_mirror", "open_mirror"]


class Mirror:
    """Everything a workflow needs of one mirror. `now` gives Unix seconds."""

    now = staticmethod(Archive.now)

    def __init__(self, path: Path, settings: MirrorSettings, ledger: MirrorLedger) -> None:
        self.path = path
        self.settings = settings
        self.ledger = ledger

    @property
    def held(self) -> Path:
        """One folder a source, each shaped like a release."""
        return self.path / "held"

    @property
    def staging(self) -> Path:
        """What is on the way, a folder for each kind of work."""
        return self.path / "staging"

    @property
    def key_file(self) -> Path:
        """The secret key that signs announcements and receipts."""
        return self.path / "signing" / "mirror.key"

    def release_of(self, source: MirrorSource | str) -> Path:
        """The folder shaped like a release: below held/, or where a source in place lies (never written to)."""
        found = self.ledger.source(source) if isinstance(source, str) else source
        if found is not None and found.is_in_place:
            return Path(found.location)
        return self.held / (found.source if found is not None else str(source))

    def containers_of(self, source: MirrorSource | str) -> Path:
        """Where the files of a source's torrents lie: what torrent clients have as the folder to save to."""
        return self.release_of(source) / "containers"

    def torrent_file(self, torrent: MirrorTorrent) -> Path:
        """The .torrent of a torrent."""
        return self.path / torrent.torrent_path

    def file_path(self, file: MirrorFile, torrent: MirrorTorrent) -> Path:
        """Where a file lies, or would."""
        return self.containers_of(torrent.source) / file.path

    def hold(self, work: str) -> AbstractContextManager[None]:
        """Be the only process that does this work ("run", "lists", "verify", "heal"); ArchiveBusyError tells who else does."""
        folder = self.staging / work
        folder.mkdir(parents=True, exist_ok=True)
        return lock_folder(folder, work)


def make_mirror(path: Path, name: str | None = None, budget: str = "", *, beside: tuple[str, ...] = ()) -> Path:
    """An empty mirror at `path`: mirror.toml, ledger, key. Refuses a folder that holds other things than an interrupted start left."""
    name = path.resolve().name[:200] if name is None else name
    if not 1 <= len(name) <= 200:
        raise UsageError(f"a name of {len(name)} characters cannot be used", "Give one of 1 to 200 characters with --name.")
    if budget:
        parse_bytes(budget)
    with translate_os_errors(path):
        _check_new(path)
        for folder in FOLDERS:
            (path / folder).mkdir(parents=True, exist_ok=True)
        (path / "signing").chmod(0o700)
        if not (path / "signing" / "mirror.key").exists():
            create_key(path / "signing" / "mirror.key")
        MirrorLedger.open(path / LEDGER).close()
        write_atomically(path / MIRROR_FILE, render_mirror_template(name, budget))
    return path


def _check_new(path: Path) -> None:
    if (path / MIRROR_FILE).exists():
        raise UsageError(f"{path} is a mirror already", f"Give it a source: fonoteca mirror add SOURCE --mirror {path}")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file", "Name a folder that is new or empty.")
    own = (*FOLDERS, LEDGER, MIRROR_FILE)
    outer = next((folder for folder in path.resolve().parents if all((folder / name).is_file() for name in RELEASE_MARKS)), None)
    if outer is not None:
        raise UsageError(f"{path} lies in the release {outer}", "Name a folder outside of it with --mirror.")
    others = sorted(name for name in os.listdir(path) if not name.startswith(own)) if path.is_dir() else []
    if others:
        raise UsageError(f"{path} is not empty: it holds {others[0]!r}", "Name a folder that is new or empty with --mirror.")


@contextmanager
def open_mirror(path: Path, *, read_only: bool = False) -> Iterator[Mirror]:
    """The mirror at `path`. Several processes may have it open; each kind of work is held by one: `Mirror.hold`."""
    settings = read_mirror_settings(path)
    ledger_path = path / LEDGER
    if not ledger_path.is_file():
        raise NotFoundError(
            f"there is no ledger at {ledger_path}",
            "Put it back from a copy; or make a new mirror beside this one and name this one's held/ under [heal] copies.",
        )
    if not ledger_path.stat().st_size:
        raise DatabaseError(f"the ledger at {ledger_path} is empty", "Put it back from a copy.")
    ledger = MirrorLedger.open(ledger_path, read_only=read_only)
    try:
        if not read_only:
            for folder in FOLDERS:
                (path / folder).mkdir(exist_ok=True)
        yield Mirror(path, settings, ledger)
    except apsw.Error as error:
        raise translate_database_error(error, ledger_path) from error
    finally:
        ledger.close()
