"""The deltas of a release: what changed in the catalogue since the release before, so that mirrors need not fetch all of it again."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import msgspec
from backports import zstd

from fonoteca.catalogue.edition_apply import read_delta_header
from fonoteca.catalogue.edition_diff import write_delta
from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import read_checksums
from fonoteca.workflows.archive import CATALOGUE, Archive

FOLDER = "deltas"
_NAME = re.compile(r"catalogue-(\d{1,18})-(\d{1,18})\.jsonl\.zst")


def stage_deltas(archive: Archive, staged: Path, serial: int, progress: Progress) -> dict[str, str]:
    """Put the deltas of release `serial` into staging; gives the SHA-256 of each by its path in the release.

    The newest is made from the edition that the release folder still holds; a run that was killed after that was replaced finds the
    delta in place already. The same archive gives the same bytes. Without an edition to start from there is no delta.
    """
    count = archive.settings.publish.deltas
    before = _serial_before(archive, serial)
    if not count or before is None:
        return {}
    folder = staged / FOLDER
    folder.mkdir()
    newest = folder / f"catalogue-{before}-{serial}.jsonl.zst"
    _stage_newest(archive, staged, newest, progress)
    if not newest.exists() and not _stands(archive, staged):
        return {}  # no way leads here from where the others end
    last = newest if newest.exists() else None
    for name in _kept_deltas(archive, serial - count, before):
        if last is not None and _hides_names(last):
            break
        last = folder / name
        os.link(archive.release / FOLDER / name, last)
    return {f"{FOLDER}/{path.name}": _digest(path) for path in sorted(folder.iterdir())}


def _stands(archive: Archive, staged: Path) -> bool:
    """Whether the edition is the one of the release before."""
    before = archive.release / CATALOGUE
    return before.is_file() and _digest(before) == _digest(staged / CATALOGUE)


def _serial_before(archive: Archive, serial: int) -> int | None:
    statement = "SELECT max(serial) FROM releases WHERE serial < ? AND state = 'done'"
    found = next(archive.ledger.rows(statement, serial))[0]
    return None if found is None else int(found)


def _stage_newest(archive: Archive, staged: Path, target: Path, progress: Progress) -> None:
    """Take over what a killed run put in place, where it leads to this very edition; else make it."""
    old, new, there = archive.release / CATALOGUE, staged / CATALOGUE, archive.release / FOLDER / target.name
    new_sha256 = _digest(new)
    if there.is_file() and _leads_to(there) == new_sha256:
        os.link(there, target)
        return
    if not old.is_file() or _digest(old) == new_sha256:
        return
    try:
        write_delta(old, new, target, progress)
    except FonotecaError as error:  # an edition of another schema, or a damaged one, which verify tells
        progress.note(f"no delta of the catalogue is published: {error.message}")
        target.unlink(missing_ok=True)
        return
    if target.stat().st_size >= new.stat().st_size:
        target.unlink()


def _leads_to(delta: Path) -> str | None:
    try:
        return read_delta_header(delta).new.sha256
    except FonotecaError:
        return None


def _hides_names(delta: Path) -> bool:
    """Whether it tells of a withdrawal that hides names: deltas before it would still tell them, so they go."""
    column = read_delta_header(delta).tables["tombstones"].index("shows_metadata")
    with zstd.open(delta, "rb") as lines:
        for line in lines:
            if line.startswith(b'["tombstones",[') and not msgspec.json.decode(line)[1][column]:
                return True
    return False


def _kept_deltas(archive: Archive, oldest: int, newest: int) -> list[str]:
    """Deltas of earlier releases, newest first, as far as they are young enough and still what SHA256SUMS says."""
    sums = archive.release / "SHA256SUMS"
    if not sums.is_file():
        return []
    with open(sums, "rb") as file:
        listed = {line.path: line.sha256 for line in read_checksums(file) if not isinstance(line, Finding) and line.path.startswith(FOLDER)}
    found: dict[int, str] = {}
    for path, sha256 in listed.items():
        match = _NAME.fullmatch(path.removeprefix(f"{FOLDER}/"))
        place = archive.release / path
        if match and oldest < int(match[2]) <= newest and place.is_file() and _digest(place) == sha256:
            found[int(match[2])] = place.name
    return [found[number] for number in sorted(found, reverse=True)]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
