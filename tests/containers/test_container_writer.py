import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from interrupted_writer import DATA_FOLDER, METADATA_FILE, SECOND, make_content, name_members, write

from fonoteca.containers import ContainerWriter, FolderStore, MemberWritten, Record, make_aacid, member_files, open_container
from fonoteca.ground.errors import ContainerFormatError, DiskFullError

COUNT = 60


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def open_writer(folder: Path, **more: object) -> ContainerWriter:
    return ContainerWriter(folder / "staging", data_folder=DATA_FOLDER, metadata_file=METADATA_FILE, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    write(folder, COUNT)
    return read_tree(folder / "store")


def test_members_and_records_are_read_back(tmp_path: Path) -> None:
    written, _, _ = write(tmp_path, COUNT)
    container = open_container(FolderStore(tmp_path / "store"), METADATA_FILE)
    records = [item for item in container.records() if isinstance(item, Record)]
    assert [record.aacid for record in records] == list(name_members(COUNT))
    for record in records:
        assert container.read_member(record) == make_content(msgspec.json.decode(record.metadata)["id"])
    assert list(container.check_members()) == []
    sizes = [len(make_content(number)) for number in range(COUNT)]
    assert (written.records, written.members, written.data_bytes) == (COUNT, COUNT, sum(sizes))


def test_observers_see_every_byte_once_and_in_order(tmp_path: Path) -> None:
    written, data, lines = write(tmp_path, COUNT)
    whole = b"".join(make_content(number) for number in name_members(COUNT).values())
    metadata = (tmp_path / "store" / METADATA_FILE).read_bytes()
    assert data == hashlib.sha256(whole).hexdigest()
    assert (lines, written.metadata_bytes) == (hashlib.sha256(metadata).hexdigest(), len(metadata))


def test_what_is_published_can_not_be_written(tmp_path: Path) -> None:
    write(tmp_path, 3)
    assert {path.stat().st_mode & 0o222 for path in (tmp_path / "store").rglob("*") if path.is_file()} == {0}


def test_nothing_is_left_in_staging(tmp_path: Path) -> None:
    write(tmp_path, 3)
    assert list((tmp_path / "staging").iterdir()) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_writer_goes_on_to_the_same_bytes(tmp_path: Path, seed: int, undisturbed: dict[str, bytes]) -> None:
    chance = random.Random(seed)
    script = [sys.executable, str(Path(__file__).with_name("interrupted_writer.py")), str(tmp_path), str(COUNT)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(2):
        process = subprocess.Popen(script, env=environment)
        deadline = time.monotonic() + 20
        while not (tmp_path / "staging").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(script, env=environment, check=True, timeout=60)
    assert read_tree(tmp_path / "store") == undisturbed


@pytest.mark.parametrize("moment", ["staged-data", "staged-both", "published-data"])
def test_a_kill_between_two_renames_is_taken_back(tmp_path: Path, moment: str, undisturbed: dict[str, bytes]) -> None:
    write(tmp_path, COUNT)
    staging, store = tmp_path / "staging", tmp_path / "store"
    (store / METADATA_FILE).rename(staging / (METADATA_FILE if moment != "staged-data" else METADATA_FILE + ".partial"))
    if moment != "published-data":
        (store / DATA_FOLDER).rename(staging / DATA_FOLDER)
    write(tmp_path, COUNT)
    assert read_tree(store) == undisturbed


def test_damaged_and_stray_leftovers_do_not_reach_the_container(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    partial = tmp_path / "staging" / (DATA_FOLDER + ".partial")
    partial.mkdir(parents=True)
    first, second, third, *_ = name_members(COUNT)
    (partial / first).write_bytes(b"cut")
    (partial / second).mkdir()
    (partial / third).symlink_to("/etc/passwd")
    (partial / "stray").mkdir()
    write(tmp_path, COUNT)
    assert read_tree(tmp_path / "store") == undisturbed


def test_a_published_container_is_never_written_again(tmp_path: Path) -> None:
    write(tmp_path, 3)
    before = read_tree(tmp_path)
    with pytest.raises(ContainerFormatError):
        write(tmp_path, 3)
    assert read_tree(tmp_path) == before


def test_a_member_is_issued_again_by_link(tmp_path: Path) -> None:
    write(tmp_path / "one", 3)
    old = next((tmp_path / "one" / "store" / DATA_FOLDER).glob("*__0002__*"))
    content, seen = make_content(2), []
    aacid = make_aacid("c_files", SECOND + 1, "0002", "again")
    with open_writer(tmp_path / "two", observe_data=seen.append) as writer:
        with pytest.raises(ContainerFormatError):
            writer.link_member(aacid, old, "0" * 64, {"id": 2})
        with pytest.raises(ContainerFormatError):
            writer.link_member(aacid, old.with_name("none"), "0" * 64, {"id": 2})
        assert not seen
        member = writer.link_member(aacid, old, hashlib.sha256(content).hexdigest(), {"id": 2, "replaces": old.name})
        writer.finish()
        writer.publish_into(tmp_path / "two" / "store")
    new = tmp_path / "two" / "store" / DATA_FOLDER / aacid
    assert new.samefile(old) and b"".join(seen) == content and member.size == len(content)


def test_the_record_may_tell_the_digest_of_its_member(tmp_path: Path) -> None:
    def describe(member: MemberWritten) -> dict[str, object]:
        return {"id": "x", "sha256": member.sha256, "size": member.size}

    with open_writer(tmp_path) as writer:
        writer.add_member(make_aacid("c_files", SECOND, "x", "x"), [b"ab", memoryview(b"c")], describe)
        writer.finish()
    container = open_container(FolderStore(tmp_path / "staging"), METADATA_FILE)
    (record,) = container.records()
    assert isinstance(record, Record)
    assert msgspec.json.decode(record.metadata) == {"id": "x", "sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3}


def test_members_out_of_order_or_twice_are_refused(tmp_path: Path) -> None:
    one, two, three = name_members(3)
    with open_writer(tmp_path) as writer:
        writer.add_member(two, [b"2"], {"id": 2})
        for aacid in (one, two, "no aacid"):
            with pytest.raises(ContainerFormatError):
                writer.add_member(aacid, [b""], {"id": 1})
        writer.add_member(three, [b"3"], {"id": 3})
        assert writer.finish().members == 2


def test_a_container_of_records_alone_has_no_folder(tmp_path: Path) -> None:
    with ContainerWriter(tmp_path, data_folder=None, metadata_file=METADATA_FILE) as writer:
        for aacid, number in name_members(5).items():
            writer.add_record(aacid, {"id": number})
        with pytest.raises(ContainerFormatError):
            writer.add_member(make_aacid("c_files", SECOND + 1, "", ""), [b""], {"id": 9})
        writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == [METADATA_FILE]
    records = list(open_container(FolderStore(tmp_path), METADATA_FILE).records())
    assert all(isinstance(record, Record) and record.data_folder is None for record in records) and len(records) == 5


@pytest.mark.parametrize("name", ["../x", "a/b", "x.partial", "", "nul"])
def test_container_names_with_tricks_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ContainerFormatError):
        ContainerWriter(tmp_path, data_folder=name, metadata_file=METADATA_FILE)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_clear_error_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, bytes]
) -> None:
    real_write, left = os.write, [400_000]

    def write_to_small_disk(handle: int, content: bytes) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= (count := real_write(handle, memoryview(content)[: left[0]]))
        return count

    with monkeypatch.context() as patch:
        patch.setattr(member_files.os, "write", write_to_small_disk)
        with pytest.raises(DiskFullError):
            write(tmp_path, COUNT)
    assert not (tmp_path / "store").exists()
    write(tmp_path, COUNT)
    assert read_tree(tmp_path / "store") == undisturbed


def test_many_files_are_synced_at_once(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / str(number)).write_bytes(b"x")
    member_files.sync_files(tmp_path, map(str, range(40)))
    member_files.sync_files(tmp_path, map(str, range(3)))


def test_a_failed_observer_stops_the_writer(tmp_path: Path) -> None:
    def fail(content: bytes) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError), open_writer(tmp_path, observe_data=fail) as writer:
        writer.add_member(next(iter(name_members(1))), [b"x"], {"id": 1})
