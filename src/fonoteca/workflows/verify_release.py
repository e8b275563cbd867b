"""Verifying a release folder as any stranger holds it: signatures, lists, every file, nothing extra."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fonoteca.containers import parse_aacid
from fonoteca.ground.errors import ContainerFormatError, FonotecaError, FormatError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import (
    Checksum,
    Expected,
    PathSet,
    PublicKey,
    check_serial,
    find_extra,
    follow_rotations,
    read_checksums,
    read_public_key,
    verify_file,
)
from fonoteca.torrents import read_torrent
from fonoteca.workflows.verify import VerifyReport, prove_all

SIGNATURES = ("SHA256SUMS", "SHA256SUMS.minisig", "SHA256SUMS.sig", "release.json.minisig", "release.json.sig")


def verify_release(
    folder: Path,
    progress: Progress,
    *,
    trusted: PublicKey | None = None,
    last_serial: int | None = None,
    already: frozenset[str] = frozenset(),
) -> VerifyReport:
    """Prove a release. `trusted`: the key to hold it to, else the one it brings; `last_serial`: an older one is refused.

    `already` names parts of containers/ that were proved just now under other names (links to the same bytes).
    """
    report = VerifyReport(what="release", path=str(folder))
    _check_signatures(folder, report, trusted, last_serial)
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        report.take(Finding("missing", str(sums), "there is no SHA256SUMS, so nothing can be proved"))
        return report
    progress.start("verifying", _total_bytes(folder), "bytes")
    with PathSet() as known:
        for name in SIGNATURES:
            known.add(name)
        for _ in prove_all(_expected(folder, sums, report, known, already), report, progress):
            pass
        for finding in find_extra(folder, known):
            report.take(finding)
    progress.finish()
    return report


def _check_signatures(folder: Path, report: VerifyReport, trusted: PublicKey | None, last_serial: int | None) -> None:
    try:
        key = trusted or read_public_key((folder / "minisign.pub").read_text("utf-8", "replace"))
        if trusted is not None:
            key = follow_rotations(trusted, sorted(folder.glob("key-rotation-*.txt")))
        serials = {name: verify_file(key, folder / name) for name in ("SHA256SUMS", "release.json")}
        told = msgspec.json.decode((folder / "release.json").read_bytes(), type=dict[str, msgspec.Raw])
        if {*serials.values()} != {msgspec.json.decode(told["serial"], type=int)}:
            raise FormatError(f"the serial numbers do not agree: {serials}")
        check_serial(serials["release.json"], last_serial)
        whose = "the key you gave" if trusted else "the key it brings; compare its fingerprint with what the publisher tells you elsewhere"
        report.facts.append(f"release {serials['release.json']}, signed by {key.fingerprint} ({whose})")
    except FonotecaError as error:
        report.take(Finding("bad-signature", str(folder), error.message))
    except (OSError, KeyError, msgspec.DecodeError, UnicodeDecodeError) as error:
        report.take(Finding("bad-signature", str(folder), f"the signature cannot be checked: {error}"))


def _total_bytes(folder: Path) -> int | None:
    try:
        told = msgspec.json.decode((folder / "release.json").read_bytes(), type=dict[str, msgspec.Raw])
        return msgspec.json.decode(told["counts"], type=dict[str, int])["bytes"]
    except (OSError, KeyError, msgspec.DecodeError):
        return None


def _expected(folder: Path, sums: Path, report: VerifyReport, known: PathSet, already: frozenset[str]) -> Iterator[Expected]:
    """A container at a time, with the sizes that its torrent gives, so that a cut file is told from a changed one."""
    with open(sums, "rb") as file:
        for parent, group in itertools.groupby(_good_lines(file, report), key=lambda line: line.path.rpartition("/")[0]):
            container = parent.removeprefix("containers/") if parent.startswith("containers/") else None
            sizes = _sizes(folder, container, report) if container else {}
            for line in group:
                known.add(line.path)
                name = line.path.rpartition("/")[2]
                if container and sizes and name not in sizes:
                    report.take(Finding("bad-torrent", line.path, "the torrent of its folder does not list it", None, container))
                if (container or line.path.removeprefix("containers/")) not in already:
                    yield Expected(folder / line.path, sizes.get(name), line.sha256, _track_of(name), container)


def _good_lines(file, report: VerifyReport) -> Iterator[Checksum]:  # type: ignore[no-untyped-def]
    for line in read_checksums(file):
        if isinstance(line, Finding):
            report.take(line)
        else:
            yield line


def _sizes(folder: Path, container: str, report: VerifyReport) -> dict[str, int]:
    path = folder / "torrents" / f"{container}.torrent"
    try:
        torrent = read_torrent(path.read_bytes())
    except OSError as error:
        report.take(Finding("bad-torrent", str(path), f"it cannot be read: {error.strerror}", None, container))
        return {}
    except FormatError as error:
        report.take(Finding("bad-torrent", str(path), error.message, None, container))
        return {}
    return {file.path: file.size for file in torrent.files}


def _track_of(name: str) -> str | None:
    try:
        return parse_aacid(name).id or None
    except ContainerFormatError:
        return None
