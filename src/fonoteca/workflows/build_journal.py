"""What a build has encoded so far in one container, a line each, so that a killed run does not encode it again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fonoteca.workflows.members import MadeMember, MemberFacts


class Journal:
    """Facts of finished encodings by track id. A line that a kill cut short is left out; the bytes are proved before use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, MemberFacts] = {}
        if path.exists():
            for line in path.read_bytes().split(b"\n"):
                try:
                    made = msgspec.json.decode(line, type=MemberFacts)
                except msgspec.DecodeError:
                    continue
                self.entries[made.id] = made

    def append(self, made: MadeMember) -> None:
        """Remember one encoding; the operating system has it when this returns, so a kill of the program cannot lose it."""
        with open(self.path, "ab", buffering=0) as file:
            file.write(b"\n" + msgspec.json.encode(made.facts) + b"\n")

    def remove(self) -> None:
        """The container stands; nothing of this is needed any more."""
        self.path.unlink(missing_ok=True)
