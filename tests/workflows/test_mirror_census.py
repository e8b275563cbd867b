"""What a mirror asks of trackers and takes from lists of others, and what it does with what was dropped."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
import pytest
from commands import run_fonoteca

from fonoteca.torrents.bencode import encode
from fonoteca.workflows.census import take_census
from fonoteca.workflows.mirror import open_mirror
from fonoteca.workflows.mirror_plan import BY_HAND, plan_mirror
from fonoteca.workflows.scraping import ASKED_EVERY_S, scrape_trackers

NOW = 1_700_000_000


class Tracker(BaseHTTPRequestHandler):
    """Knows every torrent it is asked for, with seven seeders."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        hashes = [unquote_to_bytes(part.removeprefix("info_hash=")) for part in urlsplit(self.path).query.split("&")]
        Tracker.asked += [one.hex() for one in hashes]
        body = encode({b"files": {one: {b"complete": 7, b"incomplete": 2, b"downloaded": 9} for one in hashes}})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(published: Path, tmp_path: Path) -> Path:
    path = tmp_path / "north"
    run_fonoteca("mirror", "add", published / "release", "--mirror", path)
    return path


def change_list(mirror: Path, change) -> None:
    """The list of the mirror's source, as another publisher would have written it."""
    path = next((mirror / "held").glob("*/torrents.json"))
    entries = json.loads(path.read_bytes())
    path.unlink()
    path.write_text(json.dumps([change(entry) for entry in entries]))


def test_the_torrents_own_trackers_are_asked_and_not_too_often(mirror: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tracker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Tracker.asked.clear()
    try:
        good, dead = f"http://127.0.0.1:{server.server_port}/announce", "http://127.0.0.1:9/announce"
        change_list(mirror, lambda entry: entry | {"magnet_link": f"magnet:?xt=urn:btih:{entry['btih']}&tr={good}&tr={dead}"})
        with open_mirror(mirror) as opened:
            findings = scrape_trackers(opened, opened.now())
            known = {torrent.infohash for torrent in opened.ledger.torrents()}
            census = take_census(opened, opened.now())
            assert {census.of(infohash).seeders for infohash in known} == {7}
            assert [finding.code for finding in findings] == ["no-census"] and findings[0].path == dead
            assert set(Tracker.asked) == known
            last = max(row.at for row in opened.ledger.scrapes())
            assert scrape_trackers(opened, last + ASKED_EVERY_S - 1) == [] and len(Tracker.asked) == len(known)
            scrape_trackers(opened, last + ASKED_EVERY_S)
            assert len(Tracker.asked) == 2 * len(known)
    finally:
        server.shutdown()
        server.server_close()


def test_what_a_list_of_others_counted_is_taken_with_its_date(mirror: Path) -> None:
    counted = {"seeders": 3, "leechers": 1, "completed": -5, "stats_scraped_at": "2026-01-02T03:04:05Z", "magnet_link": "magnet:?tr=%zz"}
    change_list(mirror, lambda entry: entry | counted)
    with open_mirror(mirror) as opened:
        scrape_trackers(opened, NOW)
        rows = list(opened.ledger.scrapes())
        assert {(row.tracker, row.seeders, row.completed, row.at) for row in rows} == {("torrents.json", 3, 0, 1767323045)}


def test_what_a_person_dropped_stays_dropped_and_what_lacked_room_may_come_back(mirror: Path) -> None:
    with open_mirror(mirror) as opened:
        torrents = opened.ledger.torrents()
        opened.ledger.put_torrent(msgspec.structs.replace(torrents[0], state="dropped", why=BY_HAND))
        opened.ledger.put_torrent(msgspec.structs.replace(torrents[1], state="dropped", why="beyond the budget, and proved elsewhere"))
        plan = plan_mirror(opened, NOW, budget=10**12)
        assert torrents[0].infohash not in plan.why
        assert torrents[1].infohash in plan.fetch
