"""Verifying an edition by itself: that all of it fits together, and that it has the bytes that the list beside it tells."""

from __future__ import annotations

import os
from pathlib import Path

from fonoteca.catalogue import check_edition
from fonoteca.ground.errors import translate_os_errors
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.integrity import Checksum, Expected, read_checksums
from fonoteca.workflows.verify import VerifyReport, prove_all


def verify_edition(path: Path, progress: Progress) -> VerifyReport:
    """Prove one edition. With a SHA256SUMS beside it that names it, its bytes are compared; its tables, indexes and search always are."""
    report = VerifyReport(what="edition", path=str(path))
    with translate_os_errors(path):
        progress.start("verifying", path.stat().st_size, "bytes")
        listed = _listed(path, report)
    if listed is None:
        report.facts.append("no SHA256SUMS beside it names it: letters that became others are not found")
    for _ in prove_all([] if listed is None else [Expected(path, None, listed)], report, progress):
        report.facts.append("its bytes are those that SHA256SUMS tells")
    findings = check_edition(path)
    for finding in findings:
        report.take(finding)
    if not findings:
        report.facts.append("its tables, indexes and search fit together")
        if listed is None:
            report.files, report.bytes = 1, path.stat().st_size
    progress.finish()
    return report


def _listed(path: Path, report: VerifyReport) -> str | None:
    """The SHA-256 that the list beside the edition gives it; None where there is no list, or no line of it is about this file."""
    sums = path.parent / "SHA256SUMS"
    if not sums.is_file():
        return None
    sha256 = None
    with open(sums, "rb") as file:
        for line in read_checksums(file):
            if isinstance(line, Finding):
                report.take(line)
            elif isinstance(line, Checksum) and os.fsencode(line.path) == os.fsencode(path.name):
                sha256 = line.sha256
    return sha256
