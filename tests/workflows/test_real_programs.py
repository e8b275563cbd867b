"""A release read by the programs that a stranger has: every command that README.txt and the pages name, run as it stands."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import indexed_zstd
import libtorrent as lt
import pytest
from commands import FREE_ART, make_archive, run_fonoteca, write_plays

PROGRAMS = ("zstd", "transmission-show", "sha256sum", "minisign", "ssh-keygen", "opusinfo", "ogginfo", "ffmpeg", "sqlite3")


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def release(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine real pieces, two of them in the tail; hybrid torrents too."""
    root = tmp_path_factory.mktemp("real")
    tracks = music / "amoebax-data" / "music"
    archive = make_archive(root / "archive", cut_off="0.0", hybrid_metadata="true", url='"https://example.org/a"')
    plays = write_plays(root / "plays.csv", {tracks / "Congratulations.ogg": 20, tracks / "training.ogg": 10})
    for command in (["add", tracks, "--plays", plays, "--rights", FREE_ART], ["build"], ["publish"]):
        run_fonoteca(*command, "--archive", archive)
    return archive / "release"


def run(*command: str | Path, cwd: Path, stdin: Path | None = None) -> str:
    with open(stdin or os.devnull, "rb") as source:
        done = subprocess.run([str(part) for part in command], cwd=cwd, stdin=source, capture_output=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}"
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def run_shell(line: str, cwd: Path) -> str:
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 141), f"{line}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout


def indented_commands(text: str, *programs: str) -> list[str]:
    """Lines that begin with one of the programs after white space, without remarks in brackets."""
    lines = (line.strip() for line in text.splitlines() if line.startswith("  "))
    return [re.sub(r"\s{2,}\(.*\)$", "", line) for line in lines if line.split(" ")[0] in programs]


def metadata_files(release: Path) -> list[Path]:
    return sorted((release / "containers").glob("*.jsonl.seekable.zst"))


def test_every_command_of_the_readme_works_as_it_stands(release: Path) -> None:
    readme = (release / "README.txt").read_text()
    commands = indented_commands(readme, "minisign", "ssh-keygen", "sha256sum", "zstd", "sqlite3")
    assert {command.split(" ")[0] for command in commands} == {"minisign", "ssh-keygen", "sha256sum", "zstd", "sqlite3"}
    for command in commands:
        for metadata in metadata_files(release) if "NAME" in command else [None]:
            line = command.replace("NAME.jsonl.seekable.zst", metadata.name if metadata else "").replace("%word%", "%training%")
            assert run_shell(line, release).strip(), f"{line} says nothing"


def test_the_query_of_the_readme_finds_a_file_that_plays(release: Path) -> None:
    readme = (release / "README.txt").read_text()
    query = next(line for line in indented_commands(readme, "sqlite3") if "%word%" in line).replace("%word%", "%training%")
    place = run_shell(query, release).splitlines()[0].split("|")[0]
    assert (
        "Opus" in run("ffmpeg", "-hide_banner", "-v", "info", "-i", release / "containers" / place, "-f", "null", "-", cwd=release).title()
    )


def test_the_signing_page_checks_a_release(release: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "signing.md").read_text()
    principal = (release / "allowed_signers").read_text().split(" ")[0]
    commands = [line.split("  #")[0].strip() for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    checked = [line.replace("PRINCIPAL", principal) for line in commands if line and not line.startswith("#")]
    assert len(checked) >= 4
    said = [run_shell(line, release) for line in checked]
    assert json.loads((release / "release.json").read_text())["key"] in said[-1]


@pytest.mark.parametrize("command", ["minisign", "ssh-keygen", "sha256sum"])
def test_each_of_the_programs_refuses_a_changed_release(release: Path, command: str, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(release, forged)
    readme = (forged / "README.txt").read_text()
    line = next(line for line in indented_commands(readme, command))
    changed = forged / ("index.html" if command == "sha256sum" else "SHA256SUMS")
    changed.write_bytes(changed.read_bytes().replace(b"0", b"1", 1))
    assert subprocess.run(["bash", "-c", line], cwd=forged, capture_output=True).returncode != 0


def test_checksums_name_every_file_but_themselves_and_the_signatures(release: Path) -> None:
    listed = {line.split("  ", 1)[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(release)) for path in release.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS", "SHA256SUMS.minisig", "SHA256SUMS.sig", "release.json.minisig", "release.json.sig"}
    assert not listed - there


def test_zstd_and_indexed_zstd_read_the_same_lines_of_metadata(release: Path) -> None:
    for metadata in metadata_files(release):
        lines = run("zstd", "-dc", metadata, cwd=release).encode()
        reader = indexed_zstd.IndexedZstdFile(str(metadata))
        assert reader.read() == lines
        reader.seek(len(lines) // 2)
        assert reader.read(100) == lines[len(lines) // 2 :][:100]
        reader.close()
        for line in lines.splitlines():
            assert json.loads(line)["aacid"].startswith("aacid__")


def test_transmission_shows_what_torrents_json_says(release: Path) -> None:
    entries = {entry["display_name"]: entry for entry in json.loads((release / "torrents.json").read_text())}
    # Transmission before 4.0 reads no hybrid at all (its issue 1339), which is why there is always a v1 torrent beside it
    for torrent in sorted(path for path in (release / "torrents").iterdir() if ".hybrid." not in path.name):
        entry = entries[torrent.name.removesuffix(".torrent")]
        shown = run("transmission-show", torrent, cwd=release)
        assert re.search(r"Hash(?: v1)?: (\w{40})", shown)[1] == entry["btih"]  # type: ignore[index]
        assert entry["url"] == f"https://example.org/a/torrents/{torrent.name}"
        assert entry["torrent_size"] == torrent.stat().st_size


def test_opusinfo_ogginfo_and_ffmpeg_find_nothing_wrong_with_any_member(release: Path) -> None:
    for member in sorted(path for path in (release / "containers").glob("*_files__*/*")):
        is_opus = b"OpusHead" in member.read_bytes()[:100]
        said = run("opusinfo" if is_opus else "ogginfo", member, cwd=release)
        assert "WARNING" not in said.upper(), said
        assert run("ffmpeg", "-v", "warning", "-xerror", "-i", member, "-f", "null", "-", cwd=release) == ""


def test_sqlite3_finds_the_catalogue_whole_and_every_file_it_names(release: Path) -> None:
    assert run("sqlite3", "catalogue.sqlite3", "PRAGMA integrity_check", cwd=release).strip() == "ok"
    rows = run("sqlite3", "catalogue.sqlite3", "SELECT container || '/' || aacid, sha256 FROM what_is_held", cwd=release).splitlines()
    assert len(rows) == 9
    for row in rows:
        place, sha256 = row.split("|")
        assert hashlib.sha256((release / "containers" / place).read_bytes()).hexdigest() == sha256


@pytest.fixture
def sessions() -> Iterator[list[lt.session]]:
    settings = {
        "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True, "enable_outgoing_utp": False, "enable_incoming_utp": False,
    }  # fmt: skip
    pair = [lt.session(settings) for _ in range(2)]
    yield pair
    for session in pair:
        session.pause()


def _add(session: lt.session, torrent: Path, folder: Path) -> lt.torrent_handle:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent.read_bytes())
    parameters.save_path = str(folder)
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return session.add_torrent(parameters)


def _are_seeding(handles: list[lt.torrent_handle], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(handle.status().is_seeding for handle in handles):
            return True
        time.sleep(0.05)
    return False


def _copy_as_readme_says(release: Path, target: Path) -> Path:
    """Not the folder itself: a client that checks may not be able to change what the other tests read."""
    shutil.copytree(release / "containers", target)
    return target


def test_libtorrent_seeds_the_containers_and_another_session_fetches_them_whole(
    release: Path, sessions: list[lt.session], tmp_path: Path
) -> None:
    folder = _copy_as_readme_says(release, tmp_path / "containers")
    torrents = sorted(path for path in (release / "torrents").iterdir() if ".hybrid." not in path.name)
    seeds = [_add(sessions[0], torrent, folder) for torrent in torrents]
    assert _are_seeding(seeds, 30), [handle.status().progress for handle in seeds]
    fetched = [_add(sessions[1], torrent, tmp_path / "fetched") for torrent in torrents]
    for handle in fetched:
        handle.connect_peer(("127.0.0.1", sessions[0].listen_port()))
    assert _are_seeding(fetched, 40), [handle.status().progress for handle in fetched]
    expected = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert _comes_to_hold(tmp_path / "fetched", expected)


def _comes_to_hold(folder: Path, expected: dict[str, bytes], seconds: float = 20) -> bool:
    """A torrent may be told complete while its last blocks are on their way to the disk."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == expected:
            return True
        time.sleep(0.05)
    return False


def test_hybrid_torrents_are_v1_and_v2_at_once_and_libtorrent_seeds_them(release: Path, sessions: list[lt.session], tmp_path: Path) -> None:
    folder = _copy_as_readme_says(release, tmp_path / "containers")
    hybrids = sorted((release / "torrents").glob("*.hybrid.torrent"))
    assert [path.name.removesuffix(".hybrid.torrent") for path in hybrids] == [path.name for path in metadata_files(release)]
    handles = [_add(sessions[0], torrent, folder) for torrent in hybrids]
    assert all(handle.info_hashes().has_v1() and handle.info_hashes().has_v2() for handle in handles)
    assert _are_seeding(handles, 30), [handle.status().progress for handle in handles]
