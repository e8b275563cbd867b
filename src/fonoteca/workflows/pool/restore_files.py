"""Single files, tracks and albums brought back from a snapshot: copied beside, proved by the ledger, then renamed into their place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.catalogue import Found
from fonoteca.catalogue.finding import find_albums
from fonoteca.catalogue.thing_reading import AlbumFacts
from fonoteca.ground.errors import NotFoundError, UsageError, translate_os_errors
from fonoteca.ground.files import reflink_or_copy
from fonoteca.ground.progress import Progress
from fonoteca.integrity import Container, Member
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.heal_archive import ArchiveHealBook
from fonoteca.workflows.heal_items import DamagedFile
from fonoteca.workflows.heal_places import sha256_of
from fonoteca.workflows.heal_placing import LIST_MODE, MEMBER_MODE, Workbench
from fonoteca.workflows.schedule_books import name_below

Result = Literal["restored", "planned", "good", "absent", "damaged", "in-the-way", "unrecorded"]
"""good: it was whole already. absent, damaged: so it is in the snapshot. in-the-way: another file is there, which is not replaced.

unrecorded: nobody knows what it should be, so it only goes into a folder beside the archive.
"""


class RestoredFile(msgspec.Struct, frozen=True):
    """What became of one file; `name` is its path below the archive."""

    name: str
    result: Result
    bytes: int = 0


class RestoredFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files that were asked for, each with what became of it."""

    snapshot: str
    into: str
    is_done: bool
    files: list[RestoredFile]

    @property
    def is_whole(self) -> bool:
        """Whether all of them are good now, or would be."""
        return all(file.result in ("restored", "planned", "good") for file in self.files)


def restore_files(
    archive: Archive, source: Path, snapshot: str, wanted: str, into: Path | None, progress: Progress, *, dry_run: bool
) -> RestoredFiles:
    """Bring back what `wanted` names from the archive at `source`, into the archive or beside it into a folder.

    Nothing that is good is touched, nothing that is not proved is put in place; run again it goes on.
    """
    names = list(names_of(archive, wanted, source))
    is_alone = len(names) == 1
    bench = Workbench(archive.staging / "restore")
    book = ArchiveHealBook(archive, dry_run=dry_run or into is not None)
    progress.start("restoring", len(names), "files")
    if not dry_run and into is None:
        bench.open()
    files = []
    for name in names:
        files.append(_restore(book, bench, source, name, into, dry_run=dry_run, is_alone=is_alone))
        progress.advance()
    progress.finish()
    if not dry_run and into is None:
        bench.close()
    return RestoredFiles(snapshot=snapshot, into=str(into or archive.path), is_done=not dry_run, files=files)


def _restore(
    book: ArchiveHealBook, bench: Workbench, source: Path, name: str, into: Path | None, *, dry_run: bool, is_alone: bool
) -> RestoredFile:
    file, good = book.file_named(name), source / name
    if (file is None or file.is_database) and into is None and not is_alone:
        return RestoredFile(name, "unrecorded")
    if file is None or file.is_database:
        return _restore_unproved(good, name, into, dry_run)
    size = file.size if file.size is not None else good.stat().st_size if good.is_file() else 0
    place = into / name if into is not None else file.path
    if book.is_good(file, place):
        return RestoredFile(name, "good", size)
    if into is not None and os.path.lexists(place):
        return RestoredFile(name, "in-the-way", size)
    if not good.is_file():
        return RestoredFile(name, "absent", size)
    if not book.is_good(file, good):
        return RestoredFile(name, "damaged", size)
    if not dry_run:
        _put_beside(good, place) if into is not None else _put_in_place(book, bench, file, good)
    return RestoredFile(name, "planned" if dry_run else "restored", size)


def _put_in_place(book: ArchiveHealBook, bench: Workbench, file: DamagedFile, good: Path) -> None:
    """Copied, read again, and by one rename in the place of what was there, the link of the release with it."""
    copy = bench.target(0)
    with translate_os_errors(copy):
        bench.copy(good, copy)
    if not book.is_good(file, copy):
        raise NotFoundError(
            f"{file.name} changed on its way from {good}", "The disks or the memory of this machine err: look at zpool status."
        )
    number = book.begin_mend(file, "snapshot", str(good))
    mode = LIST_MODE if file.is_list else MEMBER_MODE
    bench.place(copy, file.path, file.name, book.twins(file), mode=mode)
    book.mended(file, file.path.stat().st_mtime_ns, number, str(good))


def _put_beside(good: Path, place: Path) -> None:
    with translate_os_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        reflink_or_copy(good, place, is_ours=False)


def _restore_unproved(good: Path, name: str, into: Path | None, dry_run: bool) -> RestoredFile:
    """Settings, databases and what no ledger knows: only beside what is there, since nothing proves which one is right."""
    if into is None:
        raise UsageError(
            f"nobody recorded what {name} should be, so it is not put in the place of the present one", "Give --into FOLDER, and look."
        )
    if not good.is_file():
        return RestoredFile(name, "absent")
    place, size = into / name, good.stat().st_size
    if os.path.lexists(place):
        return RestoredFile(name, "good" if sha256_of(place) == sha256_of(good) else "in-the-way", size)
    if not dry_run:
        _put_beside(good, place)
    return RestoredFile(name, "planned" if dry_run else "restored", size)


# ---- what was named


def names_of(archive: Archive, wanted: str, source: Path | None = None) -> Iterator[str]:
    """Paths below the archive of what `wanted` names: a file or folder of it, a track, an album, a container. NotFoundError for nothing.

    A folder has the files that it has in `source`, the archive as it was; without one, those that it has now.
    """
    below = _name_of_path(archive, wanted, source or archive.path)
    if below is not None:
        yield from below
        return
    member = archive.ledger.member(wanted)
    if member is not None:
        yield _name_of(archive, member)
        return
    found = archive.catalogue.find(wanted)
    if found and found[0].kind == "artist":
        found = find_albums(archive.catalogue.statements, wanted)
    if not found:
        raise NotFoundError(
            f"nothing answers to {wanted[:200]!r}", "Give a path in the archive, a track, an album, an AACID, an ISRC or a container."
        )
    if len(found) > 1:
        listed = ", ".join(f"{thing.kind} {thing.id}" for thing in found[:5])
        raise NotFoundError(f"{len(found)} things answer to {wanted[:200]!r}: {listed}", "Give the id of one of them.")
    yield from _names_of_found(archive, found[0])


def _names_of_found(archive: Archive, found: Found) -> Iterator[str]:
    if found.kind == "container":
        container = archive.ledger.container(found.id)
        if container is not None:
            yield from _names_in(archive, container)
        return
    ids = [found.id] if found.kind == "track" else _tracks_of(archive, found)
    members = [member for id in ids if (member := archive.ledger.current_member(id)) is not None]
    if not members:
        raise NotFoundError(f"no file of {found.kind} {found.id} is in a container", "fonoteca show tells what is held of it.")
    for member in members:
        yield _name_of(archive, member)


def _tracks_of(archive: Archive, found: Found) -> list[str]:
    facts = archive.catalogue.facts_of(found)
    return [track.id for track in facts.tracks] if isinstance(facts, AlbumFacts) else []


def _name_of(archive: Archive, member: Member) -> str:
    container = archive.ledger.container(member.container)
    return f"containers/{container.data_folder if container and container.data_folder else member.container}/{member.aacid}"


def _names_in(archive: Archive, container: Container) -> Iterator[str]:
    yield f"containers/{container.metadata_file}"
    if container.data_folder:
        yield from (
            f"containers/{container.data_folder}/{member.aacid}" for member in archive.ledger.members_of(container.name) if member.sha256
        )


def _name_of_path(archive: Archive, wanted: str, source: Path) -> list[str] | None:
    """Names of a path below the archive, whether anything is there now or not; None where it is no such path."""
    if "/" not in wanted and not any((top / wanted).exists() for top in (archive.path, source)):
        return None
    for path in (Path.cwd() / wanted, archive.path / wanted):
        name = name_below(archive.path, str(path)).rstrip("/")
        if not name.startswith("../") and name not in ("..", ".", ""):
            break
    else:
        return None
    folder = name.removeprefix("containers/")
    container = next((one for one in archive.ledger.containers() if one.data_folder == folder), None)
    if container is not None and name != folder:
        return list(_names_in(archive, container))
    return _files_below(source, name) if (source / name).is_dir() else [name]


def _files_below(source: Path, name: str) -> list[str]:
    """Every plain file below a folder of the snapshot; links are not followed."""
    found = []
    for folder, _, files in os.walk(source / name):
        paths = (Path(folder, file) for file in files)
        found += [str(path.relative_to(source)) for path in paths if path.is_file() and not path.is_symlink()]
    if not found:
        raise NotFoundError(f"there is no file in {name} of the snapshot", "fonoteca pool snapshot --list shows others.")
    return sorted(found)
