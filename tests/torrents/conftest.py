"""The three clients that one suite of tests runs on; daemons are started once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from daemons import Daemon, require_program, start_opentracker, start_qbittorrent, start_transmission
from running_client import Running


@pytest.fixture(scope="session")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Daemon]]:
    """Those that were started so far."""
    started: dict[str, Daemon] = {}
    yield started
    for daemon in started.values():
        daemon.stop()


@pytest.fixture(scope="session")
def at_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """The tests of Transmission by name, all of them at once, each with a daemon of its own: it looks for whom to ask and to serve
    every ten seconds, so that one after the other they would take minutes."""
    with ThreadPoolExecutor(24) as pool:

        def run(item: pytest.Function) -> None:
            running = Running("transmission", tmp_path_factory.mktemp("cache"), start_transmission(tmp_path_factory.mktemp("transmission")))
            try:
                values = {"running": running, "tmp_path": tmp_path_factory.mktemp("transmission-test")}
                item.function(**{name: values[name] for name in inspect.signature(item.function).parameters})
                running.forget()
            finally:
                running.end()

        items = [item for item in request.session.items if isinstance(item, pytest.Function) and is_of_transmission(item)]
        yield {item.nodeid: pool.submit(run, item) for item in items}


def is_of_transmission(item: pytest.Function) -> bool:
    """Whether a test runs on Transmission."""
    return "running" in item.fixturenames and hasattr(item, "callspec") and item.callspec.params["running"] == "transmission"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """What runs beside the others is only waited for."""
    if not is_of_transmission(pyfuncitem):
        return None
    pyfuncitem.funcargs["at_once"][pyfuncitem.nodeid].result(120)
    return True


@pytest.fixture(params=["embedded", "qbittorrent", "transmission"])
def running(
    request: pytest.FixtureRequest,
    at_once: dict[str, Future[None]],
    daemons: dict[str, Daemon],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """One of the three."""
    kind = request.param
    if kind == "transmission":
        require_program("transmission-daemon")
    if kind == "qbittorrent" and kind not in daemons:
        daemons[kind] = start_qbittorrent(tmp_path_factory.mktemp(kind))
    client = Running(kind, tmp_path / "cache", daemons.get(kind))
    yield client
    client.forget()


@pytest.fixture(scope="session")
def opentracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A tracker whose whitelist is empty."""
    daemon = start_opentracker(tmp_path_factory.mktemp("opentracker"))
    yield daemon
    daemon.stop()
