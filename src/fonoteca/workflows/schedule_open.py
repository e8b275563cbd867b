"""Opening an archive or a mirror for a run of `verify --schedule`: beside other commands, one such run at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from fonoteca.catalogue import Catalogue
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import AccessError, DatabaseError, NotFoundError, UsageError
from fonoteca.ground.files import lock_folder
from fonoteca.ground.findings import Finding
from fonoteca.ground.mirror_settings import MIRROR_FILE, ProvingSettings
from fonoteca.ground.settings import SETTINGS_FILE, read_settings
from fonoteca.integrity import Ledger
from fonoteca.workflows.archive import CATALOGUE, LEDGER, Archive
from fonoteca.workflows.schedule_books import ArchiveBook
from fonoteca.workflows.verify import VerifyReport
from fonoteca.workflows.verify_archive import own_key
from fonoteca.workflows.verify_release import check_signatures
from fonoteca.workflows.verify_schedule import ScheduleBook


class OpenedBook(msgspec.Struct, frozen=True):
    """A book, what its owner calls it, its settings and key, and what is wrong with its signatures."""

    book: ScheduleBook
    name: str
    settings: ProvingSettings
    key_file: Path
    small_checks: tuple[Finding, ...] = ()


def what_is_proved(start: Path) -> Path:
    """The nearest folder from `start` upwards that is an archive or a mirror."""
    for folder in (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file() or (folder / MIRROR_FILE).is_file():
            return folder
    raise UsageError(
        f"there is no archive and no mirror at {start} or above it", "Name one with --archive DIR or --mirror DIR, or go into its folder."
    )


READ_ONLY_HINT = "It records what it reads. fonoteca verify, without --schedule, reads everything and writes nothing."


def require_writable(path: Path, hint: str) -> None:
    """AccessError with this way out where the file system of an archive or mirror is mounted read-only."""
    if path.is_dir() and os.statvfs(path).f_flag & os.ST_RDONLY:
        raise AccessError(f"{path} is mounted read-only", hint)


@contextmanager
def open_book(path: Path, purpose: str = "verify --schedule") -> Iterator[OpenedBook]:
    """The book of the archive or mirror at `path`; ArchiveBusyError where another such run is at work."""
    require_writable(path, READ_ONLY_HINT)
    if (path / SETTINGS_FILE).is_file():
        with lock_folder(path, purpose, ".lock-schedule"), _archive_book(path) as opened:
            yield opened
    elif (path / MIRROR_FILE).is_file():
        from fonoteca.workflows.schedule_mirror_book import open_mirror_book

        with open_mirror_book(path) as (book, name, settings, key_file, checks):
            yield OpenedBook(book, name, settings, key_file, tuple(checks))
    else:
        raise UsageError(f"{path} is no archive and no mirror", "Only these know when each byte was last read; fonoteca verify reads all.")


@contextmanager
def _archive_book(path: Path) -> Iterator[OpenedBook]:
    settings = read_settings(path)
    place = path / LEDGER
    if not place.is_file() or not place.stat().st_size:
        raise NotFoundError(f"there is no ledger at {place}", "Put it back from a copy; fonoteca verify proves the rest without it.")
    ledger = Ledger.open(place)
    catalogue = _catalogue_or_none(path / CATALOGUE)
    try:
        archive = Archive(path, settings, catalogue or _Unreadable(), ledger)  # type: ignore[arg-type]
        book = ArchiveBook(archive)
        checks = _check_signatures(archive)
        book.note_signatures(checks, archive.now())
        yield OpenedBook(book, settings.name, settings.proving, archive.key_file, tuple(checks))
    except apsw.Error as error:
        raise translate_database_error(error, place) from error
    finally:
        ledger.close()
        if catalogue is not None:
            catalogue.close()


def _check_signatures(archive: Archive) -> Sequence[Finding]:
    last = archive.ledger.last_release()
    if last is None or last.state != "done":
        return ()
    report = VerifyReport(what="release", path=str(archive.release))
    check_signatures(archive.release, report, own_key(archive, report), last.serial)
    return list(report.listed)


class _Unreadable:
    """Stands in for a catalogue that cannot be opened: its own proof tells."""

    def picture_hashes(self) -> Iterator[str]:
        raise DatabaseError("the catalogue cannot be opened")


def _catalogue_or_none(path: Path) -> Catalogue | None:
    try:
        return Catalogue.open(path, read_only=True)
    except (DatabaseError, apsw.Error, OSError):
        return None
