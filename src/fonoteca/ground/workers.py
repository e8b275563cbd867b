"""Work spread over every core, with results in the order of the jobs and memory that does not grow."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def count_cores() -> int:
    """Cores this process may use (its affinity, not the machine's total); FONOTECA_JOBS overrides."""
    return int(os.environ.get("FONOTECA_JOBS") or 0) or len(os.sched_getaffinity(0))


def map_in_order(
    executor: Executor, work: Callable[[Job], Result], jobs: Iterable[Job], ahead: int
) -> Iterator[tuple[Job, Future[Result]]]:
    """Each job with its finished future, in order, with at most `ahead` jobs under way."""
    pending: deque[tuple[Job, Future[Result]]] = deque()
    try:
        for job in jobs:
            pending.append((job, executor.submit(work, job)))
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
