"""Putting good bytes in the place of bad ones: synced first, by one rename; the bad ones are set aside until that is recorded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fonoteca.ground.errors import translate_os_errors
from fonoteca.ground.files import reflink_or_copy, sync_folder

MEMBER_MODE = 0o444
LIST_MODE = 0o644


class Workbench:
    """A staging folder: `new/` for bytes on the way, `bad/` for what was replaced, `strangers/` for what is on no list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new, self.bad, self.strangers = folder / "new", folder / "bad", folder / "strangers"

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
                link_twin(path, twin, good.with_name(good.name + ".link"))
        return aside

    def _set_aside(self, path: Path, name: str) -> Path | None:
        if not os.path.lexists(path):
            return None
        aside = self.bad / name
        aside.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(path, aside)
            return aside
        aside.unlink(missing_ok=True)
        os.link(path, aside, follow_symlinks=False)
        return aside

    def move_stranger(self, path: Path, name: str) -> Path:
        """Move a file that is on no list out of the way; gives where it is now."""
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


def link_twin(path: Path, twin: Path, way: Path) -> None:
    """Make `twin` a link to the file at `path`, by one rename; `way` is a free name on the same file system."""
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
