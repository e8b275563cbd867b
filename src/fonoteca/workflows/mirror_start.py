"""One `mirror run` from opening the client to leaving it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fonoteca.ground.errors import ArchiveBusyError, FonotecaError
from fonoteca.ground.progress import Progress
from fonoteca.workflows.announce import announce_if_due, hear_announcements
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.mirror_client import open_mirror_client
from fonoteca.workflows.mirror_run import MirrorRun, RunReport
from fonoteca.workflows.scraping import scrape_trackers


def run_mirror(mirror: Mirror, progress: Progress, *, once: bool = False, patience_s: float = 30.0) -> RunReport:
    """Run until Ctrl-C, or with `once` until nothing more can be fetched. ArchiveBusyError where another run has the mirror."""
    with _held(mirror):
        client = open_mirror_client(mirror)
        try:
            run = MirrorRun(mirror, client, progress, patience_s=patience_s, announce=lambda: _announce(mirror.path, progress))
            run.hear = lambda: _hear(mirror.path, progress)
            return run.go(once=once)
        finally:
            client.close()


@contextmanager
def _held(mirror: Mirror) -> Iterator[None]:
    """With a second try, since `mirror status` looks at the lock for a moment."""
    with ExitStack() as stack:
        try:
            stack.enter_context(mirror.hold("run"))
        except ArchiveBusyError:
            time.sleep(0.3)
            stack.enter_context(mirror.hold("run"))
        yield


def _announce(path: Path, progress: Progress) -> None:
    """Through a connection of its own, since it reads every file that the ledger knows."""
    try:
        with open_mirror(path) as mirror:
            announce_if_due(mirror, mirror.now())
    except FonotecaError as error:
        progress.note(f"the announcement could not be made: {error.message}")


def _hear(path: Path, progress: Progress) -> None:
    """Ask mirrors and trackers what others hold, through a connection of this thread's own; a failure costs the census, not the run."""
    try:
        with open_mirror(path) as mirror:
            for unheard in hear_announcements(mirror, mirror.now()):
                progress.note(f"{unheard.name} is not counted: {unheard.reason}")
            for finding in scrape_trackers(mirror, mirror.now()):
                progress.note(f"{finding.path} does not say who seeds: {finding.fact}")
    except FonotecaError as error:
        progress.note(f"what others hold could not be asked: {error.message}")
