"""Editions of the catalogue by what changed: the deltas of a release, applied to the edition that the mirror holds, and proved."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from fonoteca.catalogue.edition_apply import apply_delta, read_delta_header
from fonoteca.ground.errors import FonotecaError
from fonoteca.integrity.mirror_ledger_rows import MirrorSource
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_lists import CATALOGUE, ListFetcher

_DELTA = re.compile(r"deltas/[A-Za-z0-9._-]+\.jsonl\.zst")


def chain_of_deltas(deltas: dict[str, tuple[str, str]], first: str, last: str) -> list[str]:
    """The deltas that lead from one edition to another, both by their SHA-256; empty where there is no way.

    `deltas` gives what each leads from and to. What goes in circles leads nowhere.
    """
    steps = {old: (new, path) for path, (old, new) in sorted(deltas.items())}
    chain: list[str] = []
    at = first
    while at != last and at in steps and len(chain) < len(steps):
        at, path = steps[at]
        chain.append(path)
    return chain if at == last else []


def make_by_delta(mirror: Mirror, source: MirrorSource, fetcher: ListFetcher, folder: Path, listed: dict[str, str]) -> bool:
    """Whether the new edition now lies in staging, made from the one that is held; False: fetch it whole, which is always right.

    Deltas are lists of the release, fetched and proved before the catalogue. Every edition on the way is proved by what its delta tells,
    the last by SHA256SUMS.
    """
    held = mirror.release_of(source) / CATALOGUE
    if not held.is_file():
        return False
    places = {path: _place(mirror, source, folder, path) for path in listed if _DELTA.fullmatch(path)}
    chain = chain_of_deltas(dict(_ends(places)), _digest(held), listed[CATALOGUE]) if places else []
    deltas = [places[path] for path in chain]
    if not chain or sum(path.stat().st_size for path in deltas) > held.stat().st_size:
        return False
    scratch = mirror.staging / "lists" / "editions"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        made = _apply(held, deltas, scratch)
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


def _ends(places: dict[str, Path]) -> Iterator[tuple[str, tuple[str, str]]]:
    for path, place in places.items():
        try:
            header = read_delta_header(place)
        except FonotecaError:
            continue
        yield path, (header.old.sha256, header.new.sha256)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _apply(edition: Path, deltas: list[Path], scratch: Path) -> tuple[Path, str]:
    sha256 = ""
    for number, delta in enumerate(deltas):
        made = scratch / f"{number}.sqlite3"
        sha256 = apply_delta(edition, delta, made, scratch=scratch).sha256
        if number:
            edition.unlink()
        edition = made
    return edition, sha256
