"""`verify`: every byte of a release, a container or an archive, read once on every core; all findings, never only the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from fonoteca.containers import parse_container_name
from fonoteca.ground.errors import ContainerFormatError, UsageError
from fonoteca.ground.finding_list import FindingList
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.progress import Progress
from fonoteca.ground.settings import SETTINGS_FILE
from fonoteca.ground.workers import count_cores
from fonoteca.integrity import Expected, Proved, prove_files


class VerifyReport(msgspec.Struct, kw_only=True):
    """What was proved and what was found. `what` is archive, release or container; `listed` holds every finding, on disk if need be."""

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
    """archive, release, container or containers: what `verify` takes a path for; UsageError where it is none of them."""
    if (path / SETTINGS_FILE).is_file():
        return "archive"
    if (path / "SHA256SUMS").is_file() or (path / "release.json").is_file():
        return "release"
    try:
        parse_container_name(path.name)
    except ContainerFormatError:
        pass
    else:
        if path.exists():
            return "container"
    if path.is_dir() and any(_is_container(child.name) for child in path.iterdir()):
        return "containers"
    if not path.exists():
        raise UsageError(f"{path} does not exist", "Name an archive, a release folder, a data folder or a metadata file.")
    raise UsageError(
        f"{path} is no archive, release or container", "Name a folder with archive.toml or SHA256SUMS, a data folder or a metadata file."
    )


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
