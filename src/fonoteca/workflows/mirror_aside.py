"""What a run does beside its loop: slow things in threads of their own, many small things in turns, and how much room the disk has."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path

import apsw

from fonoteca.ground.errors import DiskFullError

STEP_S = 0.5
"""About how long one step of work may take before others get their turn."""

FREED_BYTES = 1 << 20
"""So much must be freed after the disk was full before anything is fetched again."""

Steps = Generator[None, None, None]


class Aside:
    """Something slow in a thread that no end of the program waits for. The work opens what it needs by itself."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; once more where it was done before."""
        self._error = None
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self) -> None:
        try:
            self._work()
        except Exception as error:  # it is told where it is waited for
            self._error = error

    @property
    def is_busy(self) -> bool:
        """Whether it was begun and is not done."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Until it is done, or so long; then what went wrong is raised."""
        if self._thread is not None:
            self._thread.join(seconds)
        if not self.is_busy and self._error is not None:
            raise self._error


class Tasks:
    """Work on torrents in small steps, in turns. What fails goes to `failed` and ends that task alone."""

    def __init__(self, failed: Callable[[str, Exception], None]) -> None:
        self._failed = failed
        self._tasks: deque[tuple[str, Steps]] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, infohash: str, steps: Steps) -> None:
        """One more task on a torrent."""
        self._tasks.append((infohash, steps))

    def close(self, infohash: str) -> None:
        """End every task on a torrent where it stands."""
        for task in [one for one in self._tasks if one[0] == infohash]:
            self._tasks.remove(task)
            task[1].close()

    def work(self) -> bool:
        """Some steps; whether there was any."""
        since = time.monotonic()
        did = False
        while self._tasks and (not did or time.monotonic() - since < STEP_S):
            infohash, steps = self._tasks.popleft()
            did = True
            try:
                next(steps)
            except StopIteration:
                continue
            except apsw.Error as error:
                if not is_out_of_room(error):
                    raise  # the ledger itself
                self._failed(infohash, error)
                continue
            except Exception as error:  # a stranger's torrent may break what reads it, but never the run
                self._failed(infohash, error)
                continue
            self._tasks.append((infohash, steps))
        return did


class Room:
    """Whether there is room on the disk: none from where something did not fit until some is freed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free_when_full: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether something did not fit, and nothing was freed since the last look."""
        return self._free_when_full is not None

    def is_used_up(self) -> bool:
        """Whether next to nothing is free."""
        return shutil.disk_usage(self._path).free < FREED_BYTES

    def fill(self) -> None:
        """Something did not fit."""
        self._free_when_full = shutil.disk_usage(self._path).free

    def look(self) -> bool:
        """Whether there is room again since this look."""
        if self._free_when_full is None or shutil.disk_usage(self._path).free < self._free_when_full + FREED_BYTES:
            return False
        self._free_when_full = None
        return True


def is_out_of_room(error: BaseException) -> bool:
    """Whether the disk was full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, (DiskFullError, apsw.FullError))
