"""roster.json in a release folder: read with both its signatures, and checked by whoever verifies the release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fonoteca.ground.errors import FonotecaError, SignatureError, translate_os_errors
from fonoteca.ground.findings import Finding
from fonoteca.integrity import PublicKey, check_serial, read_public_key, verify_file
from fonoteca.placement import LARGEST_ROSTER_BYTES, ROSTER_FILE, ROSTER_NAMESPACE, Roster, read_roster

if TYPE_CHECKING:
    from fonoteca.workflows.mirror import Mirror

ROSTER_FILES = (ROSTER_FILE, ROSTER_FILE + ".sig", ROSTER_FILE + ".minisig")
"""What a release folder may hold beside what SHA256SUMS names."""


def read_signed_roster(folder: Path, key: PublicKey, last_serial: int | None = None) -> Roster:
    """The roster in a folder, signed twice by `key` and not older than `last_serial`; FormatError or SignatureError otherwise."""
    path = folder / ROSTER_FILE
    with translate_os_errors(path), open(path, "rb") as file:
        data = file.read(LARGEST_ROSTER_BYTES + 1)
    serial = verify_file(key, path, ROSTER_NAMESPACE)
    roster = read_roster(data, str(path))
    if roster.serial != serial:
        raise SignatureError(f"{path} says serial {roster.serial} and was signed for {serial}", "Do not trust it; fetch it again.")
    check_serial(serial, last_serial)
    return roster


def check_roster(folder: Path, key: PublicKey) -> list[Finding]:
    """What is wrong with the roster of a release folder; nothing where there is none."""
    lacking = [name for name in ROSTER_FILES if not (folder / name).is_file()]
    if len(lacking) == len(ROSTER_FILES):
        return []
    if lacking:
        return [Finding("missing", str(folder / name), "the roster and its two signatures stand or go together") for name in lacking]
    try:
        read_signed_roster(folder, key)
    except FonotecaError as error:
        return [Finding("bad-signature", str(folder / ROSTER_FILE), error.message)]
    return []


def rosters_of(mirror: Mirror) -> dict[str, Roster]:
    """The rosters of a mirror's sources, by source: each held to the source's key; those that do not fit are no rosters."""
    found = {}
    for source in mirror.ledger.sources():
        folder = mirror.release_of(source)
        if not source.key or not (folder / ROSTER_FILE).is_file():
            continue
        try:
            found[source.source] = read_signed_roster(folder, read_public_key(source.key), source.roster_serial)
        except FonotecaError:
            continue
    return found
