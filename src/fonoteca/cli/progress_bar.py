"""Progress on a terminal: rate and time left on stderr after a second; nothing where nobody watches."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.progress import Progress, Silent
from fonoteca.ground.quantities import format_bytes

SHOWN_AFTER_S = 1.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        is_bytes = task.fields.get("unit") == "bytes"
        return Text(f"{format_bytes(task.speed)}/s" if is_bytes else f"{task.speed:,.1f} {task.fields.get('unit')}/s")


class Bar:
    """One bar a phase; short phases leave no trace."""

    def __init__(self, count: Callable[[], int] | None = None) -> None:
        """`count` gives the total of the first phase that has none; it runs beside the work, since the work need not wait for it."""
        self._count = count
        self._bar: RichProgress | None = None
        self._started = 0.0
        self._done = 0
        self._phase: tuple[str, int | None, str] = ("", None, "")

    def start(self, what: str, total: int | None, unit: str) -> None:
        """A phase begins."""
        self.finish()
        self._started, self._done, self._phase = time.monotonic(), 0, (what, total, unit)
        if total is None and self._count is not None:
            threading.Thread(target=self._find_total, args=(self._count, self._phase), daemon=True).start()
            self._count = None

    def _find_total(self, count: Callable[[], int], phase: tuple[str, int | None, str]) -> None:
        try:
            total = count()
        except (FonotecaError, OSError):
            return  # the work says what is wrong
        if self._phase is phase:
            self._phase = (phase[0], total, phase[2])

    def advance(self, amount: int = 1) -> None:
        """So much more is done."""
        self._done += amount
        if self._bar is None and time.monotonic() - self._started > SHOWN_AFTER_S:
            self._show()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, total=self._phase[1])

    def _show(self) -> None:
        what, total, unit = self._phase
        amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount, _Rate(), TimeRemainingColumn(elapsed_when_finished=True))
        self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(what, total=total, unit=unit)
        self._bar.start()

    def note(self, text: str) -> None:
        """One line for the person watching."""
        if self._bar is not None:
            self._bar.console.print(text)
        else:
            print(text, file=sys.stderr)

    def finish(self) -> None:
        """The phase is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def open_progress(count: Callable[[], int] | None = None) -> Progress:
    """A bar where stderr is a terminal."""
    return Bar(count) if sys.stderr.isatty() else Silent()
