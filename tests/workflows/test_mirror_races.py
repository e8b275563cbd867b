"""What happens to a run from outside while it works: drops, slow servers, torrents that break their readers, a disk that is full."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from releases_made import DATA, META, MORE, SIZES, Release, new_mirror, random_files, run_once
from small_disk import resize, small_disk

from fonoteca.ground.progress import Silent
from fonoteca.torrents import TorrentInfo
from fonoteca.torrents.clients import TorrentClient
from fonoteca.workflows import mirror_admission, mirror_aside
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.mirror_choice import choose_again
from fonoteca.workflows.mirror_client import open_mirror_client
from fonoteca.workflows.mirror_drop import drop
from fonoteca.workflows.mirror_plan import plan_mirror
from fonoteca.workflows.mirror_run import MOST_ADMITTED, MirrorRun
from fonoteca.workflows.mirror_sources import add_source
from torrents.swarm import Peer, wait_until


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path / "release")
    made.publish()
    return made


class SlowHandler(SimpleHTTPRequestHandler):
    """Answers for what ends in `slow_ending` once `go_on` is set."""

    slow_ending: str | None = None
    go_on = threading.Event()

    def do_GET(self) -> None:
        if self.slow_ending is not None and self.path.endswith(self.slow_ending):
            self.go_on.wait(60)
        super().do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[tuple[str, type[SlowHandler]]]:
    """The address of a server of everything below the test's folder, and its handler."""
    handler = type("Handler", (SlowHandler,), {"go_on": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    handler.go_on.set()
    server.shutdown()


class RunBeside:
    """`mirror run --once` in a thread, with a connection of its own."""

    def __init__(self, path: Path, patience_s: float = 2) -> None:
        self.path, self.patience_s = path, patience_s
        self.thread = threading.Thread(target=self._go, daemon=True)
        self.client: TorrentClient | None = None
        self.thread.start()

    def _go(self) -> None:
        with open_mirror(self.path) as mirror:
            self.client = open_mirror_client(mirror)
            with mirror.hold("run"):
                self.run = MirrorRun(mirror, self.client, Silent(), patience_s=self.patience_s)
                self.report = self.run.go(once=True)
            self.client.close()

    def has_found(self, code: str) -> bool:
        """Whether the run told a finding of this kind by now."""
        return hasattr(self, "run") and any(finding.code == code for finding in self.run.report.findings)


def infohash_of(mirror: Mirror, container: str) -> str:
    return mirror.ledger.torrents_of_container(container)[0].infohash


def state_of(mirror: Mirror, infohash: str) -> str:
    torrent = mirror.ledger.torrent(infohash)
    return torrent.state if torrent else ""


@pytest.mark.parametrize("is_heeded", [True, False])
def test_a_torrent_that_is_dropped_while_it_is_admitted_does_not_come_back(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_heeded: bool
) -> None:
    monkeypatch.setattr(mirror_aside, "STEP_S", 0)
    monkeypatch.setattr(mirror_admission, "STEP_S", 0)
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror, mirror.hold("run"):
        add_source(mirror, str(release.folder), Silent())
        client = open_mirror_client(mirror)
        run = MirrorRun(mirror, client, Silent(), patience_s=0)
        choose_again(mirror)
        infohash = infohash_of(mirror, DATA)
        while infohash not in run._admitting:
            run._admit_some()
            run.tasks.work()
        run.tasks.work()
        run.tasks.work()
        with open_mirror(mirror.path) as other:
            assert not drop(other, DATA, force=True).is_done
        if is_heeded:
            run._heed()
        while run.tasks.work():
            pass
        assert client.state(infohash) is None and infohash not in run.admitted
        run._heed()
        assert state_of(mirror, infohash) == "dropped" and list(mirror.ledger.files_of(infohash)) == []
        assert not (mirror.held / "test" / "containers" / DATA).exists()
        client.close()


def test_a_torrent_that_is_dropped_while_it_is_proved_does_not_come_back(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror, mirror.hold("run"):
        add_source(mirror, str(release.folder), Silent())
        client = open_mirror_client(mirror)
        run = MirrorRun(mirror, client, Silent(), patience_s=0)
        run.go(once=True)
        infohash = infohash_of(mirror, DATA)
        work = run.admitted[infohash]
        mirror.ledger.connection.execute("UPDATE files SET state = 'absent' WHERE infohash = ?", (infohash,))
        mirror.ledger.set_work(infohash, "fetching")
        monkeypatch.setattr("fonoteca.workflows.mirror_watch.STEP_S", 0)
        monkeypatch.setattr(mirror_aside, "STEP_S", 0)
        run.tasks.add(infohash, run.watch._prove(work, list(range(5)), [True] * work.piece_count, is_whole=True))
        run.tasks.work()
        with open_mirror(mirror.path) as other:
            drop(other, DATA, force=True)
        run._heed()
        assert not run.tasks.work() and state_of(mirror, infohash) == "dropped"
        assert client.state(infohash) is None and not (mirror.held / "test" / "containers" / DATA).exists()
        client.close()


def test_what_is_dropped_is_let_go_within_seconds_while_a_server_keeps_a_run_waiting(
    release: Release, tmp_path: Path, slow_server: tuple[str, type[SlowHandler]]
) -> None:
    address, handler = slow_server
    path = new_mirror(tmp_path / "mirror")
    with open_mirror(path) as mirror:
        add_source(mirror, f"{address}/release", Silent())
        run_once(mirror, 20)
        infohash = infohash_of(mirror, DATA)
        assert state_of(mirror, infohash) == "held"
        handler.slow_ending = ".minisig"
        run = RunBeside(path)
        assert wait_until(lambda: run.client is not None and run.client.state(infohash) is not None, 15)  # seeded meanwhile
        assert not drop(mirror, DATA, force=True).is_done
        assert wait_until(lambda: state_of(mirror, infohash) == "dropped", 6)
        handler.go_on.set()
        run.thread.join(30)
        assert run.report.dropped == [DATA] and run.report.findings == []


def test_a_torrent_file_that_does_not_come_holds_up_nothing_else(
    release: Release, tmp_path: Path, slow_server: tuple[str, type[SlowHandler]]
) -> None:
    address, handler = slow_server
    handler.slow_ending = ".torrent"
    entries = [one | {"url": f"{address}/release/torrents/{one['display_name']}.torrent"} for one in read_entries(release)]
    other = Release(tmp_path / "other")
    other.containers = {MORE: random_files(MORE, SIZES)}
    other.publish(told={"institution": "other"})
    (tmp_path / "torrents.json").write_text(json.dumps(entries))
    path = new_mirror(tmp_path / "mirror")
    with open_mirror(path) as mirror:
        add_source(mirror, str(tmp_path / "torrents.json"), Silent())
        add_source(mirror, str(other.folder), Silent())
        run = RunBeside(path, 1)
        infohash = infohash_of(mirror, MORE)
        assert wait_until(lambda: state_of(mirror, infohash) == "held", 15)
        drop(mirror, MORE, force=True)
        assert wait_until(lambda: state_of(mirror, infohash) == "dropped", 6)
        handler.go_on.set()
        run.thread.join(60)


def read_entries(release: Release) -> list[dict[str, object]]:
    entries = json.loads((release.folder / "torrents.json").read_bytes())
    assert isinstance(entries, list)
    return entries


@pytest.mark.parametrize("error", [OverflowError("too large"), RuntimeError("bencoded"), RecursionError(), MemoryError()])
def test_a_torrent_that_breaks_its_reader_is_set_aside_and_the_others_are_held(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    read = mirror_admission.record_files

    def break_one(mirror: Mirror, chosen: mirror_admission.Chosen) -> None:
        if chosen.row.container == DATA:
            raise error
        read(mirror, chosen)

    release.containers[MORE] = random_files(MORE, {"aacid__z": 5})
    release.publish()
    monkeypatch.setattr(mirror_admission, "record_files", break_one)
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        report = run_once(mirror, 1)
        assert report.held == 2 and report.waiting == [DATA]
        assert [(one.code, one.container) for one in report.findings] == [("bad-torrent", DATA)]
        assert [one.container for one in mirror.ledger.findings("run")] == [DATA]


def test_a_file_that_was_asked_for_by_name_counts_for_what_it_is(release: Release, tmp_path: Path) -> None:
    release.containers[MORE] = random_files(MORE, {"aacid__z": 30_000})
    release.publish()
    path = new_mirror(tmp_path / "mirror", budget="25 kB")
    with open_mirror(path) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        torrent = mirror.ledger.torrents_of_container(DATA)[0]
        mirror.ledger.put_torrent(msgspec.structs.replace(torrent, state="wanted", selection=("aacid__d",)))
        report = run_once(mirror, 1)
        assert report.held_bytes == 20_000 + SIZES["aacid__d"] and report.held == 2
    (path / "mirror.toml").write_text((path / "mirror.toml").read_text().replace("25 kB", "160 kB"))
    with open_mirror(path) as mirror:  # not the whole container stands against the budget
        assert run_once(mirror, 1).held_bytes == 50_000 + SIZES["aacid__d"]
        assert plan_mirror(mirror, mirror.now()).chosen_bytes == 50_000 + SIZES["aacid__d"]


def test_a_container_of_which_a_part_was_asked_for_is_held_whole_when_there_is_room(release: Release, tmp_path: Path) -> None:
    path = new_mirror(tmp_path / "mirror", budget="25 kB")
    with open_mirror(path) as mirror:
        add_source(mirror, str(release.folder), Silent())
        run_once(mirror, 1)
        torrent = mirror.ledger.torrents_of_container(DATA)[0]
        mirror.ledger.put_torrent(msgspec.structs.replace(torrent, state="wanted", selection=("aacid__d",)))
        run_once(mirror, 1)
    (path / "mirror.toml").write_text((path / "mirror.toml").read_text().replace("25 kB", "1 MB"))
    with open_mirror(path) as mirror:
        report = run_once(mirror, 1)
        assert report.waiting == [] and report.held_bytes == 20_000 + sum(SIZES.values())
        assert release.is_held_at(mirror.held / "test" / "containers")
        assert mirror.ledger.torrents_of_container(DATA)[0].selection is None


def test_what_a_person_drops_while_a_choice_is_made_stays_dropped(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        plan = plan_mirror(mirror, mirror.now())
        drop(mirror, DATA, force=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fonoteca.workflows.mirror_choice.plan_mirror", lambda *_: plan)
            choose_again(mirror)
        assert state_of(mirror, infohash_of(mirror, DATA)) == "dropped"


def test_a_source_that_is_dropped_during_a_run_is_forgotten_by_it_or_by_the_next(release: Release, tmp_path: Path) -> None:
    for is_in_this_run in (True, False):
        with open_mirror(new_mirror(tmp_path / f"mirror{is_in_this_run}")) as mirror:
            add_source(mirror, str(release.folder), Silent())
            run_once(mirror, 1)
            with mirror.hold("run"):
                client = open_mirror_client(mirror)
                run = MirrorRun(mirror, client, Silent(), patience_s=1)
                run.go(once=True)
                with open_mirror(mirror.path) as other:
                    assert not drop(other, "test", force=True).is_done
                if is_in_this_run:
                    run._heed()
                client.close()
            if not is_in_this_run:
                run_once(mirror, 1)
            assert mirror.ledger.sources() == [] and mirror.ledger.torrents() == []
            assert not (mirror.held / "test").exists()
            add_source(mirror, str(release.folder), Silent())  # and may come back
            assert run_once(mirror, 1).held == 2


def test_few_torrents_are_admitted_at_once_and_none_keeps_its_list_of_files_in_memory(release: Release, tmp_path: Path) -> None:
    names = [DATA.replace("20260101", f"202602{day:02}") for day in range(1, 9)]
    release.containers |= {name: random_files(name, {"aacid__z": 500}) for name in names}
    release.publish()
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror, mirror.hold("run"):
        add_source(mirror, str(release.folder), Silent())
        client = open_mirror_client(mirror)
        gc.collect()
        before = sum(isinstance(one, TorrentInfo) for one in gc.get_objects())
        run = MirrorRun(mirror, client, Silent(), patience_s=1)
        choose_again(mirror)
        run._admit_some()
        assert 1 <= len(run.tasks) <= 3 * MOST_ADMITTED
        assert run.go(once=True).held == 10
        gc.collect()
        assert sum(isinstance(one, TorrentInfo) for one in gc.get_objects()) - before <= mirror_admission.MOST_OPEN
        client.close()


def test_what_is_chosen_is_read_from_the_ledger_only_after_somebody_wrote(release: Release, tmp_path: Path) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror:
        add_source(mirror, str(release.folder), Silent())
        choose_again(mirror)
        client = open_mirror_client(mirror)
        run = MirrorRun(mirror, client, Silent())
        asked: list[str] = []
        mirror.ledger.connection.exec_trace = lambda _, sql, __: asked.append(sql) or True
        assert {len(run._rows()) for _ in range(50)} == {2}
        assert sum("FROM torrents" in sql for sql in asked) == 1
        with open_mirror(mirror.path) as other:
            other.ledger.set_work(infohash_of(other, DATA), "dropped")
        assert [row.container for row in run._rows()] == [META]
        mirror.ledger.set_work(infohash_of(mirror, META), "dropped")
        assert run._rows() == []
        client.close()


def test_what_is_held_is_announced_when_the_run_ends_and_seldom_before(release: Release, tmp_path: Path) -> None:
    release.containers |= {DATA.replace("20260101", f"202602{day:02}"): random_files(str(day), {"aacid__z": 500}) for day in range(1, 9)}
    release.publish()
    announced: list[int] = []
    with open_mirror(new_mirror(tmp_path / "mirror")) as mirror, mirror.hold("run"):
        add_source(mirror, str(release.folder), Silent())
        client = open_mirror_client(mirror)

        def announce() -> None:
            with open_mirror(mirror.path) as other:
                announced.append(len(other.ledger.torrents(states=("held",))))

        MirrorRun(mirror, client, Silent(), patience_s=1, announce=announce).go(once=True)
        client.close()
    assert announced[-1] == 10 and len(announced) <= 2


def test_a_full_disk_ends_fetching_but_not_seeding_and_fetching_goes_on_when_there_is_room(release: Release, tmp_path: Path) -> None:
    release.containers[DATA] = random_files(DATA, {"aacid__a": 3_000_000, "aacid__b": 3_000_000})
    release.publish()
    with small_disk(tmp_path / "disk", 300_000_000) as disk:
        path = new_mirror(disk / "mirror", budget="1 GB")
        with open_mirror(path) as mirror:
            add_source(mirror, str(release.folder), Silent())
            resize(disk, 5_000_000)
            client = open_mirror_client(mirror)
            report = run_once(mirror, 2, client)
            assert [finding.code for finding in report.findings] == ["not-fetched"]
            assert report.held == 1 and report.waiting == [DATA]
            served = client.state(infohash_of(mirror, META))
            assert served is not None and served.phase == "seeding"
            assert not (mirror.staging / "run" / "copy").exists()
            client.close()
            run = RunBeside(path, 8)
            assert wait_until(lambda: run.has_found("not-fetched"), 15)
            resize(disk, 20_000_000)
            run.thread.join(40)
            assert run.report.waiting == [] and release.is_held_at(mirror.held / "test" / "containers")


def test_a_disk_that_peers_fill_is_waited_for(release: Release, tmp_path: Path) -> None:
    release.containers[DATA] = random_files(DATA, {"aacid__a": 3_000_000, "aacid__b": 3_000_000})
    release.publish()
    peer = Peer()
    for torrent in (release.folder / "torrents").iterdir():
        peer.add(torrent.read_bytes(), release.folder / "containers")
    lists = release.without_containers(tmp_path / "lists")
    with small_disk(tmp_path / "disk", 300_000_000) as disk:
        path = new_mirror(disk / "mirror", f"{peer.address}:{peer.port}", budget="1 GB")
        with open_mirror(path) as mirror:
            add_source(mirror, str(lists), Silent())
            resize(disk, 5_000_000)
            run = RunBeside(path, 15)
            assert wait_until(lambda: run.has_found("not-fetched"), 25)
            resize(disk, 20_000_000)
            run.thread.join(60)
            assert run.report.waiting == [] and release.is_held_at(mirror.held / "test" / "containers")
    del peer
