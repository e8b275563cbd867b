"""`verify`: every byte of a release, a container or an archive, read once on every core; all findings, never only the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from fonoteca.containers import parse_container_name
from fonoteca.ground.errors import ContainerFormatError, UsageError, translate_os_errors
from fonoteca.ground.finding_list import FindingList
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.ground.settings import SETTINGS_FILE
from fonoteca.ground.workers import count_cores
from fonoteca.integrity import Expected, Proved, prove_files


class VerifyReport(msgspec.Struct, kw_only=True):
    """What was proved and what was found; `listed` holds every finding, on disk if need be.

    `what` is archive, release, edition, container or containers.
    """

    what: str
    path: str
    files: int = 0
    bytes: int = 0
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    listed: FindingList = msgspec.field(default_factory=FindingList)
    facts: list[str] = msgspec.field(default_factory=list)

    def take(self, finding: Finding) -> None:
        """Count a finding and list it."""
        self.counts[finding.code] += 1
        self.listed.append(finding)

    def take_good(self, proved: Proved) -> None:
        """Count a file that has exactly its bytes."""
        self.files += 1
        self.bytes += proved.size

    def include(self, inner: VerifyReport) -> None:
        """Add what another report counted, found and told."""
        self.files += inner.files
        self.bytes += inner.bytes
        self.facts += inner.facts
        for finding in inner.listed:
            self.take(finding)

    @property
    def has_damage(self) -> bool:
        """Whether anything is not what it should be."""
        return any(counts_as_damage(Finding(code, "", "")) for code in self.counts)


def what_is_at(path: Path) -> str:
    """archive, release, edition, container or containers: what `verify` takes a path for; UsageError where it is none of them."""
    if (path / SETTINGS_FILE).is_file():
        return "archive"
    if (path / "SHA256SUMS").is_file() or (path / "release.json").is_file():
        return "release"
    if _is_container(path.name) and path.exists():
        return "container"
    if path.is_file() and _is_database(path):
        if (path.parent / SETTINGS_FILE).is_file():
            raise UsageError(f"{path} belongs to the archive {path.parent}", f"All of it is proved by: fonoteca verify {path.parent}")
        return "edition"
    if path.is_dir() and any(_is_container(child.name) for child in path.iterdir()):
        return "containers"
    if not path.exists():
        raise UsageError(f"{path} does not exist", "Name an archive, a release folder, an edition, a data folder or a metadata file.")
    raise UsageError(
        f"{path} is no archive, release, edition or container",
        "Name a folder with archive.toml or SHA256SUMS, a catalogue.sqlite3, a data folder or a metadata file.",
    )


def _is_database(path: Path) -> bool:
    """By its name or its beginning: one that is cut or has lost its beginning shall be told of."""
    if path.suffix == ".sqlite3":
        return True
    with translate_os_errors(path), open(path, "rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _is_container(name: str) -> bool:
    try:
        parse_container_name(name)
    except ContainerFormatError:
        return False
    return True


def prove_all(expected: Iterable[Expected], report: VerifyReport, progress: Progress) -> Iterator[Proved]:
    """Read every file; findings go into the report, what is good comes out."""
    for outcome in prove_files(expected, threads=count_cores(), on_bytes=progress.advance):
        if isinstance(outcome, Finding):
            report.take(outcome)
        else:
            report.take_good(outcome)
            yield outcome
