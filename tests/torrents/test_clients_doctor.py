"""fonoteca doctor says what around an archive or a mirror is wrong, and nothing where all is well."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import PASSWORD, Daemon, free_port, read_block, require_program, start_qbittorrent, start_transmission

from fonoteca.cli.run import run
from fonoteca.ground.findings import FINDING_KINDS
from fonoteca.torrents.clients import ClientSettings
from fonoteca.workflows.archive import init_archive
from fonoteca.workflows.doctor import Diagnosis, examine, judge_client, judge_disk
from fonoteca.workflows.mirror import make_mirror

pytestmark = pytest.mark.xdist_group("torrent-clients")


def make(path: Path, client: str) -> Path:
    """A mirror whose [client] is this."""
    make_mirror(path)
    text = (path / "mirror.toml").read_text("utf-8")
    head, _, rest = text.partition("[client]")
    (path / "mirror.toml").write_text(f"{head}[client]\n{client}\n[limits]{rest.partition('[limits]')[2]}")
    (path / "password").write_text(PASSWORD + "\n")
    return path


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def test_whole_archive_has_nothing_wrong(tmp_path: Path) -> None:
    diagnosis = examine(init_archive(tmp_path / "archive"))
    assert (diagnosis.kind, diagnosis.findings) == ("archive", [])


def test_lost_and_open_keys_damaged_and_lost_databases_are_found(tmp_path: Path) -> None:
    archive = init_archive(tmp_path / "archive")
    (archive / "signing" / "release.key").chmod(0o644)
    (archive / "ledger.sqlite3").write_bytes(b"not a database at all" * 100)
    assert codes(examine(archive)) == ["bad-key", "bad-database"]
    (archive / "signing" / "release.key").unlink()
    (archive / "ledger.sqlite3").unlink()
    assert codes(examine(archive)) == ["bad-key", "missing"]
    assert not (archive / "ledger.sqlite3").exists()


def test_mirror_whose_ledger_is_lost_is_told_so(tmp_path: Path) -> None:
    mirror = make(tmp_path / "mirror", 'listen = "127.0.0.1:0"')
    assert codes(examine(mirror)) == []
    (mirror / "ledger.sqlite3").write_bytes(bytes(5_000))
    assert codes(examine(mirror)) == ["bad-database"]


def test_port_that_another_program_has_is_told_to_the_embedded_client(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        mirror = make(tmp_path / "mirror", f'listen = "127.0.0.1:{other.getsockname()[1]}"')
        assert codes(examine(mirror)) == ["port-closed"]
    assert codes(examine(mirror)) == []


def test_every_setting_that_harms_is_a_finding_of_its_own() -> None:
    good = ClientSettings(name="transmission", listen_port=51413, preallocation=False, port_open=True)
    assert list(judge_client(good, "here")) == []
    bad = ClientSettings(
        name="transmission", listen_port=51413, preallocation=True, port_open=False, incomplete_folder="/tmp/x", partial_suffix=".part",
        queueing="at most 5 torrents are served at a time", stops_seeding="at a ratio of 2",
    )  # fmt: skip
    found = [finding.code for finding in judge_client(bad, "here")]
    assert found == ["preallocation", "incomplete-elsewhere", "incomplete-elsewhere", "queueing", "stops-seeding", "port-closed"]
    assert all(FINDING_KINDS[code].weight == "hindrance" for code in found)


def test_disk_is_nearly_full_when_what_is_to_come_does_not_fit(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(total=8 * 10**12, free=2 * 10**12)
    assert list(judge_disk(tmp_path, usage, 10**12)) == []
    (finding,) = judge_disk(tmp_path, usage, 2 * 10**12)
    assert "2.00 TB of 8.00 TB are free, 2.00 TB are still to come" in finding.fact
    assert [finding.code for finding in judge_disk(tmp_path, usage._replace(free=500_000_000), 0)] == ["disk-nearly-full"]


@pytest.fixture
def badly_set(tmp_path: Path) -> Iterator[Daemon]:
    """A transmission-daemon that was set up as it likes best."""
    (tmp_path / "transmission").mkdir()
    daemon = start_transmission(tmp_path / "transmission")
    daemon.stop()
    settings = json.loads((daemon.folder / "settings.json").read_text())
    settings |= {
        "preallocation": 1, "incomplete-dir-enabled": True, "incomplete-dir": str(tmp_path / "incomplete"), "rename-partial-files": True,
        "seed-queue-enabled": True, "ratio-limit-enabled": True, "ratio-limit": 2,
    }  # fmt: skip
    (daemon.folder / "settings.json").write_text(json.dumps(settings))
    daemon.start()
    yield daemon
    daemon.stop(kill=True)


def test_settings_of_a_badly_set_transmission_are_all_found(badly_set: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = f'kind = "transmission"\nurl = "{badly_set.url}"\nuser = "mirror"\npassword_file = "password"'
    mirror = make(tmp_path / "mirror", client)
    assert codes(examine(mirror)) == ["preallocation", "incomplete-elsewhere", "incomplete-elsewhere", "queueing", "stops-seeding"]
    assert run(["doctor", "--mirror", str(mirror), "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["client"]["preallocation"] is True and told["findings"][0]["way_out"]
    assert run(["doctor", str(mirror)]) == 3
    assert "stops-seeding" in capsys.readouterr().out


def test_settings_of_a_badly_set_qbittorrent_are_all_found(tmp_path: Path) -> None:
    require_program("qbittorrent-nox")
    (tmp_path / "qbittorrent").mkdir()
    good = read_block("ini")
    bad = good.replace("Preallocation=false", "Preallocation=true").replace("QueueingSystemEnabled=false", "QueueingSystemEnabled=true")
    bad = bad.replace("TempPathEnabled=false", "TempPathEnabled=true").replace("GlobalMaxRatio=-1", "GlobalMaxRatio=2")
    bad = bad.replace("ExtensionToIncompleteFiles=false", "ExtensionToIncompleteFiles=true")
    daemon = start_qbittorrent(tmp_path / "qbittorrent", bad)
    try:
        client = f'kind = "qbittorrent"\nurl = "{daemon.url}"\nuser = "mirror"\npassword_file = "password"'
        found = codes(examine(make(tmp_path / "mirror", client)))
        assert found == ["preallocation", "incomplete-elsewhere", "incomplete-elsewhere", "queueing", "stops-seeding"]
    finally:
        daemon.stop(kill=True)


def test_daemon_that_is_not_there_is_found(tmp_path: Path) -> None:
    for kind in ("transmission", "qbittorrent"):
        mirror = make(tmp_path / kind, f'kind = "{kind}"\nurl = "http://127.0.0.1:{free_port()}"')
        assert codes(examine(mirror)) == ["no-client"]
