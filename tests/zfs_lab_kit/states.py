"""Saved states of the running guest, made one from the other: booted, a pool made, Fonoteca imported."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zfs_lab_kit.build import build_lab
from zfs_lab_kit.parts import KIT, choose_lab_cache, hash_of, identity, keep_part
from zfs_lab_kit.wheels import compile_tree

if TYPE_CHECKING:
    from zfs_lab import Guest

SOURCE = KIT.parent.parent / "src" / "fonoteca"
PRELOADED = ("fonoteca.cli.run", "fonoteca.pools", "fonoteca.workflows.pool", "fonoteca.cli.pool_")
"""Modules whose names start so are imported in the saved state; the others when a command needs them."""


class Recipe(NamedTuple):
    """A state to start tests from: `prepare` makes it of the one named `after`; none is the boot, with `disks`."""

    name: str
    after: Recipe | None = None
    disks: int = 0
    prepare: Callable[[Guest], None] | None = None


_found: dict[str, Path] = {}
"""By recipe: a run of tests keeps to the source that it began with."""


def find_state(recipe: Recipe, open_guest: Callable[..., Guest]) -> Path:
    """The folder of a saved state of `recipe` with this checkout's Fonoteca in it, made where it is not there."""
    if recipe.name not in _found or not _found[recipe.name].is_dir():
        _found[recipe.name] = _make_ready(recipe, open_guest)
    return _found[recipe.name]


def _make_ready(recipe: Recipe, open_guest: Callable[..., Guest]) -> Path:
    image, system = build_lab()
    before = _find_plain(recipe, image, open_guest)

    def make(folder: Path) -> None:
        with contextlib.closing(open_guest(image, disks=recipe.disks, state=before)) as guest:
            _deliver_source(guest, system, folder)
            guest.machine.save(folder)

    return keep_part(choose_lab_cache(), f"ready-{recipe.name}", hash_of(identity(before), SOURCE), make, others=4)


def _find_plain(recipe: Recipe, image: Path, open_guest: Callable[..., Guest]) -> Path:
    """The state without Fonoteca: it changes only with the lab."""
    before = _find_plain(recipe.after, image, open_guest) if recipe.after else None
    emulator = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    code = recipe.prepare.__code__.co_code.hex() + repr(recipe.prepare.__code__.co_consts) if recipe.prepare else ""
    key = hash_of(identity(before or image), emulator, KIT / "machine.py", KIT / "states.py", recipe.name, str(recipe.disks), code)

    def make(folder: Path) -> None:
        with contextlib.closing(open_guest(image, disks=recipe.disks, state=before)) as guest:
            if recipe.prepare:
                recipe.prepare(guest)
            guest.wait_until("test -S /run/fonoteca.socket")  # it has imported all that is not ours
            guest.run("sync; echo 3 > /proc/sys/vm/drop_caches")
            guest.machine.save(folder)

    return keep_part(choose_lab_cache(), f"state-{recipe.name}", key, make)


def _deliver_source(guest: Guest, system: Path, work: Path) -> None:
    """Fonoteca as it is in this checkout, compiled, into the guest's memory; and imported there."""
    tree = Path(tempfile.mkdtemp(prefix="source-", dir=work)) / "src"
    shutil.copytree(SOURCE, tree / "fonoteca", ignore=shutil.ignore_patterns("__pycache__"))
    compile_tree(tree, "/run/fonoteca/src", system, work / "log")
    guest.put_tree(tree, "/run/fonoteca/src")
    names = sorted(".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__") for path in tree.rglob("*.py"))
    chosen = [name for name in names if name.startswith(PRELOADED)]
    guest.load_fonoteca("/run/fonoteca/src", chosen)
    shutil.rmtree(tree.parent)


def pack_tree(folder: Path) -> bytes:
    """A tar of what is in `folder`, owned by root; names of one file stay names of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(os.listdir(folder)):
            archive.add(folder / name, name, filter=_as_root)
    return buffer.getvalue()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
