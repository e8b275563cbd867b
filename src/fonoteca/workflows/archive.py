"""An archive on disk: its settings, databases and folders, opened together."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from fonoteca.catalogue import Catalogue, picture_id_of, refresh_scores
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import DatabaseError, NotFoundError, UsageError, translate_os_errors
from fonoteca.ground.files import lock_folder, write_atomically
from fonoteca.ground.settings import SETTINGS_FILE, Settings, read_settings, render_template
from fonoteca.ground.workers import count_cores
from fonoteca.integrity import Ledger, create_key, show_path

CATALOGUE, LEDGER = "catalogue.sqlite3", "ledger.sqlite3"
FOLDERS = ("containers", "originals", "pictures", "staging", "signing")


class Archive:
    """Everything a workflow needs of one archive. `now` gives Unix seconds."""

    def __init__(self, path: Path, settings: Settings, catalogue: Catalogue, ledger: Ledger) -> None:
        self.path = path
        self.settings = settings
        self.catalogue = catalogue
        self.ledger = ledger

    @property
    def containers(self) -> Path:
        """Metadata files and data folders, immutable."""
        return self.path / "containers"

    @property
    def originals(self) -> Path:
        """Sources as they came, where --keep-originals asked for it."""
        return self.path / "originals"

    @property
    def pictures(self) -> Path:
        """Distinct covers that wait for their container, by public id."""
        return self.path / "pictures"

    @property
    def staging(self) -> Path:
        """What is being written; a killed run leaves its work here and the next goes on."""
        return self.path / "staging"

    @property
    def release(self) -> Path:
        """What is published."""
        return self.path / "release"

    @property
    def key_file(self) -> Path:
        """The secret key that signs releases."""
        return self.path / self.settings.signing.key_file

    def picture_file(self, id: str) -> Path:
        """Where a distinct cover waits, by its public id."""
        return self.pictures / id[:2] / id

    def waiting_pictures(self) -> Iterator[tuple[str, str]]:
        """SHA-256 and public id of each cover that waits for its container."""
        for sha256 in self.catalogue.picture_hashes():
            id = picture_id_of(sha256)
            if self.picture_file(id).exists():
                yield sha256, id

    def collection(self, content: str, tier: str, *, is_public: bool) -> str:
        """The collection that holds this kind of member: mylabel_original_files, mylabel_dark_tail_files, mylabel_patches_records."""
        word = {"audio": tier, "cover": "covers", "patch": "patches"}[content]
        ending = "records" if content == "patch" else "files"
        return "_".join([self.settings.institution, *([] if is_public else ["dark"]), word, ending])

    def refresh_scores(self) -> None:
        """Scores that came from plays are those of the settings as they are now."""
        settings = self.settings.popularity
        refresh_scores(self.catalogue, round(settings.plays_at_1), round(settings.plays_at_100))

    @staticmethod
    def now() -> int:
        """Unix seconds; SOURCE_DATE_EPOCH holds the clock for builds that must be the same again."""
        held = os.environ.get("SOURCE_DATE_EPOCH")
        if held and not re.fullmatch(r"[0-9]{1,11}", held):
            raise UsageError(f"SOURCE_DATE_EPOCH is {held[:80]!r}", "Give seconds since 1970, or unset it to use the clock.")
        return int(held or time.time())


def init_archive(path: Path, name: str | None = None, *, dry_run: bool = False) -> Path:
    """Make an empty archive at `path`: archive.toml, catalogue, ledger, key. Refuses a folder that is one already or holds other things."""
    name = path.resolve().name[:200] if name is None else name
    if not _is_unicode(name) or not _is_unicode(str(path.absolute())):
        shown = show_path(os.fsencode(path))
        raise UsageError(f"{shown}, or its --name, is no UTF-8, which an archive needs", "Give a folder with another name.")
    if not 1 <= len(name) <= 200:
        raise UsageError(f"a name of {len(name)} characters cannot be used", "Give one of 1 to 200 characters with --name.")
    with translate_os_errors(path):
        _check_new(path)
        if dry_run:
            return path
        for folder in FOLDERS:
            (path / folder).mkdir(parents=True, exist_ok=True)
        (path / "signing").chmod(0o700)
        key_file = path / "signing" / "release.key"
        if not key_file.exists():
            create_key(key_file)
        Catalogue.create(path / CATALOGUE).close()
        Ledger.open(path / LEDGER).close()
        write_atomically(path / SETTINGS_FILE, render_template(name, _institution_of(name)))
    return path


def _check_new(path: Path) -> None:
    """What is here may be left by an earlier init that was killed, and nothing else: music in it would count as part of the archive."""
    if (path / SETTINGS_FILE).exists():
        raise UsageError(f"{path} is an archive already", f"Add music to it: fonoteca add FOLDER --archive {path}")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file", "Name a folder that is new or empty.")
    own = (*FOLDERS, CATALOGUE, LEDGER, SETTINGS_FILE)
    others = sorted(other.name for other in path.iterdir() if not other.name.startswith(own)) if path.is_dir() else []
    if others:
        raise UsageError(f"{path} is not empty: it holds {others[0]!r}", "Name a folder that is new or empty; music stays where it is.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _institution_of(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_name).strip("_")[:30].strip("_") or "archive"


@contextmanager
def open_archive(path: Path, purpose: str, *, read_only: bool = False) -> Iterator[Archive]:
    """The archive at `path`; a writer holds it alone, readers never wait."""
    settings = read_settings(path)
    Archive.now()  # what the environment says is looked at before anything is begun
    count_cores()
    if read_only:
        with _connected(path, settings, read_only=True) as archive:
            yield archive
        return
    with lock_folder(path, purpose), _connected(path, settings, read_only=False) as archive:
        for folder in FOLDERS:
            (path / folder).mkdir(exist_ok=True)
        yield archive


@contextmanager
def _connected(path: Path, settings: Settings, *, read_only: bool) -> Iterator[Archive]:
    for what in ("catalogue", "ledger"):
        _require_database(path / f"{what}.sqlite3", what)
    catalogue = Catalogue.open(path / CATALOGUE, read_only=read_only)
    try:
        ledger = Ledger.open(path / LEDGER, read_only=read_only)
        try:
            yield Archive(path, settings, catalogue, ledger)
        except apsw.Error as error:
            raise translate_database_error(error, ledger.path) from error
        finally:
            ledger.close()
    finally:
        catalogue.close()


def _require_database(path: Path, what: str) -> None:
    """Never begin an archive anew in place of one that was lost: SQLite would make the file."""
    hint = "Put it back from a copy; fonoteca verify proves the rest."
    if not path.is_file():
        raise NotFoundError(f"there is no {what} at {path}", hint)
    if not path.stat().st_size:
        raise DatabaseError(f"the {what} at {path} is empty", hint)
