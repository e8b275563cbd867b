"""Editions of the catalogue by what changed: the deltas of a release, applied to the edition that the mirror holds, and proved."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from fonoteca.catalogue.edition_apply import apply_delta
from fonoteca.ground.errors import FonotecaError
from fonoteca.integrity.mirror_ledger_rows import MirrorSource
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_lists import CATALOGUE, ListFetcher

DELTA = re.compile(r"deltas/catalogue-(\d{1,18})-(\d{1,18})\.jsonl\.zst")
"""deltas/catalogue-A-B.jsonl.zst leads from the edition of release A to that of release B."""


def chain_of_deltas(paths: list[str], first: int, last: int) -> list[str]:
    """The deltas that lead from release `first` to `last` one after the other; empty where one is missing."""
    steps = {int(found[1]): (int(found[2]), path) for path in paths if (found := DELTA.fullmatch(path))}
    chain: list[str] = []
    at = first
    while at < last and at in steps and steps[at][0] > at:
        at, path = steps[at]
        chain.append(path)
    return chain if at == last else []


def make_by_delta(mirror: Mirror, source: MirrorSource, fetcher: ListFetcher, folder: Path, listed: dict[str, str]) -> bool:
    """Whether the new edition now lies in staging, made from the one that is held; False: fetch it whole, which is always right.

    Deltas are lists of the release, fetched and proved before the catalogue. Every edition on the way is proved by what its delta tells,
    the last by SHA256SUMS.
    """
    held = mirror.release_of(source) / CATALOGUE
    told = fetcher.told
    chain = chain_of_deltas(list(listed), source.serial, told.serial) if told is not None else []
    if not held.is_file() or not chain:
        return False
    places = [_place(mirror, source, folder, path) for path in chain]
    if sum(path.stat().st_size for path in places) > held.stat().st_size:
        return False
    scratch = mirror.staging / "lists" / "editions"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        made = _apply(held, places, scratch)
        if made[1] != listed[CATALOGUE]:
            return False
        made[0].rename(folder / CATALOGUE)
    except FonotecaError:
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def _place(mirror: Mirror, source: MirrorSource, folder: Path, path: str) -> Path:
    return folder / path if (folder / path).is_file() else mirror.release_of(source) / path


def _apply(edition: Path, deltas: list[Path], scratch: Path) -> tuple[Path, str]:
    sha256 = ""
    for number, delta in enumerate(deltas):
        made = scratch / f"{number}.sqlite3"
        sha256 = apply_delta(edition, delta, made, scratch=scratch).sha256
        if number:
            edition.unlink()
        edition = made
    return edition, sha256
