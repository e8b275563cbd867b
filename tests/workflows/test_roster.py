"""The publisher's roster, the announcements of mirrors and the plans that follow from them, on a real archive."""

import functools
import http.server
import threading
from pathlib import Path

import msgspec
import pytest
from commands import run_fonoteca

from fonoteca.catalogue.container_facts import ContainerFilter, count_containers
from fonoteca.catalogue.edition_reading import Edition
from fonoteca.ground.errors import SignatureError, UsageError
from fonoteca.ground.progress import Silent
from fonoteca.integrity import create_key, load_key, write_rotation
from fonoteca.placement import RosterMirror, read_announcement, read_roster
from fonoteca.workflows.announce import announce, announce_if_due, hear_announcements, own_announcement
from fonoteca.workflows.archive import open_archive
from fonoteca.workflows.census import take_census
from fonoteca.workflows.mirror import open_mirror
from fonoteca.workflows.mirror_plan import plan_mirror, write_plan_picture
from fonoteca.workflows.publish import publish
from fonoteca.workflows.roster import add_to_roster, roster_of
from fonoteca.workflows.roster_files import ROSTER_FILES, read_signed_roster, rosters_of
from fonoteca.workflows.verify_release import verify_release

NOW = 1_700_000_000
DAY = 86_400


def keep_on_roster(archive: Path, mirror: Path, name: str, **more) -> None:
    key = load_key(mirror / "signing" / "mirror.key").public.minisign_text
    with open_archive(archive, "test") as opened:
        add_to_roster(opened, RosterMirror(**{"name": name, "key": key, "pledge": 10**12, "since": NOW} | more))


def add_mirror(archive: Path, path: Path, *, announce_settings: str = "") -> Path:
    run_fonoteca("mirror", "add", archive / "release", "--mirror", path)
    settings = (path / "mirror.toml").read_text().split("[announce]")[0]
    (path / "mirror.toml").write_text(f"{settings}[announce]\n{announce_settings}\n")
    return path


def prove_all(mirror) -> None:
    """As if everything had been fetched and read: what the ledger says then."""
    from fonoteca.integrity.mirror_ledger_rows import MirrorFile

    for torrent in mirror.ledger.torrents():
        mirror.ledger.put_torrent(msgspec.structs.replace(torrent, state="held", chosen_at=NOW, held_at=NOW, file_count=1))
        file = MirrorFile(infohash=torrent.infohash, position=0, path=torrent.container, first_byte=0, size=torrent.bytes, state="held",
                          proved_at=NOW, mtime_ns=1)  # fmt: skip
        mirror.ledger.put_files([file])


def findings_of(release: Path):
    return [(finding.code, Path(finding.path).name) for finding in verify_release(release, Silent()).listed]


def test_a_roster_is_signed_known_to_verify_and_stays_through_releases(published: Path, tmp_path: Path) -> None:
    mirror = add_mirror(published, tmp_path / "north")
    keep_on_roster(published, mirror, "north")
    release = published / "release"
    assert findings_of(release) == []
    key = load_key(published / "signing" / "release.key").public
    assert read_signed_roster(release, key).serial == 1
    with open_archive(published, "test") as archive:
        publish(archive, Silent())
    assert all((release / name).is_file() for name in ROSTER_FILES)
    run_fonoteca("verify", published)
    told = run_fonoteca("roster", "show", "--archive", published, "--json")
    assert read_roster(told.stdout.encode()).mirrors[0].name == "north"


def test_a_changed_roster_is_found_and_not_followed(published: Path, tmp_path: Path) -> None:
    mirror = add_mirror(published, tmp_path / "north")
    keep_on_roster(published, mirror, "north")
    path = published / "release" / "roster.json"
    good = path.read_bytes()
    path.write_bytes(good.replace(b"1000000000000", b"9000000000000"))
    assert findings_of(published / "release") == [("bad-signature", "roster.json")]
    with open_archive(published, "test") as archive, pytest.raises(SignatureError):
        roster_of(archive)
    path.write_bytes(good)
    (published / "release" / "roster.json.sig").unlink()
    assert findings_of(published / "release") == [("missing", "roster.json.sig")]


def test_a_stopped_change_of_the_roster_is_finished_by_the_next_command(published: Path, tmp_path: Path) -> None:
    mirror = add_mirror(published, tmp_path / "north")
    keep_on_roster(published, mirror, "north")
    ready = published / "staging" / "roster"
    old = {name: (published / "release" / name).read_bytes() for name in ROSTER_FILES}
    keep_on_roster(published, mirror, "north", pledge=5)
    ready.mkdir()
    for name, content in old.items():  # stopped after the first of three renames
        (published / "release" / name).rename(ready / name)
        if name != ROSTER_FILES[0]:
            (published / "release" / name).write_bytes(content)
    (ready / ROSTER_FILES[0]).rename(published / "release" / ROSTER_FILES[0])
    with open_archive(published, "test", read_only=True) as archive, pytest.raises(UsageError):
        roster_of(archive)
    with open_archive(published, "test") as archive:
        publish(archive, Silent())
        assert roster_of(archive).mirrors[0].pledge == 5
    assert findings_of(published / "release") == []


def test_after_a_new_key_publish_signs_the_roster_again(published: Path, tmp_path: Path) -> None:
    mirror = add_mirror(published, tmp_path / "north")
    keep_on_roster(published, mirror, "north")
    key_file = published / "signing" / "release.key"
    old = load_key(key_file)
    key_file.rename(published / "signing" / "old.key")
    new = create_key(key_file)
    write_rotation(old, new.public, first_serial=2, folder=published / "signing")
    with open_archive(published, "test") as archive:
        publish(archive, Silent())
        assert roster_of(archive).serial == 2
    assert findings_of(published / "release") == []


def test_before_the_first_release_there_is_no_roster(archive: Path) -> None:
    done = run_fonoteca("roster", "add", "north", "--key", "RWQ", "--pledge", "1TB", "--archive", archive, status=None)
    assert done.returncode != 0 and not (archive / "release" / "roster.json").exists()


def test_mirrors_count_each_other_by_what_they_announce(published: Path, tmp_path: Path) -> None:
    north = add_mirror(published, tmp_path / "north", announce_settings=f'publish_to = "{tmp_path}/web"\noperator = "Claimed"')
    south = add_mirror(published, tmp_path / "south")
    keep_on_roster(published, north, "north", operator="Library", url=str(tmp_path / "web"))
    keep_on_roster(published, south, "south", url=str(tmp_path / "nowhere"))
    run_fonoteca("mirror", "add", published / "release", "--mirror", south, status=None)
    with open_mirror(north) as one:
        prove_all(one)
        told = announce(one, NOW)
        assert own_announcement(one) == told and announce_if_due(one, NOW + DAY) is None
        assert announce_if_due(one, NOW + 8 * DAY) is not None
        announce(one, NOW)
    with open_mirror(south) as other:
        copy_roster(published, other)
        assert [one.name for one in hear_announcements(other, NOW)] == []
        census = take_census(other, NOW)
        held = [torrent.infohash for torrent in other.ledger.torrents()]
        assert all(census.of(infohash).proved_by(NOW) == {"Library"} for infohash in held)
        assert all(not take_census(other, NOW + 30 * DAY).of(infohash).copies for infohash in held)


def copy_roster(published: Path, mirror) -> None:
    """What following the source does."""
    source = mirror.ledger.sources()[0]
    for name in ROSTER_FILES:
        (mirror.release_of(source) / name).write_bytes((published / "release" / name).read_bytes())
    assert rosters_of(mirror)


def test_forged_stale_and_oversized_announcements_are_told_and_not_counted(published: Path, tmp_path: Path) -> None:
    north = add_mirror(published, tmp_path / "north", announce_settings=f'publish_to = "{tmp_path}/web"')
    south = add_mirror(published, tmp_path / "south")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        keep_on_roster(published, north, "north", url=f"http://127.0.0.1:{server.server_port}")
        with open_mirror(north) as one:
            prove_all(one)
            announce(one, NOW)
        with open_mirror(south) as other:
            copy_roster(published, other)
            check_hearing(other, tmp_path / "web")
    finally:
        server.shutdown()
        server.server_close()


def check_hearing(other, web: Path) -> None:
    def hear(now: int = NOW) -> list[str]:
        return [one.reason for one in hear_announcements(other, now)]

    assert hear() == []
    assert take_census(other, NOW).announced
    path = web / "announcement.json"
    good, signature = path.read_bytes(), (web / "announcement.json.minisig").read_bytes()
    for bad in (good.replace(b'"share":1.0', b'"share":0.5'), b"[" * 1_000_000, b"", b" " * (33 << 20)):
        path.write_bytes(bad)
        assert len(hear()) == 1
    path.write_bytes(good)
    other_key = create_key(web / "other.key")
    from fonoteca.integrity import sign_file

    sign_file(other_key, path, serial=NOW)
    assert "signed by key number" in hear()[0]
    (web / "announcement.json.minisig").write_bytes(signature)
    assert hear() == [] and "expired" in hear(NOW + 40 * DAY)[0]
    path.unlink()
    assert "is not there" in hear()[0]
    assert read_announcement(other.ledger.announcements()[0].body).at == NOW


def test_a_plan_shows_what_would_be_held_and_fetches_nothing(published: Path, tmp_path: Path) -> None:
    mirror = add_mirror(published, tmp_path / "north")
    before = sorted(str(path) for path in mirror.rglob("*"))
    told = run_fonoteca("mirror", "plan", "--mirror", mirror, "--budget", "8TB", "--json", "--picture", tmp_path / "plan.svg")
    plan = msgspec.json.decode(told.stdout)
    lines = plan["sources"][0]["lines"]
    assert {line["decision"] for line in lines} == {"fetch"} and plan["chosen_bytes"] == sum(line["bytes"] for line in lines)
    assert plan["sources"][0]["plays"] > 0
    metadata = [line["is_metadata"] for infohash in plan["fetch"] for line in lines if line["infohash"] == infohash]
    assert metadata == sorted(metadata, reverse=True)
    assert (tmp_path / "plan.svg").read_text().startswith("<svg ")
    words = run_fonoteca("mirror", "plan", "--mirror", mirror, "--budget", "8TB").stdout
    assert "metadata comes first" in words and "rarest of what fits" in words
    none = msgspec.json.decode(run_fonoteca("mirror", "plan", "--mirror", mirror, "--genre", "No such genre", "--json").stdout)
    audio = [line for line in none["sources"][0]["lines"] if line["why"] == "filtered"]
    assert audio and not any(line["is_metadata"] for line in audio)
    after = sorted(str(path) for path in mirror.rglob("*") if not path.name.endswith(("-wal", "-shm")))
    assert after == [path for path in before if not path.endswith(("-wal", "-shm"))]


def test_a_plan_within_a_budget_takes_no_more(published: Path, tmp_path: Path) -> None:
    mirror = add_mirror(published, tmp_path / "north")
    with open_mirror(mirror) as one:
        sizes = {torrent.infohash: torrent.bytes for torrent in one.ledger.torrents()}
        whole = sum(sizes.values())
        for budget in (0, whole // 3, whole // 2, whole - 1, whole):
            plan = plan_mirror(one, NOW, budget=budget)
            assert sum(sizes[infohash] for infohash in plan.fetch) == plan.chosen_bytes <= budget
        write_plan_picture(plan, tmp_path / "plan.svg")
        with pytest.raises(UsageError):
            write_plan_picture(plan, tmp_path / "plan.txt")


def test_containers_are_counted_as_the_catalogue_has_them(published: Path) -> None:
    edition = Edition.open(published / "release" / "catalogue.sqlite3")
    counted = count_containers(edition, ContainerFilter())
    rows = edition.statements.rows("SELECT name, count(*) FROM files JOIN containers USING (container) GROUP BY name")
    assert {name: share.tracks for name, share in counted.items()} == dict(rows)
    assert all(share.matching == share.tracks for share in counted.values())
    assert 0 < sum(share.plays for share in counted.values()) <= 1 + 1e-9
    popular = count_containers(edition, ContainerFilter(popularity_from=50))
    found = edition.statements.rows(
        "SELECT c.name, sum(t.popularity >= 50) FROM files f JOIN tracks t USING (track) JOIN containers c USING (container) GROUP BY 1"
    )
    assert {name: share.matching for name, share in popular.items()} == {name: count or 0 for name, count in found}
    both = count_containers(edition, ContainerFilter(genres=("Rock", "Nothing"), licences=("http://artlibre.org/licence/lal/en/",)))
    assert all(share.matching <= share.tracks for share in both.values())
