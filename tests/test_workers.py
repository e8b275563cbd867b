"""Work in order, whether it is done by threads or, on one core, at once."""

from __future__ import annotations

import threading

import pytest

from fonoteca.ground.workers import map_in_order, open_threads


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
