"""Verifying a release folder as any stranger holds it: signatures, lists, every file, nothing extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from fonoteca.containers import parse_aacid
from fonoteca.ground.errors import ContainerFormatError, FonotecaError, FormatError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import count_cores
from fonoteca.integrity import (
    Checksum,
    Expected,
    PathSet,
    Proved,
    PublicKey,
    check_serial,
    find_extra,
    follow_rotations,
    prove_files,
    read_checksums,
    read_public_key,
    verify_file,
)
from fonoteca.torrents import read_torrent
from fonoteca.workflows.roster_files import ROSTER_FILES, check_roster
from fonoteca.workflows.verify import VerifyReport

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
    check_signatures(folder, report, trusted, last_serial)
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        report.take(Finding("missing", str(sums), "there is no SHA256SUMS, so nothing can be proved"))
        return report
    progress.start("verifying", _total_bytes(folder), "bytes")
    torrents = _Torrents(folder, report)
    with PathSet() as known:
        for name in (*SIGNATURES, *ROSTER_FILES):
            known.add(name)
        for outcome in prove_files(_expected(folder, sums, report, known, already), threads=count_cores(), on_bytes=progress.advance):
            if isinstance(outcome, Finding):
                report.take(torrents.explain(outcome))
            else:
                report.take_good(outcome)
                torrents.compare(outcome)
        for finding in find_extra(folder, known):
            report.take(finding)
    progress.finish()
    return report


def check_signatures(folder: Path, report: VerifyReport, trusted: PublicKey | None, last_serial: int | None) -> None:
    """Hold the signed files of a release to `trusted`, else to the key that it brings; tell what does not fit."""
    try:
        key = trusted or read_public_key((folder / "minisign.pub").read_text("utf-8", "replace"))
        if trusted is not None:
            key = follow_rotations(trusted, sorted(folder.glob("key-rotation-*.txt")))
        serials = {name: verify_file(key, folder / name) for name in ("SHA256SUMS", "release.json")}
        told = msgspec.json.decode((folder / "release.json").read_bytes(), type=dict[str, msgspec.Raw])
        if {*serials.values()} != {msgspec.json.decode(told["serial"], type=int)}:
            raise FormatError(f"the serial numbers do not agree: {serials}")
        check_serial(serials["release.json"], last_serial)
        whose = (
            "the key it is held to" if trusted else "the key it brings; compare its fingerprint with what the publisher tells you elsewhere"
        )
        for finding in check_roster(folder, key):
            report.take(finding)
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
    """Every listed file but those under names in `already`. Sizes are not known: the hash alone decides."""
    with open(sums, "rb") as file:
        for line in _good_lines(file, report):
            known.add(line.path)
            container = container_of(line.path)
            if container not in already:
                yield Expected(folder / line.path, None, line.sha256, _track_of(line.path.rpartition("/")[2]), container)


def container_of(path: str) -> str | None:
    """The data folder or metadata file that a path of a release belongs to."""
    parts = path.split("/")
    return parts[1] if parts[0] == "containers" and len(parts) > 1 else None


def _good_lines(file, report: VerifyReport) -> Iterator[Checksum]:  # type: ignore[no-untyped-def]
    for line in read_checksums(file):
        if isinstance(line, Finding):
            report.take(line)
        else:
            yield line


class _Torrents:
    """What the torrents say about the files of their containers, one container after the other."""

    def __init__(self, folder: Path, report: VerifyReport) -> None:
        self._folder, self._report = folder, report
        self._container: str | None = None
        self._sizes: dict[str, int] = {}
        self._told: set[str] = set()

    def compare(self, proved: Proved) -> None:
        """A file with the right bytes must stand in the torrent with its size."""
        expected = proved.expected
        if expected.container is None or not self._open(expected.container):
            return
        told = self._sizes.get(expected.path.name)
        if told != proved.size:
            fact = "the torrent does not list it" if told is None else f"the torrent gives it {told} bytes, it has {proved.size}"
            self._report.take(Finding("bad-torrent", str(expected.path), fact, expected.track, expected.container))

    def explain(self, finding: Finding) -> Finding:
        """A file with other bytes and another size than the torrent's was cut, or grew."""
        if finding.code != "changed" or finding.container is None or not self._open(finding.container):
            return finding
        told = self._sizes.get(Path(finding.path).name)
        try:
            size = Path(finding.path).stat().st_size
        except OSError:
            return finding
        if told is None or told == size:
            return finding
        how = "cut short" if size < told else "too long"
        return msgspec.structs.replace(finding, code="wrong-size", fact=f"{how}: has {size} bytes, should have {told}")

    def _open(self, container: str) -> bool:
        if container != self._container:
            self._container, self._sizes = container, {}
            path = self._folder / "torrents" / f"{container}.torrent"
            try:
                torrent = read_torrent(path.read_bytes())
            except OSError as error:
                self._tell(path, f"it cannot be read: {error.strerror}", container)
            except FormatError as error:
                self._tell(path, error.message, container)
            else:
                self._sizes = {file.path: file.size for file in torrent.files}
        return bool(self._sizes)

    def _tell(self, path: Path, fact: str, container: str) -> None:
        if container not in self._told:
            self._told.add(container)
            self._report.take(Finding("bad-torrent", str(path), fact, None, container))


def _track_of(name: str) -> str | None:
    try:
        return parse_aacid(name).id or None
    except ContainerFormatError:
        return None
