"""The roster of a source, which its publisher signs apart from releases: taken when it is newer and fits, else the one before stays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from fonoteca.ground.errors import FonotecaError, NotFoundError
from fonoteca.ground.files import write_atomically
from fonoteca.integrity import PublicKey, read_public_key
from fonoteca.integrity.mirror_ledger_rows import MirrorSource
from fonoteca.placement import LARGEST_ROSTER_BYTES
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_origin import Origin
from fonoteca.workflows.roster_files import ROSTER_FILES, read_signed_roster


def take_roster(mirror: Mirror, source: MirrorSource, origin: Origin) -> MirrorSource:
    """The source with the serial number of the roster that now lies in its folder; without one, or where nothing is new, as it was.

    SignatureError where one was offered that does not fit or is older.
    """
    folder = mirror.release_of(source)
    if source.is_in_place:
        return _with_serial(source, folder)
    try:
        offered = {name: origin.read(name, LARGEST_ROSTER_BYTES) for name in ROSTER_FILES}
    except NotFoundError:
        return source
    if all((folder / name).is_file() and (folder / name).read_bytes() == content for name, content in offered.items()):
        return _with_serial(source, folder)
    staged = mirror.staging / "lists" / "roster"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for name, content in offered.items():
        (staged / name).write_bytes(content)
    serial = read_signed_roster(staged, _key(source), source.roster_serial).serial
    for name in ROSTER_FILES:
        write_atomically(folder / name, offered[name])
    shutil.rmtree(staged)
    return msgspec.structs.replace(source, roster_serial=serial)


def _with_serial(source: MirrorSource, folder: Path) -> MirrorSource:
    if not os.path.isfile(folder / ROSTER_FILES[0]):
        return source
    try:
        return msgspec.structs.replace(source, roster_serial=read_signed_roster(folder, _key(source), source.roster_serial).serial)
    except FonotecaError:
        return source


def _key(source: MirrorSource) -> PublicKey:
    return read_public_key(source.key)
