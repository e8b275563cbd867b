"""The roster of mirrors: kept by the publisher in the release folder, under signatures and a serial number of its own."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime

import msgspec

from fonoteca.ground.errors import SignatureError, UsageError, translate_os_errors
from fonoteca.ground.files import sync_folder, write_atomically
from fonoteca.integrity import PublicKey, SigningKey, follow_rotations, load_key, read_public_key, sign_file
from fonoteca.placement import ROSTER_FILE, ROSTER_NAMESPACE, Roster, RosterMirror, add_mirror, write_roster
from fonoteca.placement import remove_mirror as without_mirror
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.roster_files import ROSTER_FILES, read_signed_roster


def roster_of(archive: Archive) -> Roster:
    """The archive's roster, held to its key; an empty one where none was made. Writes nothing."""
    if (archive.staging / "roster").is_dir():
        raise UsageError("a change of the roster was stopped half-way", "Finish it with: fonoteca publish")
    if not (archive.release / ROSTER_FILE).exists():
        return Roster(institution=archive.settings.institution)
    return read_signed_roster(archive.release, load_key(archive.key_file).public)


def add_to_roster(archive: Archive, mirror: RosterMirror, *, dry_run: bool = False) -> Roster:
    """The roster with one more mirror, or with new facts of one that is on it; signed and in place."""
    key = read_public_key(mirror.key)
    mirror = msgspec.structs.replace(mirror, key=key.minisign_text, since=mirror.since or archive.now())
    return _keep(archive, add_mirror(_changeable(archive, dry_run), mirror, _today(archive)), dry_run)


def remove_from_roster(archive: Archive, name: str, *, dry_run: bool = False) -> Roster:
    """The roster after a mirror has left it; signed and in place."""
    return _keep(archive, without_mirror(_changeable(archive, dry_run), name, archive.now(), _today(archive)), dry_run)


def sign_roster_again(archive: Archive) -> None:
    """A roster that an earlier key signed gets the present one's signature; `publish` sees to it. Does nothing where it fits."""
    finish_roster(archive)
    if not (archive.release / ROSTER_FILE).exists():
        return
    key = load_key(archive.key_file)
    try:
        read_signed_roster(archive.release, key.public)
    except SignatureError:
        old = _earlier_key(archive, key)
        if old is None:
            raise
        roster = read_signed_roster(archive.release, old)
        _keep(archive, msgspec.structs.replace(roster, serial=roster.serial + 1, date=_today(archive)), dry_run=False)


def finish_roster(archive: Archive) -> None:
    """Put in place what a stopped run left signed and ready."""
    ready = archive.staging / "roster"
    if not ready.is_dir():
        return
    with translate_os_errors(archive.release):
        for name in ROSTER_FILES:
            if (ready / name).exists():
                os.replace(ready / name, archive.release / name)
        sync_folder(archive.release)
        shutil.rmtree(ready)


def _changeable(archive: Archive, dry_run: bool) -> Roster:
    if not (archive.release / "SHA256SUMS").is_file():
        raise UsageError("nothing was published yet, so there is nothing to mirror", "Publish first with: fonoteca publish")
    if not dry_run:
        finish_roster(archive)
    return roster_of(archive)


def _keep(archive: Archive, roster: Roster, dry_run: bool) -> Roster:
    """Signed beside, ready by one rename, put in place by three; a stopped run is finished by the next."""
    if dry_run:
        return roster
    partial = archive.staging / "roster.partial"
    with translate_os_errors(partial):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write_atomically(partial / ROSTER_FILE, write_roster(roster))
        sign_file(load_key(archive.key_file), partial / ROSTER_FILE, serial=roster.serial, namespace=ROSTER_NAMESPACE)
        os.rename(partial, archive.staging / "roster")
        sync_folder(archive.staging)
    finish_roster(archive)
    return roster


def _earlier_key(archive: Archive, present: SigningKey) -> PublicKey | None:
    """The key that the present one follows, by the statements in the release."""
    for path in sorted(archive.release.glob("key-rotation-*.txt"), reverse=True):
        fields = dict(line.split(": ", 1) for line in path.read_text("utf-8", "replace").splitlines() if ": " in line)
        old = read_public_key(fields.get("old", ""))
        if follow_rotations(old, [path]).raw == present.public.raw:
            return old
    return None


def _today(archive: Archive) -> str:
    return datetime.fromtimestamp(archive.now(), UTC).strftime("%Y-%m-%d")
