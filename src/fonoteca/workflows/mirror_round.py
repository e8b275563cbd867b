"""One round of a run: every source is asked for a newer release, others for what they hold, and what is held is chosen anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from fonoteca.ground.errors import FonotecaError, SignatureError
from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Progress
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.mirror_aside import Aside
from fonoteca.workflows.mirror_choice import choose_again
from fonoteca.workflows.mirror_drop import is_being_forgotten
from fonoteca.workflows.mirror_sources import Followed, follow_source

HEARING_S = 3.0
"""So long a choice waits for what other mirrors and trackers say; where they take longer it is made again."""


class Round:
    """Goes on in a thread with a connection of its own, since servers may take long; `told` brings its findings to the loop."""

    def __init__(self, path: Path, progress: Progress, hear: Callable[[], None]) -> None:
        self._path, self._progress, self._hear = path, progress, hear
        self.told: SimpleQueue[Followed | Finding] = SimpleQueue()
        self.is_choosing = True
        self._aside = Aside(self._go)
        self._aside.start()

    @property
    def is_over(self) -> bool:
        """Whether everybody was asked."""
        return not self._aside.is_busy

    def _go(self) -> None:
        try:
            with open_mirror(self._path) as mirror:
                for source in mirror.ledger.sources():
                    if not is_being_forgotten(mirror, source.source):
                        self.told.put(self._follow(mirror, source.source, source.location))
                self._choose(mirror)
        except Exception as error:  # in a thread nobody would hear of it
            self.told.put(Finding("not-followed", str(self._path), f"the round was broken off: {_words(error)}"))
        finally:
            self.is_choosing = False

    def _follow(self, mirror: Mirror, name: str, location: str) -> Followed | Finding:
        """One that cannot be had, or may not be trusted, leaves what is held as it is."""
        try:
            return follow_source(mirror, name, self._progress)
        except Exception as error:  # a stranger's lists may break what reads them, but never the run
            return Finding("bad-signature" if isinstance(error, SignatureError) else "not-followed", location, _words(error))

    def _choose(self, mirror: Mirror) -> None:
        hearing = threading.Thread(target=self._hear, name="hear", daemon=True)
        hearing.start()
        hearing.join(HEARING_S)
        choose_again(mirror)
        self.is_choosing = False
        if hearing.is_alive():
            hearing.join()
            choose_again(mirror)


def _words(error: Exception) -> str:
    return error.message if isinstance(error, FonotecaError) else f"{type(error).__name__}: {error}"
