"""Progress as the rooms tell it; only the command line shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what is done; decides itself how to show it."""

    def start(self, what: str, total: int | None, unit: str) -> None:
        """A phase begins: `total` of `unit` ("files", "bytes"), or None where it is not known."""

    def advance(self, amount: int = 1) -> None:
        """So much more is done."""

    def note(self, text: str) -> None:
        """One line for the person watching."""

    def finish(self) -> None:
        """The phase is over."""


class Silent:
    """Progress that nobody watches."""

    def start(self, what: str, total: int | None, unit: str) -> None: ...
    def advance(self, amount: int = 1) -> None: ...
    def note(self, text: str) -> None: ...
    def finish(self) -> None: ...
