"""From publishing to the loss of the publisher: three mirrors with three clients, damage, healing, a fourth mirror, the archive again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libtorrent as lt
import pytest
from commands import FREE_ART, environment, fonoteca_command, make_archive, tree_digest
from commands import run_fonoteca as run_at_held_clock
from daemons import Daemon, free_port, start_opentracker, start_qbittorrent, start_transmission
from swarm import Peer, wait_until
from web_server import serve

from generated_music import write_small_files

pytestmark = pytest.mark.xdist_group("mirrors")
SECONDS = 120


def run_fonoteca(*arguments: str | Path, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    """By the real clock: what was proved when is part of the story."""
    return run_at_held_clock(*arguments, status=status, SOURCE_DATE_EPOCH="")


def run_json(*arguments: str | Path, status: int | None = 0) -> Any:
    return json.loads(run_fonoteca(*arguments, "--json", status=status).stdout)


@dataclass
class Node:
    """A mirror that runs, and the port at which its client is reached."""

    path: Path
    port: int
    process: subprocess.Popen[str] | None = None

    @property
    def held(self) -> Path:
        return self.path / "held" / "test"

    def start(self) -> None:
        with open(self.path / "run.log", "a") as log:
            self.process = subprocess.Popen(
                fonoteca_command("mirror", "run", "--mirror", self.path), stdout=log, stderr=log,
                env=environment(SOURCE_DATE_EPOCH=""), start_new_session=True,
            )  # fmt: skip

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(sent)
            self.process.wait(30)
            self.process = None

    @property
    def log(self) -> str:
        return (self.path / "run.log").read_text()


def wait_for(fact: Callable[[], Any], told: Callable[[], object], seconds: float = SECONDS) -> Any:
    end = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < end, told()
        time.sleep(0.3)
    return found


def make_mirror(
    path: Path, source: str | Path, *, budget: str, daemon: Daemon | None = None, peers: tuple[int, ...] = (), **more: str
) -> Node:
    arguments = ["mirror", "add", source, "--mirror", path, "--budget", budget]
    run_fonoteca(*arguments, *(word for pair in more.items() for word in (f"--{pair[0]}", pair[1])))
    port = daemon.port if daemon else free_port()
    lines = {"dht": "false", "peers": json.dumps([f"127.0.0.1:{port}" for port in peers])}
    if daemon:
        (path / "password").write_text(daemon.password + "\n")
        lines |= {"kind": f'"{daemon.name}"\nurl = "{daemon.url}"\nuser = "{daemon.user}"\npassword_file = "password"'}
    else:
        lines |= {"listen": f'"127.0.0.1:{port}"'}
    text = (path / "mirror.toml").read_text()
    for name, value in {**lines, "operator": f'"{path.name}"'}.items():
        before = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
        text = text.replace(before, f"{name} = {value}", 1)
    (path / "mirror.toml").write_text(text)
    return Node(path, port)


def not_held(node: Node) -> list[str]:
    status = run_json("mirror", "status", "--mirror", node.path)
    return [torrent["container"] for torrent in status["containers"] if torrent["state"] in ("wanted", "fetching")]


@dataclass
class World:
    archive: Path
    tracker: Daemon
    publisher: Node
    mirrors: dict[str, Node]


@pytest.fixture(scope="module")
def world(music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A published archive of real music in several containers, seeded by its publisher, and three mirrors that hold their shares."""
    top = tmp_path_factory.mktemp("world")
    folders = {name: top / f"{name}-daemon" for name in ("tracker", "transmission", "qbittorrent")}
    for folder in folders.values():
        folder.mkdir()
    tracker = start_opentracker(folders["tracker"])
    archive = make_archive(
        top / "archive", cut_off="0.0", torrent_size='"2 kB"', trackers=json.dumps([f"http://127.0.0.1:{tracker.port}/announce"])
    )
    write_small_files(top / "small", 40, seed=7)
    run_fonoteca("add", music_minute, top / "small", "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    listed = json.loads((archive / "release" / "torrents.json").read_text())
    (folders["tracker"] / "whitelist").write_text("".join(f"{entry['btih']}\n" for entry in listed))
    tracker.stop()
    tracker.start()
    daemons = {"transmission": start_transmission(folders["transmission"]), "qbittorrent": start_qbittorrent(folders["qbittorrent"])}
    total = sum(entry["data_size"] for entry in listed)
    with serve(archive) as web:
        source = f"{web.url}release/"
        seed = make_mirror(top / "publisher", archive / "release", budget="1GB")
        shutil.rmtree(seed.path)
        run_fonoteca("mirror", "add", archive / "release", "--in-place", "--mirror", seed.path)
        ports = {"embedded": free_port(), **{name: daemon.port for name, daemon in daemons.items()}}
        publisher = make_in_place(seed.path, tuple(ports.values()))
        publisher.start()
        budgets = {"embedded": total * 2, "transmission": total * 2 // 3, "qbittorrent": total * 4 // 5}
        mirrors = {}
        for name, budget in budgets.items():
            peers = (publisher.port, *ports.values())
            mirrors[name] = make_mirror(top / name, source, budget=str(budget), daemon=daemons.get(name), peers=peers,
                                        key=str(archive / "release" / "minisign.pub"))  # fmt: skip
            key = run_json("mirror", "status", "--mirror", top / name)["key"]
            run_fonoteca("roster", "add", name, "--key", key, "--pledge", str(budget), "--operator", name, "--archive", archive)
        for node in mirrors.values():
            node.start()
        world = World(archive, tracker, publisher, mirrors)
        try:
            for name, node in mirrors.items():
                wait_for(lambda node=node: not not_held(node), lambda name=name, node=node: f"{name}: {not_held(node)}\n{node.log}")
            yield world
        finally:
            for node in (publisher, *mirrors.values()):
                node.stop(signal.SIGKILL)
            for daemon in (tracker, *daemons.values()):
                daemon.stop()


def make_in_place(path: Path, peers: tuple[int, ...]) -> Node:
    port = free_port()
    text = (path / "mirror.toml").read_text()
    for name, value in {
        "dht": "false",
        "listen": f'"127.0.0.1:{port}"',
        "peers": json.dumps([f"127.0.0.1:{peer}" for peer in peers]),
    }.items():
        before = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
        text = text.replace(before, f"{name} = {value}", 1)
    (path / "mirror.toml").write_text(text)
    return Node(path, port)


def containers_of(node: Node) -> list[str]:
    status = run_json("mirror", "status", "--mirror", node.path)
    return sorted(torrent["container"] for torrent in status["containers"] if torrent["state"] == "held")


def good_files(world: World, node: Node) -> dict[str, str]:
    """What a mirror should hold below containers/, by path, as the archive has it."""
    names = {name.split("/")[0] for name in containers_of(node)}
    everything = tree_digest(world.archive / "release" / "containers")
    return {name: digest for name, digest in everything.items() if name.split("/")[0] in names and digest}


def held_files(node: Node) -> dict[str, str]:
    return {name: digest for name, digest in tree_digest(node.held / "containers").items() if digest and not name.startswith(".")}


def damage(node: Node, number: int) -> tuple[set[str], set[str]]:
    """Flip a bit, cut, delete, swap two, add strangers: paths of what is damaged, and of the strangers."""
    containers = node.held / "containers"
    members = sorted(path for path in containers.glob("*_data__*/*") if path.stat().st_size > 5000)
    members = members[number::3] + members  # not the same in each mirror
    flipped, cut, gone, one, other = list(dict.fromkeys(members))[:5]
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 0x10
    flipped.write_bytes(data)
    os.truncate(cut, cut.stat().st_size // 3)
    gone.unlink()
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    metadata = sorted(containers.glob("*_meta__*"))[0]
    metadata.write_bytes(b"\0" + metadata.read_bytes()[1:])
    strangers = {containers / "stranger.txt", flipped.parent / "stranger.ogg"}
    for path in strangers:
        path.write_bytes(b"who am I?")
    return {str(path) for path in (flipped, cut, gone, one, other, metadata)}, {str(path) for path in strangers}


def test_each_mirror_holds_its_share_whole_and_within_its_budget(world: World) -> None:
    for node in world.mirrors.values():
        assert held_files(node) == good_files(world, node)
        sizes = [path.stat().st_size for path in node.held.glob("containers/**/*") if path.is_file()]
        assert 0 < sum(sizes) <= run_json("mirror", "status", "--mirror", node.path)["budget"]
    everything = {name: digest for name, digest in tree_digest(world.archive / "release" / "containers").items() if digest}
    assert held_files(world.mirrors["embedded"]) == everything
    assert held_files(world.mirrors["transmission"]).keys() < everything.keys() > held_files(world.mirrors["qbittorrent"]).keys()


@pytest.mark.parametrize("name", ["embedded", "transmission", "qbittorrent"])
def test_every_damage_is_found_and_mended_byte_for_byte_and_the_mirror_still_seeds(world: World, name: str) -> None:
    node = world.mirrors[name]
    number = list(world.mirrors).index(name)
    before = held_files(node)
    damaged, strangers = damage(node, number)
    report = run_json("verify", "--schedule", "--days", "0.000001", "--mirror", node.path, status=3)
    found = {(Path(one["path"]) if Path(one["path"]).is_absolute() else node.path / one["path"]) for one in report["listed"]}
    assert {str(path) for path in found} == damaged | strangers
    healed = run_json("heal", "--mirror", node.path)
    assert healed, node.log
    assert held_files(node) == before
    run_fonoteca("verify", "--schedule", "--days", "0.000001", "--mirror", node.path)
    mended = {Path(path).relative_to(node.held / "containers").parts[0] for path in damaged}
    assert all(fetch_from(node, world, container) for container in sorted(mended)), node.log


def fetch_from(node: Node, world: World, container: str) -> bool:
    """Whether a stranger who knows this mirror alone gets a container from it."""
    torrent = world.archive / "release" / "torrents" / f"{container}.torrent"
    parameters = lt.add_torrent_params()
    parameters.ti, parameters.save_path = lt.torrent_info(str(torrent)), str(node.path.parent / f"taker-{node.path.name}")
    peer = Peer()
    handle = peer.session.add_torrent(parameters)
    handle.replace_trackers([])

    def is_whole() -> bool:
        if not handle.status().num_peers:
            handle.connect_peer(("127.0.0.1", node.port))  # Transmission lets peers wait, or go
        return bool(handle.status().is_seeding)

    try:
        return wait_until(is_whole, 60)
    finally:
        peer.session.pause()


def test_when_the_publisher_is_gone_a_fourth_mirror_gets_everything_and_the_archive_comes_back(world: World, tmp_path: Path) -> None:
    world.publisher.stop(signal.SIGKILL)
    gone = world.archive.with_name("gone")
    release = tree_digest(world.archive / "release")
    key = world.archive / "signing" / "release.key"
    saved = shutil.copy(key, tmp_path / "release.key")
    os.rename(world.archive, gone)  # and its web server has nothing any more
    source = world.mirrors["embedded"].held
    with serve(source) as web:
        peers = tuple(node.port for node in world.mirrors.values())
        fourth = make_mirror(tmp_path / "fourth", web.url, budget="1GB", peers=peers)
        run_fonoteca("mirror", "run", "--once", "--mirror", fourth.path)
    held = fourth.path / "held" / "test"
    expected = {name: digest for name, digest in release.items() if not name.startswith("roster")}
    assert {name: digest for name, digest in tree_digest(held).items() if not name.startswith("roster")} == expected
    restored = tmp_path / "restored"
    run_fonoteca("init", restored, "--from", held, "--signing-key", saved, "--key", gone / "release" / "minisign.pub")
    assert run_json("verify", restored)["counts"] == {}
    assert run_json("publish", "--archive", restored)["is_new"] is False
    for track in run_json("search", "a", "--archive", gone)["found"][:3]:
        assert run_json("show", track["id"], "--archive", restored)["title"] == track["title"]
