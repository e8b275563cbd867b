"""What strangers put into lists and torrents: nothing proved is overwritten, no entry ends a run, nobody gets more than the budget."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from releases_made import DATA, META, PIECE, Release, new_mirror, random_files, run_once

from fonoteca.ground.errors import DownloadError, SignatureError, TorrentFormatError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.integrity import create_key
from fonoteca.integrity.digests import PieceHasher
from fonoteca.torrents import TorrentOptions, describe_torrent, make_torrent, read_torrent, read_torrents_json
from fonoteca.torrents.clients.session import prepare_torrent
from fonoteca.workflows import mirror_sources
from fonoteca.workflows.mirror import Mirror, make_mirror, open_mirror
from fonoteca.workflows.mirror_drop import drop
from fonoteca.workflows.mirror_sources import add_source, follow_source


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that may just be changing is asked again after a moment; here it is not."""
    monkeypatch.setattr(mirror_sources.time, "sleep", lambda seconds: None)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with open_mirror(new_mirror(tmp_path / "mirror")) as opened:
        yield opened


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path / "release")
    made.publish()
    return made


class BareList:
    """A torrents.json without a release around it, whose torrents tell what nobody should believe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        (folder / "torrents").mkdir(parents=True)

    def put(self, name: str, files: dict[str, bytes] | bytes, mirror: Mirror | None = None, **lies: Any) -> str:
        """One more torrent; its bytes lie in the mirror already where it is given, so that nobody need send them."""
        parts = files if isinstance(files, dict) else {"": files}
        hasher = PieceHasher(PIECE)
        for file, data in parts.items():
            hasher.update(data)
            if mirror is not None:
                path = mirror.held / "torrents" / "containers" / f"{name}/{file}".rstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        sizes: Any = [(file, len(data)) for file, data in parts.items()] if isinstance(files, dict) else len(files)
        torrent = make_torrent(name, sizes, PIECE, hasher.finish())
        info = read_torrent(torrent)
        self.put_torrent(info.infohash, torrent, name, (len(torrent), info.file_count, info.data_bytes), **lies)
        return info.infohash

    def put_torrent(self, infohash: str, torrent: bytes, name: str, sizes: tuple[int, int, int], **lies: Any) -> None:
        url = f"torrents/{infohash}.torrent"
        (self.folder / url).write_bytes(torrent)
        entry = describe_torrent(infohash=infohash, name=name, display_name=name, sizes=sizes, options=TorrentOptions(), url=url,
                                 group=("test", "files"), added_on="2026-01-01", is_metadata=False)  # fmt: skip
        self.entries.append(msgspec.to_builtins(entry) | lies)

    def write(self) -> str:
        """Where it lies now."""
        (self.folder / "torrents.json").write_text(json.dumps(self.entries))
        return str(self.folder / "torrents.json")


@pytest.fixture
def stranger(tmp_path: Path) -> BareList:
    return BareList(tmp_path / "list")


def held_files(mirror: Mirror) -> dict[str, bytes]:
    return {file.path: (mirror.held / "torrents" / "containers" / file.path).read_bytes() for file in mirror.ledger.files_in("held")}


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("x", {"b": b"other b", "m": b"another m", "y": b"other y"}),
        ("x", {"b": b"other b", "m/deep": b"m is a file elsewhere", "y": b"other y"}),
        ("x", {"b": b"other b", "folder": b"folder is one elsewhere", "y": b"other y"}),
        ("x", b"x is a folder elsewhere"),
    ],
    ids=["a file in the middle", "a folder where a file is", "a file where a folder is", "the whole torrent"],
)
def test_a_torrent_that_claims_a_name_of_another_is_not_taken(mirror: Mirror, stranger: BareList, name: str, second: Any) -> None:
    stranger.put("x", {"a": b"the first", "folder/n": b"deep", "m": b"the middle one", "z": b"the last"}, mirror)
    add_source(mirror, stranger.write(), Silent())
    assert run_once(mirror, 1).held == 1
    before = held_files(mirror)
    assert len(before) == 4
    late = stranger.put(name, second)
    stranger.write()
    report = run_once(mirror, 1)
    assert [finding.code for finding in report.findings] == ["bad-torrent"] and "both keep" in report.findings[0].fact
    assert held_files(mirror) == before and not list(mirror.ledger.files_of(late))


def test_a_torrent_that_shares_a_folder_and_no_file_is_taken(mirror: Mirror, stranger: BareList) -> None:
    stranger.put("x", {"a": b"the first", "z": b"the last"}, mirror)
    stranger.put("x", {"b": b"another", "y": b"and one"}, mirror)
    add_source(mirror, stranger.write(), Silent())
    assert run_once(mirror, 1).held == 2 and len(held_files(mirror)) == 4


@pytest.mark.parametrize("lie", [{"data_size": 10**30}, {"num_files": 10**30}, {"data_size": 1 << 53}])
def test_sizes_that_cannot_be_are_told_and_left_out(mirror: Mirror, stranger: BareList, lie: dict[str, int]) -> None:
    stranger.put("liar", b"small", **lie)
    stranger.put("honest", b"small, too", mirror)
    followed = add_source(mirror, stranger.write(), Silent())
    assert [finding.code for finding in followed.findings] == ["bad-list"] and "'liar'" in followed.findings[0].fact
    assert run_once(mirror, 1).held == 1


HUGE = b"d4:infod5:filesld6:lengthi9000000000000000000e4:pathl1:aeed6:lengthi9000000000000000000e4:pathl1:beee4:name4:huge" \
       b"12:piece lengthi9000000000000000000e6:pieces40:" + bytes(40) + b"ee"  # fmt: skip
LONG_PIECE = b"d4:infod6:lengthi5e4:name4:long12:piece lengthi%de6:pieces20:" % (1 << 62) + bytes(20) + b"ee"
MANY_BYTES = b"d4:infod6:lengthi%de4:name4:many12:piece lengthi%de6:pieces%d:" % (1 << 54, 1 << 50, 320) + bytes(320) + b"ee"


@pytest.mark.parametrize("torrent", [HUGE, LONG_PIECE, MANY_BYTES])
def test_a_torrent_of_numbers_that_cannot_be_is_refused_and_the_rest_goes_on(mirror: Mirror, stranger: BareList, torrent: bytes) -> None:
    with pytest.raises(TorrentFormatError):
        read_torrent(torrent)
    stranger.put_torrent("0" * 40, torrent, "hostile", (len(torrent), 1, 5))
    stranger.put("honest", b"small", mirror)
    add_source(mirror, stranger.write(), Silent())
    report = run_once(mirror, 1)
    assert report.held == 1 and [finding.code for finding in report.findings] == ["bad-torrent"]


def test_what_libtorrent_refuses_is_an_error_that_tells_it() -> None:
    with pytest.raises(TorrentFormatError, match="libtorrent refuses"):
        prepare_torrent(LONG_PIECE, "/nowhere")


def test_a_list_that_tells_small_sizes_does_not_get_more_than_the_budget(tmp_path: Path, stranger: BareList) -> None:
    with open_mirror(new_mirror(tmp_path / "mirror", budget="100 kB")) as mirror:
        for name in ("one", "two", "three"):
            stranger.put(name, {"a": name.encode() * 15_000}, mirror, data_size=1)
        add_source(mirror, stranger.write(), Silent())
        report = run_once(mirror, 1)
        assert 0 < sum(map(len, held_files(mirror).values())) == report.held_bytes <= 100_000
        known = {torrent.container: torrent.bytes for torrent in mirror.ledger.torrents()}
        assert known == {"one": 45_000, "two": 45_000, "three": 75_000} and report.findings == []
        assert run_once(mirror, 1).held_bytes == report.held_bytes


def list_of(release: Release, folder: Path) -> str:
    """A bare list of the torrents of a release."""
    for path in (release.folder / "torrents").iterdir():
        (folder / "torrents" / path.name).write_bytes(path.read_bytes())
    (folder / "torrents.json").write_bytes((release.folder / "torrents.json").read_bytes())
    return str(folder / "torrents.json")


def test_a_bare_list_added_first_does_not_keep_the_torrents_of_a_signed_release(
    mirror: Mirror, release: Release, stranger: BareList
) -> None:
    location = list_of(release, stranger.folder)
    assert add_source(mirror, location, Silent()).torrents == 2
    assert add_source(mirror, str(release.folder), Silent()).torrents == 2
    assert {torrent.source for torrent in mirror.ledger.torrents()} == {"test"}
    again = add_source(mirror, location, Silent())
    assert again.torrents == 0 and "2 of its torrents" in again.notes[0]
    assert run_once(mirror, 1).held == 2 and release.is_held_at(mirror.held / "test" / "containers")


@pytest.mark.parametrize("is_second_a_release", [True, False])
def test_what_two_sources_had_is_fetched_from_the_other_when_one_is_dropped(
    mirror: Mirror, release: Release, tmp_path: Path, is_second_a_release: bool
) -> None:
    add_source(mirror, str(release.folder), Silent())
    second = Release(tmp_path / "second")
    second.publish(told={"institution": "second"})
    add_source(mirror, str(second.folder) if is_second_a_release else list_of(release, BareList(tmp_path / "list").folder), Silent())
    name = "second" if is_second_a_release else "torrents"
    assert run_once(mirror, 1).held == 2 and not mirror.ledger.torrents(source=name)
    drop(mirror, "test", force=True)
    report = run_once(mirror, 1)
    assert len(mirror.ledger.torrents(source=name)) == 2 and report.held == (2 if is_second_a_release else 0)
    assert not is_second_a_release or second.is_held_at(mirror.held / "second" / "containers")
