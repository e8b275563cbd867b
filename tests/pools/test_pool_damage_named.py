"""Names on ZFS's list become tracks and albums, with who has them else, and go into the queue of heal; zpool and zfs are stand-ins."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from fonoteca.cli.run import run
from fonoteca.ground.settings import SETTINGS_FILE
from fonoteca.integrity import Ledger

OUTPUT = Path(__file__).parent / "output"
HEAD = (OUTPUT / "2.1-permanent-errors-by-source.txt").read_text("utf-8", "surrogateescape").partition("        /tank")[0]


class Store:
    """An archive on a pretended pool; `tell` puts names on the list of damage."""

    def __init__(self, top: Path) -> None:
        self.top, self.archive = top, top / "tank" / "archive"

    def tell(self, *names: str | Path) -> None:
        (self.top / "status").write_text(HEAD + "".join(f"        {name}\n" for name in names))

    def members(self) -> list[Path]:
        return sorted(path for path in (self.archive / "containers").glob("*/aacid*") if path.stat().st_size > 20_000)

    def findings(self) -> list[str]:
        ledger = Ledger.open(self.archive / "ledger.sqlite3", read_only=True)
        try:
            return [f"{finding.code} {Path(finding.path).name}" for finding in ledger.findings("verify")]
        finally:
            ledger.close()


@pytest.fixture
def store(small_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    top, bin_folder = tmp_path / "top", tmp_path / "bin"
    (top / "tank").mkdir(parents=True)
    for target in (top / "tank" / "archive", top / "copy"):
        subprocess.run(["cp", "-a", small_archive, target], check=True)
    with open(top / "tank" / "archive" / SETTINGS_FILE, "a") as settings:
        settings.write(f'[heal]\ncopies = ["{top}/copy"]\n[[pool.replicas]]\nname = "attic"\ntarget = "backup/x"\n')
    bin_folder.mkdir()
    rows = "".join(f"{name}\\tfilesystem\\t50\\t50\\t1\\t{yes}\\t{at}\\n" for name, yes, at in (
        ("tank", "yes", f"{top}/tank"), ("tank/archive", "yes", f"{top}/tank/archive"), ("tank/away", "no", "/x")))  # fmt: skip
    now = 4_000_000_000
    scripts = {
        "zpool": f"""case "$*" in *-j*) echo "invalid option 'j'" >&2; exit 2;; "status -g"*) exit 1;; status*) cat {top}/status;; esac""",
        "zfs": f"""case "$*" in version) echo zfs-2.1.11-1;;
            *snapshot*) printf 'tank/archive@auto\\t7\\t9\\t{now}\\t1\\t1\\t1\\n';;
            holds*) printf 'tank/archive@auto\\tfonoteca:attic\\tMon Nov 23 01:02 2026\\n';;
            list*) printf '{rows}';;
            *creation*) printf 'creation\\t1600000000\\n';; get*) printf 'org.debian:periodic-scrub\\t-\\n';; esac""",
        "lsblk": """echo '{"blockdevices": []}'""",
    }
    for name, script in scripts.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return Store(top)


def status(store: Store, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    capsys.readouterr()
    code = run(["pool", "status", "--archive", str(store.archive), "--json", *options])
    told: dict[str, object] = json.loads(capsys.readouterr().out)["pools"][0]
    return told | {"exit": code}


def things(told: dict[str, object]) -> list[dict[str, str]]:
    found = told["damaged"]
    assert isinstance(found, list)
    return found


def test_damaged_member_is_a_track_of_an_album_with_its_copies(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.tell(store.members()[0])
    told = status(store, capsys)
    thing = things(told)[0]
    assert told["exit"] == 3 and told["headline"] == "tank has lost data in 1 file."
    assert thing["title"] and thing["album"] in ("Amoebax", "Backgrounds") and thing["kind"] == "archive"
    copies: object = thing["copies"]
    assert isinstance(copies, list) and any(str(store.top / "copy") in copy for copy in copies)
    assert not any(copy.startswith(str(store.archive / "release")) for copy in copies), "a link has the same damaged blocks"
    capsys.readouterr()
    run(["pool", "status", "--archive", str(store.archive)])
    words = capsys.readouterr().out
    assert str(thing["title"]) in words and f"fonoteca heal {store.archive}" in words


def test_damage_goes_into_the_queue_once_and_heal_mends_exactly_that(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = store.members()[:2]
    good = first.read_bytes()
    store.tell(first, store.archive / "release" / "containers" / second.parent.name / second.name)
    assert status(store, capsys, "--dry-run")["recorded"] == 0 and store.findings() == []
    assert status(store, capsys)["recorded"] == 2
    assert status(store, capsys)["recorded"] == 0 and len(store.findings()) == 2
    first.write_bytes(b"\0" * len(good))
    assert run(["heal", str(store.archive)]) == 0
    assert first.read_bytes() == good and store.findings() == []


def test_what_is_no_track_of_today_is_said_to_be_that(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    member = store.members()[0]
    below = member.relative_to(store.archive)
    outside = store.top / "tank" / "else"
    store.tell(
        f"tank/archive@auto:/{below}", outside, store.archive / SETTINGS_FILE, "tank/away:/f", "tank/archive:<0x1a2>", "<metadata>:<0x3>",
        store.archive / ".zfs" / "snapshot" / "auto" / below,
    )  # fmt: skip
    told = status(store, capsys)
    kinds = [thing["kind"] for thing in things(told)]
    assert kinds == ["metadata", "outside", "outside", "snapshot", "snapshot", "stale", "stale"]
    words = {thing["text"]: thing["what"] for thing in things(told)}
    assert words[str(outside)] == "a file outside of the archive"
    assert "ledger does not know" in words[str(store.archive / SETTINGS_FILE)]
    assert all("as it was in the snapshot auto" in what for text, what in words.items() if "auto" in text)
    assert told["recorded"] == 0 and store.findings() == []


def test_database_in_a_dataset_of_its_own_is_known(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    databases = store.top / "tank" / "databases"
    databases.mkdir()
    shutil.move(store.archive / "catalogue.sqlite3", databases / "catalogue.sqlite3")
    (store.archive / "catalogue.sqlite3").symlink_to(databases / "catalogue.sqlite3")
    store.tell(databases / "catalogue.sqlite3")
    thing = things(status(store, capsys))[0]
    assert (thing["kind"], thing["what"]) == ("archive", "a database of this archive")


def test_archive_that_cannot_be_opened_does_not_stop_the_news(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (store.archive / "ledger.sqlite3").write_bytes(b"no database at all")
    store.tell(store.members()[0])
    told = status(store, capsys)
    facts = told["facts"]
    assert told["verdict"] == "damaged" and isinstance(facts, list) and any("archive could not be opened" in fact for fact in facts)


def test_snapshots_and_replicas_are_told_with_their_age(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.tell(store.members()[0])
    told = status(store, capsys)
    copies, findings = told["copies"], told["findings"]
    assert isinstance(copies, dict) and copies["newest_snapshot"] == "auto" and copies["replicas"][0]["name"] == "attic"
    assert isinstance(findings, list) and any(one["code"] == "replica-late" for one in findings), "nothing was replicated yet"
