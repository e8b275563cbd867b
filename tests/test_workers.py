"""Work in order, whether it is done by threads or, on one core, at once."""

from __future__ import annotations

import os
import threading
import time

import pytest

from fonoteca.ground.workers import JobTimeoutError, Processes, map_in_order, open_threads


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_jobs(count: int) -> None:
    with open_threads(count) as threads:
        results = map_in_order(lambda job: threads.submit(divmod, job, 7), range(50), 4)
        assert [(job, future.result()) for job, future in results] == [(job, divmod(job, 7)) for job in range(50)]


@pytest.mark.parametrize("count", [1, 2])
def test_a_failed_job_fails_where_its_result_is_asked_for(count: int) -> None:
    with open_threads(count) as threads:
        future = threads.submit(divmod, 1, 0)
        with pytest.raises(ZeroDivisionError):
            future.result()


def test_on_one_core_there_is_no_second_thread() -> None:
    with open_threads(1) as threads:
        assert threads.submit(threading.get_ident).result() == threading.get_ident()


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _time_out(_: object) -> None:
    raise TimeoutError(110, "the job's own")


def test_a_job_that_does_not_end_is_ended_and_breaks_only_itself() -> None:
    jobs, told = [0.0, 600.0, 0.1, 0.0, 601.0, 0.2], []
    began = time.monotonic()
    with Processes(2) as pool:
        for job, future in map_in_order(lambda job: pool.submit(_sleep, job), jobs, 4):
            try:
                told.append(pool.result_of(future, _sleep, job, 5.0))
            except JobTimeoutError as error:
                told.append(str(error))
    assert told == [0.0, "it took longer than 5 s", 0.1, 0.0, "it took longer than 5 s", 0.2]
    assert time.monotonic() - began < 120


def test_the_time_out_of_a_job_itself_is_its_error_and_kills_nobody() -> None:
    with Processes(1) as pool:
        worker = pool.submit(_process_id, 0).result()
        with pytest.raises(TimeoutError, match="own"):
            pool.result_of(pool.submit(_time_out, 0), _time_out, 0, 60.0)
        assert pool.submit(_process_id, 0).result() == worker


def _process_id(_: object) -> int:
    return os.getpid()
