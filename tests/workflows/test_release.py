"""What a release holds and says: torrents, lists, serial numbers, what is left out, how containers are cut and named."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree

import pytest
from commands import FREE_ART, make_archive, run_fonoteca, run_json, set_settings, write_plays
from small_disk import small_disk
from test_verify import without_rights

from fonoteca.containers import parse_aacid, parse_container_name
from fonoteca.torrents import read_torrent
from generated_music import write_small_files


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty small files with known plays, four of them without a licence, in containers of a few members each."""
    root = tmp_path_factory.mktemp("many")
    files = write_small_files(root / "source", 60, seed=3)
    settings = {"torrent_size": '"2 kB"', "data_size": '"60 kB"', "hybrid_metadata": "true", "private": "true", "cut_off": "0.0",
                "trackers": '["udp://one.example:6969", "https://two.example/announce"]', "web_seeds": '["https://seed.example/x"]',
                "url": '"https://music.example/archive"'}  # fmt: skip
    archive = make_archive(root / "archive", **settings)
    plays = write_plays(root / "plays.csv", {path: 2000 * (number + 1) for number, path in enumerate(files)})
    run_fonoteca("add", root / "source", "--plays", plays, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    return archive


def records(release: Path, collection: str = "") -> Iterator[dict[str, Any]]:
    for path in sorted((release / "containers").glob(f"*{collection}*.zst")):
        lines = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
        yield from (json.loads(line) for line in lines.splitlines())


def test_torrents_say_what_the_settings_say(many: Path) -> None:
    for path in (many / "release" / "torrents").iterdir():
        content = path.read_bytes()
        assert b"7:privatei1e" in content
        for said in (b"udp://one.example:6969", b"https://two.example/announce", b"https://seed.example/x/"):
            assert said in content
        assert b"https://music.example/archive/containers/" in content


def test_every_torrent_and_every_folder_is_within_its_limit(many: Path) -> None:
    torrents = [path for path in (many / "release" / "torrents").iterdir() if "_data__" in path.name]
    assert len(torrents) >= 6
    for path in torrents:
        torrent = read_torrent(path.read_bytes())
        assert path.stat().st_size <= 2_000, path
        assert sum(file.size for file in torrent.files) <= 60_000


def test_containers_are_as_full_as_the_limits_allow(many: Path) -> None:
    """Not one member each: a container with half of what two could hold is the exception."""
    folders = [path for path in (many / "release" / "containers").iterdir() if path.is_dir()]
    counts = [len(list(folder.iterdir())) for folder in folders]
    assert median(counts) >= 4


def test_torrents_list_what_lies_in_the_folder_and_hash_to_its_bytes(many: Path) -> None:
    containers = many / "release" / "containers"
    for path in (many / "release" / "torrents").iterdir():
        torrent = read_torrent(path.read_bytes())
        place = containers / torrent.name
        paths = [place / file.path for file in torrent.files] if place.is_dir() else [place]
        assert sorted(paths) == (sorted(place.iterdir()) if place.is_dir() else [place])
        content = b"".join(file.read_bytes() for file in paths)
        pieces = b"".join(
            hashlib.sha1(content[start : start + torrent.piece_length]).digest() for start in range(0, len(content), torrent.piece_length)
        )
        assert pieces in path.read_bytes()


def test_ranges_of_a_collection_never_overlap_and_the_popular_come_first(many: Path) -> None:
    spans = defaultdict(list)
    for path in (many / "release" / "containers").iterdir():
        name = parse_container_name(path.name)
        spans[name.collection, name.kind].append((name.first, name.last))
    assert len(spans["test_original_files", "data"]) >= 6
    for ranges in spans.values():
        assert all(before[1] < after[0] for before, after in pairwise(sorted(ranges)))
    scores = defaultdict(list)
    for record in records(many / "release", "original_files"):
        scores[record["data_folder"]].append(record["metadata"]["popularity"])
    by_time = [scores[folder] for folder in sorted(scores)]
    assert all(min(before) >= max(after) for before, after in pairwise(by_time))


def test_records_stand_in_the_order_of_their_names(many: Path) -> None:
    for path in (many / "release" / "containers").glob("*.zst"):
        lines = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout.splitlines()
        aacids = [json.loads(line)["aacid"] for line in lines]
        assert aacids == sorted(aacids)
        span = parse_container_name(path.name)
        assert all(span.first <= parse_aacid(aacid).timestamp <= span.last for aacid in aacids)


def test_nothing_without_a_licence_is_in_the_release(many: Path) -> None:
    told = run_json("publish", "--dry-run", "--archive", many)
    assert told["left_out"] == {"no known rights statement": 6}
    dark = [path for path in (many / "containers").rglob("*") if "_dark_" in path.name and path.is_file() and path.suffix != ".zst"]
    assert len(dark) == 6
    bytes_of_release = b"".join(path.read_bytes() for path in sorted((many / "release").rglob("*")) if path.is_file())
    for member in dark:
        content = member.read_bytes()
        assert content[-150:-50] not in bytes_of_release
        assert member.name.encode() not in bytes_of_release
    assert b"_dark_" not in bytes_of_release
    left_out = json.loads((many / "release" / "release.json").read_text())["left_out"]
    assert left_out == {"no known rights statement": 6}


def test_torrents_json_has_the_fields_that_mirrors_read(many: Path) -> None:
    entries = json.loads((many / "release" / "torrents.json").read_text())
    fields = ["url", "top_level_group_name", "group_name", "display_name", "added_to_torrents_list_at", "is_metadata", "btih",
              "magnet_link", "torrent_size", "num_files", "data_size", "aa_currently_seeding", "obsolete", "embargo", "seeders",
              "leechers", "completed", "stats_scraped_at", "partially_broken", "random"]  # fmt: skip
    torrents = {path.name for path in (many / "release" / "torrents").iterdir()}
    assert {entry["display_name"] + ".torrent" for entry in entries} == torrents
    for entry in entries:
        assert list(entry) == fields
        assert entry["magnet_link"].startswith(f"magnet:?xt=urn:btih:{entry['btih']}")
        assert entry["obsolete"] is False


def test_the_feed_parses_and_has_an_item_a_torrent(many: Path) -> None:
    feed = ElementTree.parse(many / "release" / "feed.xml").getroot()
    items = feed.findall("channel/item")
    assert len(items) == len(list((many / "release" / "torrents").iterdir()))
    assert all(item.find("enclosure").get("url").startswith("https://music.example/archive/torrents/") for item in items)  # type: ignore[union-attr]


def test_the_index_page_is_well_formed_and_every_link_leads_somewhere(many: Path) -> None:
    class Links(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value for name, value in attrs if name in ("href", "src") and value]
            if tag not in ("meta", "link"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    page = Links()
    page.feed((many / "release" / "index.html").read_text())
    assert not page.open
    assert len(page.found) > 10
    assert all((many / "release" / link).is_file() for link in page.found)


def test_publish_reads_no_container(many: Path, tmp_path: Path) -> None:
    """Nobody may read a byte below containers/ while it publishes; links need no reading."""
    archive = tmp_path / "archive"
    subprocess.run(["cp", "-a", many, archive], check=True)
    shutil.rmtree(archive / "release")
    files = [path for path in (archive / "containers").rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0)
    run_under = without_rights(["python", "-c", "import sys; open(sys.argv[1], 'rb')", str(files[0])])
    assert subprocess.run(run_under, capture_output=True).returncode, "the test cannot take away the right to read"
    told = run_json("publish", "--archive", archive, under=tuple(without_rights([])))
    assert told["is_new"]
    for path in files:
        path.chmod(0o644)
    assert run_json("verify", archive)["counts"] == {}


def test_serial_numbers_grow_by_one_and_a_release_with_nothing_new_stands(published: Path) -> None:
    again = run_fonoteca("publish", "--archive", published).stdout
    assert "nothing new: release 1 stands" in again
    assert run_json("publish", "--archive", published)["serial"] == 1
    before = hashlib.sha256((published / "release" / "SHA256SUMS").read_bytes()).hexdigest()
    set_settings(published, private="true")
    told = run_json("publish", "--archive", published)
    assert (told["serial"], told["is_new"]) == (2, True)
    release = json.loads((published / "release" / "release.json").read_text())
    assert (release["serial"], release["checksums_of_release_before"]) == (2, before)
    assert "serial:2 file:SHA256SUMS" in (published / "release" / "SHA256SUMS.minisig").read_text()
    assert run_json("verify", published)["counts"] == {}


@pytest.mark.parametrize("lost", ["index.html", "torrents", "a metadata file", "a member", "a data folder", "SHA256SUMS.sig", "all"])
def test_what_is_lost_from_a_release_comes_back(published: Path, lost: str) -> None:
    containers = published / "release" / "containers"
    folder = next(path for path in sorted(containers.iterdir()) if path.is_dir())
    place = {"a metadata file": next(containers.glob("*.zst")), "a member": next(folder.iterdir()), "a data folder": folder,
             "all": published / "release"}.get(lost, published / "release" / lost)  # fmt: skip
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    run_fonoteca("publish", "--archive", published)
    assert run_json("verify", published)["counts"] == {}


@pytest.mark.parametrize("is_metadata", [False, True])
def test_what_is_not_there_is_never_listed(published: Path, is_metadata: bool) -> None:
    """A member was lost from containers/: nothing is published instead of a list that lies."""
    shutil.rmtree(published / "release")
    files = sorted(path for path in (published / "containers").rglob("*") if path.is_file())
    place = next(path for path in files if (path.suffix == ".zst") == is_metadata)
    place.unlink()
    said = run_fonoteca("publish", "--archive", published, status=1).stderr
    assert place.name in said and "verify" in said
    assert not (published / "release" / "SHA256SUMS").exists()


def test_what_somebody_put_beside_the_members_is_not_published(published: Path) -> None:
    shutil.rmtree(published / "release")
    folder = next(path for path in (published / "containers").iterdir() if path.is_dir())
    (folder / "private letter").write_text("dear")
    run_fonoteca("publish", "--archive", published)
    assert not list((published / "release").rglob("private letter"))


def test_each_cover_is_once_in_a_container_of_its_own(music: Path, tmp_path: Path) -> None:
    from fonoteca.audio import make_picture, retag_ogg

    picture = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
    (tmp_path / "source").mkdir()
    for name in ("Congratulations", "training", "menu"):
        content = (music / "amoebax-data" / "music" / f"{name}.ogg").read_bytes()
        tagged = retag_ogg(content, (), [make_picture(picture)], path=name)
        (tmp_path / "source" / f"{name}.ogg").write_bytes(b"".join(tagged.parts))
    archive = make_archive(tmp_path / "archive")
    run_fonoteca("add", tmp_path / "source", "--check", "structure", "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    covers = list(records(archive / "release", "covers_files"))
    assert [record["metadata"]["sha256"] for record in covers] == [hashlib.sha256(picture).hexdigest()]
    member = archive / "release" / "containers" / covers[0]["data_folder"] / covers[0]["aacid"]
    assert member.read_bytes() == picture
    assert run_json("verify", archive)["counts"] == {}


# what earlier releases held


def listed_torrents(release: Path) -> dict[str, dict[str, Any]]:
    """The entries of torrents.json by infohash."""
    return {entry["btih"]: entry for entry in json.loads((release / "torrents.json").read_text())}


def make_private(published: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The torrents before and after they become private, which gives each another infohash."""
    before = listed_torrents(published / "release")
    set_settings(published, private="true", trackers='["udp://tracker.example:6969"]')
    run_fonoteca("publish", "--archive", published)
    return before, listed_torrents(published / "release")


def test_obsolete_entries_have_the_infohashes_and_sizes_that_were_published(published: Path) -> None:
    before, after = make_private(published)
    obsolete = {infohash: entry for infohash, entry in after.items() if entry["obsolete"]}
    assert obsolete.keys() == before.keys()
    for infohash, entry in obsolete.items():
        names = ("display_name", "torrent_size", "num_files", "data_size", "is_metadata", "group_name", "random")
        assert {name: entry[name] for name in names} == {name: before[infohash][name] for name in names}
        assert entry["magnet_link"].startswith(f"magnet:?xt=urn:btih:{infohash}&dn=")
    assert len(after) == 2 * len(before)
    assert json.loads((published / "release" / "release.json").read_text())["replaced"] == []
    assert run_json("verify", published)["counts"] == {}


def test_a_torrent_that_comes_back_is_obsolete_no_more(published: Path) -> None:
    before, _ = make_private(published)
    set_settings(published, private="false")
    run_fonoteca("publish", "--archive", published)
    again = listed_torrents(published / "release")
    assert {infohash for infohash, entry in again.items() if not entry["obsolete"]} == before.keys()


def test_what_never_was_in_a_release_is_never_listed_as_obsolete(published: Path, tmp_path: Path) -> None:
    """Built, withdrawn and issued again between two releases: nobody ever had the first of the two."""
    source = tmp_path / "more"
    write_small_files(source, 3, seed=77)
    run_fonoteca("add", source, "--rights", FREE_ART, "--archive", published)
    run_fonoteca("build", "--archive", published)
    between = {path.name for path in (published / "containers").iterdir()}
    victim = next(path for path in sorted(source.rglob("*")) if path.is_file())
    run_fonoteca("withdraw", victim, "--reason", "error", "--archive", published)
    run_fonoteca("build", "--archive", published)
    gone = between - {path.name for path in (published / "containers").iterdir()}
    assert gone
    run_fonoteca("publish", "--archive", published)
    entries = listed_torrents(published / "release").values()
    assert not any(entry["obsolete"] for entry in entries)
    assert not gone & {entry["display_name"] for entry in entries}
    assert json.loads((published / "release" / "release.json").read_text())["replaced"] == []


def test_a_container_that_is_held_back_is_obsolete_and_in_no_catalogue(published: Path) -> None:
    """One member is withdrawn, another is damaged, so that it cannot be issued again: the container is kept, and no release has it."""
    folders = (path for path in (published / "containers").glob("*_original_files__*") if path.is_dir())
    folder = max(folders, key=lambda path: len(list(path.iterdir())))
    first, second = sorted(folder.iterdir())[:2]
    was = {infohash for infohash, entry in listed_torrents(published / "release").items() if entry["display_name"] == folder.name}
    run_fonoteca("withdraw", first.name, "--reason", "error", "--archive", published)
    content = second.read_bytes()
    second.unlink()
    second.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    run_fonoteca("build", "--archive", published, status=3)
    run_fonoteca("publish", "--archive", published)
    assert not (published / "release" / "containers" / folder.name).exists()
    assert {entry["btih"] for entry in listed_torrents(published / "release").values() if entry["obsolete"]} >= was
    replaced = {one["name"]: one["reason"] for one in json.loads((published / "release" / "release.json").read_text())["replaced"]}
    assert "cannot be issued again" in replaced[folder.name]
    query = "SELECT container || '/' || aacid FROM what_is_held"
    held = subprocess.run(
        ["sqlite3", published / "release" / "catalogue.sqlite3", query], capture_output=True, text=True, check=True
    ).stdout
    assert held and all((published / "release" / "containers" / name).is_file() for name in held.split())


def test_torrents_that_stay_the_same_are_not_written_again(published: Path, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_ino for path in (published / "release" / "torrents").iterdir()}
    damaged = min(before)
    place = published / "release" / "torrents" / damaged
    content = place.read_bytes()
    place.write_bytes(content[:-2] + b"xe")
    write_small_files(tmp_path / "more", 2, seed=5)
    run_fonoteca("add", tmp_path / "more", "--rights", FREE_ART, "--archive", published)
    run_fonoteca("build", "--archive", published)
    run_fonoteca("publish", "--archive", published)
    after = {path.name: path.stat().st_ino for path in (published / "release" / "torrents").iterdir()}
    assert len(after) > len(before)
    assert {name for name in before if before[name] == after[name]} == before.keys() - {damaged}
    assert place.read_bytes() == content


# the feed


@pytest.mark.parametrize("url", ["", "https://music.example/archive"])
def test_the_feed_follows_the_rules_of_rss(published: Path, url: str) -> None:
    """RSS 2.0: https://www.rssboard.org/rss-specification. Links begin with a scheme; an enclosure has url, length and type."""
    set_settings(published, url=f'"{url}"')
    make_private(published)
    root = ElementTree.parse(published / "release" / "feed.xml").getroot()
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    (channel,) = root
    assert all(channel.findtext(name) for name in ("title", "link", "description"))
    assert channel.findtext("link") == url if url else re.fullmatch("urn:uuid:[0-9a-f-]{36}", channel.findtext("link", ""))
    items = channel.findall("item")
    current = {infohash: one for infohash, one in listed_torrents(published / "release").items() if not one["obsolete"]}
    assert {item.findtext("guid", "").removeprefix("urn:btih:") for item in items} == current.keys()
    for item in items:
        (enclosure,) = item.findall("enclosure")
        entry = current[item.findtext("guid", "").removeprefix("urn:btih:")]
        assert enclosure.get("url") == item.findtext("link") == (entry["url"] if url else entry["magnet_link"])
        assert re.match(r"https?://[^/]+/|magnet:\?xt=urn:btih:", enclosure.get("url", ""))
        assert enclosure.get("length") == str(entry["torrent_size"]) and enclosure.get("type") == "application/x-bittorrent"


def test_a_release_on_another_file_system_is_a_clear_error(published: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        shutil.rmtree(published / "release")
        (published / "release").symlink_to(disk)
        said = run_fonoteca("publish", "--archive", published, status=2).stderr
        assert "file system of containers/" in said
    (published / "release").unlink()
    run_fonoteca("publish", "--archive", published)
    assert run_json("verify", published)["counts"] == {}


def test_a_setting_that_forbids_what_is_packed_stops_the_next_release(tmp_path: Path) -> None:
    """Nothing was added or withdrawn: the table of rights is asked again before anything is published."""
    archive = make_archive(tmp_path / "archive")
    write_small_files(tmp_path / "source", 3, seed=8)
    run_fonoteca("add", tmp_path / "source", "--rights", "https://creativecommons.org/licenses/by-nc/4.0/", "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    before = run_json("publish", "--archive", archive)["files"]
    set_settings(archive, commercial="true")
    assert "fonoteca build" in run_fonoteca("publish", "--archive", archive, status=2).stderr
    run_fonoteca("build", "--archive", archive)
    told = run_json("publish", "--archive", archive)
    assert told["files"] < before == told["files"] + sum(told["left_out"].values())
    assert any(entry["obsolete"] for entry in listed_torrents(archive / "release").values())
