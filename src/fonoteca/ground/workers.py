"""Work spread over every core, with results in the order of the jobs and memory that does not grow."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from types import TracebackType
from typing import Any, TypeVar

from fonoteca.ground.errors import UsageError

Job = TypeVar("Job")
Result = TypeVar("Result")


def count_cores() -> int:
    """Cores this process may use (its affinity, not the machine's total); FONOTECA_JOBS overrides. UsageError where that is no number."""
    wanted = os.environ.get("FONOTECA_JOBS") or "0"
    if not re.fullmatch(r"[0-9]{1,4}", wanted):
        raise UsageError(f"FONOTECA_JOBS is {wanted[:80]!r}", "Give a number of cores from 1 to 9999, or unset it to use all.")
    return int(wanted) or len(os.sched_getaffinity(0))


class JobTimeoutError(Exception):
    """A job took longer than it may; its message says so."""


class Processes:
    """Worker processes that die with this one, however it dies, and leave Ctrl-C to it.

    A job that kills its worker (a decoder that crashes on hostile bytes) breaks only itself: `result_of` runs the jobs
    that went down with it again, each alone, and raises BrokenProcessPool for the one that does it again. A job that does
    not end is ended: where `result_of` has waited long enough it kills the workers, and raises JobTimeoutError.
    """

    def __init__(self, count: int, preload: tuple[str, ...] = ()) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        _start_server_deaf_to_interrupts()
        self._count = count
        self._pool = self._start(count)

    def _start(self, count: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(count, mp_context=self._context, initializer=_die_with_program)

    def submit(self, work: Callable[[Job], Result], job: Job) -> Future[Result]:
        """The job under way; a broken pool is replaced first."""
        with _uninterrupted():  # may start a worker, which must be known to be stopped
            try:
                return self._pool.submit(work, job)
            except BrokenProcessPool:
                self._pool.shutdown(wait=False)
                self._pool = self._start(self._count)
                return self._pool.submit(work, job)

    def result_of(self, future: Future[Result], work: Callable[[Job], Result], job: Job, limit_s: float | None = None) -> Result:
        """The future's result; where its pool broke, that of a second try in a process of its own.

        JobTimeoutError after `limit_s` seconds. They count from this call: ask in the order of submission, so that the job is
        one of those under way.
        """
        try:
            return _wait_for(self._pool, future, limit_s)
        except BrokenProcessPool:
            with self._start(1) as alone:
                return _wait_for(alone, alone.submit(work, job), limit_s)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Without an error the work is done; with one nobody waits for it any more."""
        if kind is not None:
            _kill_workers(self._pool)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _wait_for(pool: ProcessPoolExecutor, future: Future[Result], limit_s: float | None) -> Result:
    try:
        return future.result(limit_s)
    except TimeoutError:
        if future.done():
            raise  # the job's own
        _kill_workers(pool)
        raise JobTimeoutError(f"it took longer than {limit_s:,.0f} s") from None


def _kill_workers(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.kill()


def _start_server_deaf_to_interrupts() -> None:
    """Ctrl-C goes to every process of the terminal's group; the server and its children inherit that it is blocked.

    The tracker, which the server needs, comes first: starting it would unblock the signal.
    """
    resource_tracker.ensure_running()
    with _uninterrupted():
        forkserver.ensure_running()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the end; what is started meanwhile never hears it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if caught and callable(handler):
        handler(signal.SIGINT, None)


def _die_with_program() -> None:
    """Watch for the end of the program, in a thread.

    Nothing else would notice: workers hold the queues' other ends themselves, and the server lives as long as a worker does.
    """
    threading.Thread(target=_wait_for_end_of_program, name="end of program", daemon=True).start()


def _wait_for_end_of_program() -> None:
    program = multiprocessing.parent_process()
    if program is not None:
        program.join()
        os.kill(os.getpid(), signal.SIGKILL)


def open_threads(count: int) -> Executor:
    """Threads for work that leaves Python for the most part; a single one would only take turns with its caller, so there is none."""
    return ThreadPoolExecutor(count) if count > 1 else _AtOnce()


class _AtOnce(Executor):
    """Does each job when it is submitted."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def map_in_order(
    submit: Callable[[Job], Future[Result]],
    jobs: Iterable[Job],
    ahead: int,
    *,
    weigh: Callable[[Job], int] = lambda _: 0,
    room: int = 1,
) -> Iterator[tuple[Job, Future[Result]]]:
    """Each job with its future, in order, with at most `ahead` jobs under way that together weigh at most `room`.

    One that weighs more by itself is done alone. The caller waits for each future before it asks for the next.
    """
    pending: deque[tuple[Job, Future[Result]]] = deque()
    try:
        weight = 0
        for job in jobs:
            while pending and (len(pending) >= ahead or weight + weigh(job) > room):
                weight -= weigh(pending[0][0])
                yield pending.popleft()
            pending.append((job, submit(job)))
            weight += weigh(job)
        while pending:
            yield pending.popleft()
    finally:
        for _, future in pending:
            future.cancel()
