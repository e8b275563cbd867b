"""Rights beside the music: FILE.rights next to a file, RIGHTS in a folder, and which statement goes before which."""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.ground.things import Tags
from fonoteca.rights.licences import Licence
from fonoteca.rights.statements import freedom, read_statement, read_statements

StatementSource = Literal["sidecar", "metadata", "tag", "folder", "option"]
STATEMENT_ORDER: tuple[StatementSource, ...] = ("sidecar", "metadata", "tag", "folder", "option")
"""Strongest first: FILE.rights, --metadata, the tags, RIGHTS in the nearest folder, --rights."""

_LONGEST_SIDECAR = 64 << 10
_FOLDERS_REMEMBERED = 4096


class RightsStatement(msgspec.Struct, frozen=True):
    """A statement as given, where it was read, and the attribution that came with it; each of several values must be understood."""

    values: tuple[str, ...]
    source: StatementSource
    attribution: str | None = None

    @property
    def text(self) -> str:
        """Its values as one text."""
        return "; ".join(self.values)

    @property
    def licence(self) -> Licence | None:
        """What it says, by the table of licences."""
        return read_statements(self.values)


def read_sidecar(path: Path, source: StatementSource = "sidecar") -> RightsStatement | None:
    """The statement in one sidecar: its first line that is not empty; the next such line is the attribution.

    None where there is no such file. One that is empty, unreadable, no regular file or over 64 kB is a statement that no table
    knows, so that it denies instead of letting a weaker one speak.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return None  # no such file can be
        return RightsStatement((f"unreadable: {path.name}",), source)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return RightsStatement((f"no regular file: {path.name}",), source)
        content = os.read(handle, _LONGEST_SIDECAR + 1)
    except OSError:
        return RightsStatement((f"unreadable: {path.name}",), source)
    finally:
        os.close(handle)
    return _statement(content, path.name, source)


def _statement(content: bytes, name: str, source: StatementSource) -> RightsStatement:
    if len(content) > _LONGEST_SIDECAR:
        return RightsStatement((f"over 64 kB: {name}",), source)
    lines = [line.strip() for line in content.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    return RightsStatement((lines[0] if lines else f"empty: {name}",), source, lines[1] if len(lines) > 1 else None)


class Sidecars:
    """Sidecars under the folders that were added; remembers the last few thousand folders."""

    def __init__(self, top: Path | None = None) -> None:
        """`top`: the highest folder that is asked for RIGHTS; None asks only the file's own."""
        self._top = top
        self._folders: OrderedDict[Path, RightsStatement | None] = OrderedDict()

    def of_file(self, path: Path) -> RightsStatement | None:
        """What FILE.rights beside `path` says."""
        return read_sidecar(path.with_name(path.name + ".rights"))

    def of_folder(self, path: Path) -> RightsStatement | None:
        """What RIGHTS in the nearest folder above `path` says, up to the top."""
        return self._of(path.parent)

    def _of(self, folder: Path) -> RightsStatement | None:
        if folder in self._folders:
            self._folders.move_to_end(folder)
            return self._folders[folder]
        found = read_sidecar(folder / "RIGHTS", "folder")
        if found is None and self._top is not None and folder != self._top and self._top in folder.parents:
            found = self._of(folder.parent)
        self._folders[folder] = found
        if len(self._folders) > _FOLDERS_REMEMBERED:
            self._folders.popitem(last=False)
        return found


def read_tag_statement(tags: Tags) -> RightsStatement | None:
    """What a file's tags say: `license`, else a `copyright` or `comment` that is a statement as a whole; else None.

    Each value of `license` is read by itself; one that is not known denies.
    """
    values = tuple(value for value in tags.get("license", ()) if value.strip())
    if values:
        return RightsStatement(values, "tag")
    for name in ("copyright", "comment"):
        for value in tags.get(name, ()):
            if read_statement(value):
                return RightsStatement((value,), "tag")
    return None


def strongest_statement(statements: Sequence[RightsStatement | None]) -> RightsStatement | None:
    """The statement that goes before the others by STATEMENT_ORDER, known or not; None where there is none."""
    given = [statement for statement in statements if statement is not None]
    return min(given, key=lambda statement: STATEMENT_ORDER.index(statement.source)) if given else None


def strictest_statement(statements: Sequence[RightsStatement]) -> RightsStatement | None:
    """Of statements about copies of one thing the one that permits least: one that nobody knows, else by its licence; None for none."""

    def rank(statement: RightsStatement) -> tuple[bool, tuple[int, bool, bool, str] | tuple[()]]:
        licence = statement.licence
        return licence is not None, freedom(licence) if licence else ()

    return min(statements, key=rank, default=None)
