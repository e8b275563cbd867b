"""What a build did."""

from __future__ import annotations

from collections import Counter

import msgspec

from fonoteca.ground.findings import Finding, counts_as_damage


class BuildReport(msgspec.Struct):
    """What was built: members by action, containers by name, what was set aside."""

    members: Counter[str] = msgspec.field(default_factory=Counter)
    containers: list[str] = msgspec.field(default_factory=list)
    replaced: list[str] = msgspec.field(default_factory=list)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    bytes_written: int = 0
    findings: list[Finding] = msgspec.field(default_factory=list)

    @property
    def has_damage(self) -> bool:
        """Whether anything was set aside."""
        return any(counts_as_damage(finding) for finding in self.findings)
