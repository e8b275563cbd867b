"""Putting good bytes in the place of bad ones: synced first, by one rename; the bad ones are set aside until that is recorded."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fonoteca.ground.errors import AccessError, ClientError, DiskFullError, FonotecaError, ProgramError, translate_os_errors
from fonoteca.ground.files import reflink_or_copy, sync_folder

MEMBER_MODE = 0o444
LIST_MODE = 0o644
READ_ONLY_HINT = "Mount it so that it can be written. fonoteca verify reads everything, and writes nothing."
_NOTHING_CAN_BE_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_LEAST_ROOM, _MOST_TRIED = 1 << 20, 64 << 20
_WORDS_OF_OTHERS = ("no space left on device", "remaining disk space", "disk quota exceeded", "read-only file system")


class Workbench:
    """A staging folder: `new/` for bytes on the way, `bad/` for what was replaced, `strangers/` for what is on no list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new, self.bad, self.strangers = folder / "new", folder / "bad", folder / "strangers"
        self.moved_folders: list[Path] = []

    def open(self) -> None:
        """Take away what a killed run left on the way; what it set aside stays until its files are good."""
        with translate_os_errors(self.folder):
            shutil.rmtree(self.new, ignore_errors=True)
            for folder in (self.new, self.bad):
                folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Every mend is recorded: nothing that was set aside is needed any more. Strangers stay for their owner to look at."""
        shutil.rmtree(self.new, ignore_errors=True)
        shutil.rmtree(self.bad, ignore_errors=True)
        for folder in (self.strangers, self.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def target(self, number: int) -> Path:
        """A place for the bytes of one attempt."""
        path = self.new / str(number)
        path.unlink(missing_ok=True)
        return path

    def require_room(self, size: int) -> None:
        """OSError where this many bytes could not be written now; asked before a file is called lost."""
        size = min(max(size, _LEAST_ROOM), _MOST_TRIED)
        path = self.new / "room"
        try:
            with open(path, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if ends_the_run(error):
                raise
        finally:
            path.unlink(missing_ok=True)

    def write(self, path: Path, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        """Bytes that were made."""
        with translate_os_errors(path), open(path, "wb") as file:
            file.writelines(parts)

    def copy(self, source: Path, path: Path) -> None:
        """Bytes that lie elsewhere. OSError where they cannot be read."""
        reflink_or_copy(source, path)

    def place(self, good: Path, path: Path, name: str, twins: Sequence[Path], *, mode: int) -> Path | None:
        """Put proved bytes at `path` and link its twins to them; gives where the bad ones are, if there were any.

        A kill in between leaves the bad bytes or the good ones under each name, never anything else.
        """
        with translate_os_errors(path):
            os.chmod(good, mode)
            _sync(good)
            _make_folder(path.parent)
            aside = self._set_aside(path, name)
            os.replace(good, path)
            sync_folder(path.parent)
        for twin in twins:
            self.link(path, twin, f"release/{name}", good.with_name(good.name + ".link"))
        return aside

    def link(self, path: Path, twin: Path, name: str, way: Path) -> None:
        """Make `twin`, which has this `name`, a link to the good file at `path`; `way` is a free name for it meanwhile."""
        with translate_os_errors(twin):
            if _is_folder(twin):
                self.moved_folders.append(self.move_stranger(twin, name))
            _link_twin(path, twin, way)

    def _set_aside(self, path: Path, name: str) -> Path | None:
        if not os.path.lexists(path):
            return None
        if _is_folder(path):  # what is in it is somebody's: it is never deleted
            self.moved_folders.append(self.move_stranger(path, name))
            return None
        aside = self.bad / name
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        os.link(path, aside, follow_symlinks=False)
        return aside

    def move_stranger(self, path: Path, name: str) -> Path:
        """Move a file that is on no list, or a folder in the place of a file, out of the way; gives where it is now."""
        target = self.strangers / name
        number = 0
        while os.path.lexists(target):
            number += 1
            target = self.strangers / f"{name}.{number}"
        with translate_os_errors(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, target)
            sync_folder(target.parent)
            sync_folder(path.parent)
        return target


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def ends_the_run(error: BaseException) -> bool:
    """Whether nothing at all can be written any more, so that no file is to blame: no room, no quota, mounted read-only."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DiskFullError) or (isinstance(cause, OSError) and cause.errno in _NOTHING_CAN_BE_WRITTEN):
            return True
        cause = cause.__cause__
    return isinstance(error, (ClientError, ProgramError)) and any(words in str(error).lower() for words in _WORDS_OF_OTHERS)


def told_for_all(error: BaseException, place: Path) -> FonotecaError:
    """The same as an error of the whole run, with the way out; damaged files stay damaged and are tried again by the next run."""
    words = str(error).lower()
    if "read-only file system" in words:
        return AccessError(f"{place} is mounted read-only, so nothing can be mended", READ_ONLY_HINT)
    if isinstance(error, DiskFullError):
        return error
    return DiskFullError(
        f"no room left to mend at {place} ({getattr(error, 'message', error)})",
        "Free some space (df -h and quota show where) and run fonoteca heal again: it goes on, and nothing is called lost.",
    )


def _link_twin(path: Path, twin: Path, way: Path) -> None:
    """By one rename; `way` is on the same file system."""
    _make_folder(twin.parent)
    way.unlink(missing_ok=True)
    os.link(path, way)
    os.replace(way, twin)
    way.unlink(missing_ok=True)  # a rename between two links of one file does nothing
    sync_folder(twin.parent)


def _make_folder(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


Prove = Callable[[Path], bool]
