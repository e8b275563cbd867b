"""Sources that lie, go back, change keys or never end: refused with a reason, and nothing is written outside the mirror."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from releases_made import DATA, META, Release, new_mirror, paths_outside, run_once

from fonoteca.ground.errors import DownloadError, FonotecaError, FormatError, SignatureError, TorrentFormatError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.integrity import create_key, read_public_key, write_rotation
from fonoteca.torrents import TorrentOptions, make_torrent
from fonoteca.workflows import mirror_sources
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.mirror_origin import locate, resolve_in_list
from fonoteca.workflows.mirror_sources import add_source, follow_source
from torrents.web_server import WebServer


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that may just be changing is asked again after a moment; here it is not."""
    monkeypatch.setattr(mirror_sources.time, "sleep", lambda seconds: None)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path / "release")
    made.publish()
    return made


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with open_mirror(new_mirror(tmp_path / "mirror")) as opened:
        yield opened


def add(mirror: Mirror, release: Release, **more: object) -> mirror_sources.Followed:
    return add_source(mirror, str(release.folder), Silent(), **more)  # type: ignore[arg-type]


def lists_of(folder: Path) -> dict[str, str]:
    """Every file but those of containers, with its hash."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and "containers" not in path.parts:
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_the_lists_of_a_release_are_taken_byte_for_byte_and_a_second_time_nothing_is_fetched(mirror: Mirror, release: Release) -> None:
    first = add(mirror, release)
    assert first.is_new and first.torrents == 2 and first.fetched > 0 and "from now on it is held to it" in first.notes[0]
    assert lists_of(mirror.held / "test") == lists_of(release.folder)
    second = add(mirror, release)
    assert (second.is_new, second.fetched, second.source) == (False, 0, "test")
    assert len(mirror.ledger.sources()) == 1


def test_a_release_over_http_is_taken_too_also_by_its_torrents_json(mirror: Mirror, release: Release) -> None:
    server = WebServer(release.folder.parent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    followed = add_source(mirror, f"{server.url}release/torrents.json", Silent())
    assert followed.location == f"{server.url}release" and lists_of(mirror.held / "test") == lists_of(release.folder)
    release.publish()
    assert follow_source(mirror, "test", Silent()).serial == 2
    server.shutdown()


def test_a_release_of_another_key_is_refused_and_what_is_held_stays(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    add(mirror, release)
    before = lists_of(mirror.held / "test")
    release.key = create_key(tmp_path / "other.key")
    release.publish()
    with pytest.raises(SignatureError):
        follow_source(mirror, "test", Silent())
    assert lists_of(mirror.held / "test") == before and mirror.ledger.sources()[0].serial == 1


def test_a_release_is_held_to_the_key_that_was_given(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    with pytest.raises(SignatureError):
        add(mirror, release, key=create_key(tmp_path / "other.key").public)
    assert not mirror.ledger.sources() and not list(mirror.held.iterdir())
    assert add(mirror, release, key=release.key.public).notes == []


def test_a_new_key_that_the_old_one_signed_is_followed_and_remembered(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    add(mirror, release)
    new = create_key(tmp_path / "new.key")
    write_rotation(release.key, new.public, first_serial=2, folder=release.folder)
    release.key = new
    release.publish()
    followed = follow_source(mirror, "test", Silent())
    assert followed.serial == 2 and "another key" in followed.notes[0]
    assert read_public_key(mirror.ledger.sources()[0].key).raw == new.public.raw


def test_a_release_that_goes_back_in_time_is_refused(mirror: Mirror, release: Release) -> None:
    release.publish(serial=7)
    add(mirror, release)
    release.publish(serial=6)
    with pytest.raises(SignatureError, match="older than 7"):
        follow_source(mirror, "test", Silent())


def test_two_releases_of_one_number_are_refused(mirror: Mirror, release: Release) -> None:
    add(mirror, release)
    release.write("docs/more.txt", b"more")
    release.publish(serial=1)
    with pytest.raises(SignatureError, match="seen before with other lists"):
        follow_source(mirror, "test", Silent())


def test_a_list_that_is_not_what_the_signed_list_says_is_refused(mirror: Mirror, release: Release) -> None:
    (release.folder / "torrents.json").write_bytes(b"[]\n")
    with pytest.raises(DownloadError, match="should have"):
        add(mirror, release)
    assert not list(mirror.held.iterdir())


@pytest.mark.parametrize(
    "path",
    [
        "../escaped.txt",
        "/tmp/fonoteca-escaped.txt",
        "containers",
        "SHA256SUMS.sig",
        "roster.json",
        "docs/../../escaped",
        "a\u202eb",
        "torrents",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_and_nothing_is_written(mirror: Mirror, release: Release, tmp_path: Path, path: str) -> None:
    release.publish(more_sums={path: "0" * 64})
    before = set(paths_outside(tmp_path, mirror.path))
    with pytest.raises(FormatError):
        add(mirror, release)
    assert set(paths_outside(tmp_path, mirror.path)) == before and not list(mirror.held.iterdir())
    assert not Path("/tmp/fonoteca-escaped.txt").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 5_000_000 + b"1" + b"]" * 5_000_000,
        b'[{"url":' + b"[" * 10_000 + b"]" * 10_000 + b"}]",
        b"{}",
        b"",
    ],
    ids=["deep", "10 MB deep", "deep inside", "object", "empty"],
)
def test_a_torrents_json_that_cannot_be_is_refused_or_told(mirror: Mirror, release: Release, content: bytes) -> None:
    release.publish(torrents_json=content)
    try:
        followed = add(mirror, release)
    except TorrentFormatError:
        assert not mirror.ledger.sources()
    else:
        assert followed.torrents == 0 and followed.findings


def test_entries_with_harmful_names_are_told_and_left_out(mirror: Mirror, release: Release) -> None:
    names = ["../../evil", "a/b", "..", "nul\0", "x" * 300, "ok"]
    hashes = [f"{number:040x}" for number in range(len(names))]
    entries = [
        {"url": "x", "btih": btih, "display_name": name, "data_size": 1, "num_files": 1} for btih, name in zip(hashes, names, strict=True)
    ]
    entries.append({"url": "x", "btih": "nonsense", "display_name": "n", "data_size": 1})
    entries.append({"url": "x", "btih": "f" * 40, "display_name": "negative", "data_size": -1})
    release.publish(torrents_json=json.dumps(entries).encode())
    followed = add(mirror, release)
    assert [torrent.container for torrent in mirror.ledger.torrents()] == ["ok"] and len(followed.findings) == 7


@pytest.mark.parametrize("lie", ["path", "size", "infohash"])
def test_a_torrent_that_is_not_what_the_list_told_is_never_added(mirror: Mirror, release: Release, tmp_path: Path, lie: str) -> None:
    good = (release.folder / "torrents" / f"{DATA}.torrent").read_bytes()
    lies = {
        "path": good.replace(b"8:aacid__a", b"8:../../xx"),
        "size": good.replace(b"lengthi40000e", b"lengthi99999e"),
        "infohash": make_torrent(DATA, [("aacid__a", 10)], 16_384, b"x" * 20, TorrentOptions()),
    }
    release.publish(torrent_lies={DATA: lies[lie]})
    add(mirror, release)
    before = set(paths_outside(tmp_path, mirror.path))
    report = run_once(mirror, 1)
    assert [finding.code for finding in report.findings] == ["bad-torrent"] and report.waiting == [DATA]
    assert set(paths_outside(tmp_path, mirror.path)) == before and not (mirror.held / "test" / "containers" / DATA).exists()


def test_a_list_of_others_is_followed_by_infohash_and_proved_by_pieces(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    folder = tmp_path / "list"
    (folder / "torrents").mkdir(parents=True)
    (folder / "torrents.json").write_bytes((release.folder / "torrents.json").read_bytes())
    for path in (release.folder / "torrents").iterdir():
        (folder / "torrents" / path.name).write_bytes(path.read_bytes())
    followed = add_source(mirror, str(folder / "torrents.json"), Silent())
    assert followed.source == "torrents" and followed.torrents == 2
    containers = mirror.held / "torrents" / "containers"
    (containers / DATA).mkdir(parents=True)
    for name, content in {**release.containers[DATA]}.items():  # type: ignore[dict-item]
        (containers / DATA / name).write_bytes(content)
    report = run_once(mirror, 1)
    assert report.held == 1 and report.waiting == [META]
    assert all(file.sha256 is None and file.state == "held" for file in mirror.ledger.oldest(100))


def test_torrents_of_a_list_come_from_the_web_or_from_beside_it() -> None:
    web = "https://example.org/lists/torrents.json"
    assert resolve_in_list(web, "a.torrent") == "https://example.org/lists/a.torrent"
    assert resolve_in_list("/data/torrents.json", "https://example.org/a.torrent") == "https://example.org/a.torrent"
    for location, url in ((web, "file:///etc/passwd"), (web, "ftp://example.org/x"), ("/data/torrents.json", "../etc/passwd"),
                          ("/data/torrents.json", "file:///etc/passwd")):  # fmt: skip
        with pytest.raises(DownloadError):
            resolve_in_list(location, url)


def test_what_is_no_source_is_refused_before_a_mirror_is_made(tmp_path: Path, mirror: Mirror, release: Release) -> None:
    for told in (str(tmp_path / "nowhere"), str(tmp_path / "mirror"), "ftp://example.org/release", "file:///etc"):
        with pytest.raises(UsageError):
            locate(told)
    add(mirror, release)
    with pytest.raises(UsageError, match="in the mirror itself"):
        add_source(mirror, str(mirror.held / "test"), Silent())


def test_a_link_out_of_the_release_is_not_followed(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (release.folder / "docs").mkdir()
    (release.folder / "docs" / "a.txt").symlink_to(tmp_path / "secret")
    release.publish()
    with pytest.raises(UsageError, match="link"):
        add(mirror, release)


def test_a_mirror_can_be_the_source_of_another(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    add(mirror, release)
    run_once(mirror, 1)
    with open_mirror(new_mirror(tmp_path / "second")) as second:
        add_source(second, str(mirror.held / "test"), Silent(), key=release.key.public)
        assert run_once(second, 1).held == 2
        assert release.is_held_at(second.held / "test" / "containers")


def test_a_source_that_moved_goes_on_under_its_name(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    add(mirror, release)
    release.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FonotecaError):
        follow_source(mirror, "test", Silent())
    followed = add_source(mirror, str(tmp_path / "elsewhere"), Silent())
    assert followed.source == "test" and "from now on it is followed at" in followed.notes[0]
    assert len(mirror.ledger.sources()) == 1


class Endless(BaseHTTPRequestHandler):
    """Never stops, or leads to where nobody asked to go."""

    def do_GET(self) -> None:
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65_536)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize("path", ["endless", "redirect"])
def test_a_server_that_never_ends_or_leads_to_files_is_refused(mirror: Mirror, path: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(DownloadError):
        add_source(mirror, f"http://127.0.0.1:{server.server_address[1]}/{path}", Silent())
    server.shutdown()
    assert not mirror.ledger.sources()
