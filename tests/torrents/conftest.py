"""The three clients that one suite of tests runs on; daemons are started once."""

from __future__ import annotations

import inspect
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from daemons import Daemon, require_program, start_opentracker, start_qbittorrent, start_transmission
from running_client import Running

from fonoteca.torrents.clients import ClientKind

AT_ONCE: dict[ClientKind, int] = {"transmission": 20, "qbittorrent": 5, "embedded": 3}
PROGRAMS = {"transmission": "transmission-daemon", "qbittorrent": "qbittorrent-nox"}


class Workers:
    """Threads that run the tests of one kind of client, each with a daemon that it starts once."""

    def __init__(self, kind: ClientKind, new_folder: Callable[[str], Path]) -> None:
        self._kind, self._new_folder = kind, new_folder
        self._pool = ThreadPoolExecutor(AT_ONCE[kind])
        self._own = threading.local()
        self._daemons: list[Daemon] = []

    def submit(self, test: Callable[..., None]) -> Future[None]:
        return self._pool.submit(self._run, test)

    def _run(self, test: Callable[..., None]) -> None:
        running = Running(self._kind, self._new_folder("cache"), self._daemon())
        values = {"running": running, "tmp_path": self._new_folder(f"{self._kind}-test")}
        try:
            test(**{name: values[name] for name in inspect.signature(test).parameters})
        finally:
            running.forget()

    def _daemon(self) -> Daemon | None:
        start = {"transmission": start_transmission, "qbittorrent": start_qbittorrent}.get(self._kind)
        if start and not hasattr(self._own, "daemon"):
            self._own.daemon = start(self._new_folder(self._kind))
            self._daemons.append(self._own.daemon)
        return getattr(self._own, "daemon", None)

    def end(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for daemon in self._daemons:
            daemon.stop(kill=True)


@pytest.fixture(scope="session")
def at_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """The tests of clients by name, many at a time: they wait for timers of the clients, so one after the other they would take minutes
    (Transmission looks for whom to ask and to serve every ten seconds)."""
    workers: dict[ClientKind, Workers] = {kind: Workers(kind, tmp_path_factory.mktemp) for kind in AT_ONCE if is_here(kind)}
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    yield {item.nodeid: workers[kind].submit(item.function) for item in items if (kind := kind_of(item)) in workers}
    for one in workers.values():
        one.end()


def is_here(kind: ClientKind) -> bool:
    """Whether the program of a client is installed."""
    return kind not in PROGRAMS or shutil.which(PROGRAMS[kind]) is not None


def kind_of(item: pytest.Function) -> ClientKind | None:
    """The client that a test runs on."""
    return item.callspec.params.get("running") if hasattr(item, "callspec") else None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """What was begun with the first test of a client is only waited for."""
    if kind_of(pyfuncitem) is None:
        return None
    pyfuncitem.funcargs["running"].result(150)
    return True


@pytest.fixture(params=list(AT_ONCE))
def running(request: pytest.FixtureRequest, at_once: dict[str, Future[None]]) -> Future[None]:
    """One of the three; the tests get it as a Running."""
    if request.param in PROGRAMS:
        require_program(PROGRAMS[request.param])
    return at_once[request.node.nodeid]


@pytest.fixture(scope="session")
def opentracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A tracker whose whitelist is empty."""
    daemon = start_opentracker(tmp_path_factory.mktemp("opentracker"))
    yield daemon
    daemon.stop()
