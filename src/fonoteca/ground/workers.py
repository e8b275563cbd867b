"""Work spread over every core, with results in the order of the jobs and memory that does not grow."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1  # prctl(2)


def count_cores() -> int:
    """Cores this process may use (its affinity, not the machine's total); FONOTECA_JOBS overrides."""
    return int(os.environ.get("FONOTECA_JOBS") or 0) or len(os.sched_getaffinity(0))


class Processes:
    """Worker processes that die with this one, however it dies, and leave Ctrl-C to it.

    A job that kills its worker (a decoder that crashes on hostile bytes) breaks only itself: `result_of` runs the jobs
    that went down with it again, each alone, and raises BrokenProcessPool for the one that does it again.
    """

    def __init__(self, count: int, preload: tuple[str, ...] = ()) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._count = count
        self._pool = self._start(count)

    def _start(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, mp_context=self._context, initializer=_live_and_die_with_parent)

    def submit(self, work: Callable[[Job], Result], job: Job) -> Future[Result]:
        """The job under way; a broken pool is replaced first."""
        try:
            return self._pool.submit(work, job)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = self._start(self._count)
            return self._pool.submit(work, job)

    def result_of(self, future: Future[Result], work: Callable[[Job], Result], job: Job) -> Result:
        """The future's result; where its pool broke, that of a second try in a process of its own."""
        try:
            return future.result()
        except BrokenProcessPool:
            with self._start(1) as alone:
                return alone.submit(work, job).result()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _live_and_die_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def map_in_order(submit: Callable[[Job], Future[Result]], jobs: Iterable[Job], ahead: int) -> Iterator[tuple[Job, Future[Result]]]:
    """Each job with its finished future, in order, with at most `ahead` jobs under way."""
    pending: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            pending.append((job, submit(job)))
            if len(pending) >= ahead:
                yield _finished(pending.popleft())
        while pending:
            yield _finished(pending.popleft())
    finally:
        for _, future in pending:
            future.cancel()


def _finished(pair: tuple[Job, Future[Result]]) -> tuple[Job, Future[Result]]:
    pair[1].exception()
    return pair
