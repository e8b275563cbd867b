"""What strangers put into lists and torrents: nothing proved is overwritten, no entry ends a run, nobody gets more than the budget."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_made import PIECE, Release, new_mirror, run_once

from fonoteca.cli.run import run as run_command
from fonoteca.ground import downloads
from fonoteca.ground.errors import DownloadError, FormatError, SignatureError, TorrentFormatError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.integrity import create_key, write_rotation
from fonoteca.integrity.digests import PieceHasher
from fonoteca.integrity.mirror_ledger_rows import MirrorFile, MirrorSource, MirrorTorrent
from fonoteca.torrents import TorrentOptions, describe_torrent, json_arrays, make_torrent, read_torrent, read_torrents_json
from fonoteca.torrents.clients.session import prepare_torrent
from fonoteca.workflows import mirror_lists, mirror_sources
from fonoteca.workflows.mirror import Mirror, make_mirror, open_mirror
from fonoteca.workflows.mirror_drop import drop
from fonoteca.workflows.mirror_listing import Listing
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


def test_names_are_compared_quickly_however_many_files_are_held(mirror: Mirror) -> None:
    with mirror.ledger.transaction():
        mirror.ledger.put_source(MirrorSource(source="s", location="x", kind="list"))
        for infohash in ("0" * 40, "1" * 40):
            mirror.ledger.put_torrent(MirrorTorrent(infohash=infohash, source="s", container="c", torrent_path="x", is_metadata=False,
                                                    bytes=1, file_count=1))  # fmt: skip
        mirror.ledger.put_files(
            MirrorFile(infohash="0" * 40, position=number, path=f"c/{number}", first_byte=0, size=1) for number in range(100_000)
        )
    since = time.monotonic()
    for number in range(300):
        assert mirror.ledger.holders_of("s", f"c/{number}", "1" * 40) == ["0" * 40]
        assert not mirror.ledger.holders_of("s", f"d/{number}", "1" * 40)
    assert time.monotonic() - since < 1


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


def test_another_place_may_not_show_other_lists_under_a_number_that_was_seen(mirror: Mirror, release: Release, tmp_path: Path) -> None:
    add_source(mirror, str(release.folder), Silent())
    liar = Release(tmp_path / "liar", release.key)
    liar.write("docs/other.txt", b"not what everybody else was shown")
    liar.publish(serial=1)
    with pytest.raises(SignatureError, match="other lists"):
        add_source(mirror, str(liar.folder), Silent())
    assert [source.location for source in mirror.ledger.sources()] == [str(release.folder)]
    liar.publish(serial=2)
    assert add_source(mirror, str(liar.folder), Silent()).source == "test"


@pytest.mark.parametrize("is_known", [True, False], ids=["signed by the key before", "by another key"])
def test_a_source_that_moved_and_changed_its_key_is_the_same_where_the_key_before_says_so(
    mirror: Mirror, release: Release, tmp_path: Path, is_known: bool
) -> None:
    add_source(mirror, str(release.folder), Silent())
    moved = Release(tmp_path / "moved", create_key(tmp_path / "new.key"))
    other = create_key(tmp_path / "other.key")
    write_rotation(release.key if is_known else other, moved.key.public, first_serial=2, folder=moved.folder)
    moved.publish(serial=2)
    add_source(mirror, str(moved.folder), Silent())
    assert [source.source for source in mirror.ledger.sources()] == (["test"] if is_known else ["test", "test-2"])


def test_a_mirror_is_not_made_within_what_is_published(release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(release.folder.rglob("*"))
    inside = release.folder / "mm"
    with pytest.raises(UsageError, match="lies in the release"):
        make_mirror(inside)
    assert run_command(["mirror", "add", str(release.folder), "--mirror", str(inside)]) == 2 and "lies in" in capsys.readouterr().err
    assert sorted(release.folder.rglob("*")) == before
    early = tmp_path / "early"
    with open_mirror(new_mirror(early / "mirror")) as mirror:
        late = Release(early)
        late.publish()
        with pytest.raises(UsageError, match="lies in"):
            add_source(mirror, str(early), Silent())


class Drips(BaseHTTPRequestHandler):
    """SHA256SUMS without end, and a file that comes at three kilobytes a second; all else as in the folder."""

    folder: Path

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        if self.path == "/drip":
            return self.send(b"x" * 300 for _ in iter(lambda: threading.Event().wait(0.1), True))
        if self.path == "/SHA256SUMS":
            return self.send(b"x" * 65_536 for _ in iter(int, 1))
        if path.is_file():
            return self.send([path.read_bytes()])
        return self.send_error(404)

    def send(self, blocks: Iterable[bytes]) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for block in blocks:
                self.wfile.write(block)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def drips(release: Release) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Server", (Drips,), {"folder": release.folder}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_list_without_end_is_left_before_the_disk_is_full_and_nothing_of_it_stays(
    mirror: Mirror, drips: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_lists, "MOST_SUMS_BYTES", 5_000_000)
    with pytest.raises(DownloadError, match="more than 5000000"):
        add_source(mirror, drips, Silent())
    assert sum(path.stat().st_size for path in mirror.staging.rglob("*") if path.is_file()) < 100_000


def test_the_list_of_a_known_source_may_only_grow_so_much(
    mirror: Mirror, release: Release, drips: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_source(mirror, str(release.folder), Silent())
    release.publish()
    monkeypatch.setattr(mirror_lists, "FIRST_SUMS_BYTES", 1_000_000)
    mirror.ledger.put_source(msgspec.structs.replace(mirror.ledger.sources()[0], location=drips))
    with pytest.raises(DownloadError, match="more than 1000000"):
        follow_source(mirror, "test", Silent())


def test_a_list_nobody_signed_for_has_no_thousand_keys_fetched(mirror: Mirror, release: Release) -> None:
    add_source(mirror, str(release.folder), Silent())
    for number in range(400):
        release.write(f"key-rotation-{number}.txt", b"x")
    release.publish()
    with pytest.raises(FormatError, match="files of new keys"):
        follow_source(mirror, "test", Silent())
    assert not list(mirror.staging.rglob("key-rotation-*"))


def test_a_server_that_gives_three_kilobytes_a_second_is_left(drips: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PATIENCE_S", 0.5)
    with pytest.raises(DownloadError, match="a second, fewer than 10000"):
        downloads.read_url(f"{drips}/drip", 30_000)


@pytest.mark.parametrize("entry", [b"1", b"{}", b'{"btih":"x"}', b'{"url":3}', b'"' + b"x" * 600_000 + b'"'])
def test_a_list_of_junk_is_left_after_a_thousand_entries(mirror: Mirror, stranger: BareList, entry: bytes) -> None:
    data = b"[" + b",".join([entry] * (5 if len(entry) > 1_000 else 20_000)) + b"]"
    entries, findings = read_torrents_json(data)
    source = MirrorSource(source="x", location="x", kind="list")
    told = [*findings, *Listing.of(entries, source).findings]
    assert 0 < len(told) <= 1_001 and (len(told) == 1_001) == (len(entry) < 1_000)


def test_reading_a_list_of_junk_takes_little_memory() -> None:
    data = b"[" + b"1," * 500_000 + b"1]"
    tracemalloc.start()
    try:
        read_torrents_json(data)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@given(st.lists(st.recursive(st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
                             lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5),
                max_size=6), st.integers(12, 60), st.sampled_from([None, 1]), st.booleans())  # fmt: skip
def test_an_array_is_read_entry_by_entry_whatever_it_holds(values: list[Any], window: int, indent: int | None, is_ascii: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_arrays, "LONGEST_ENTRY", window)
        data = json.dumps(values, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
        try:
            assert [json.loads(entry) for entry in json_arrays.iterate_array(data)] == values
        except ValueError:
            assert any(len(json.dumps(value, indent=indent)) + 1 + 20 * bool(indent) >= window for value in values)
