from collections.abc import Callable
from pathlib import Path

import pytest
from interrupted_writer import DATA_FOLDER, METADATA_FILE, name_members
from odd_containers import pack

from fonoteca.containers import MAXIMUM_CHARACTERS, FolderStore, MemoryStore, Record, Store, encode_record, open_container
from fonoteca.ground.errors import ContainerFormatError, NotFoundError

STORES: dict[str, Callable[[Path], Store]] = {"folder": FolderStore, "memory": lambda folder: MemoryStore()}
NAMES = list(name_members(4))


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path)


def put(store: Store, name: str, content: bytes) -> None:
    with store.put(name) as sink:
        sink.write(content)


def fill(store: Store, members: dict[str, bytes], prefix: str = "") -> None:
    lines = b"".join(encode_record(name, {"id": name}, DATA_FOLDER) for name in NAMES)
    put(store, prefix + METADATA_FILE, pack(lines))
    for name, content in members.items():
        put(store, f"{prefix}{DATA_FOLDER}/{name}", content)


def test_members_are_read_whole_and_in_ranges(store: Store) -> None:
    fill(store, {name: name.encode() for name in NAMES}, "kept/here/")
    container = open_container(store, "kept/here/" + METADATA_FILE)
    for record in container.records():
        assert isinstance(record, Record)
        assert container.read_member(record) == record.aacid.encode()
        with container.open_member(record) as file:
            assert file.read_at(2, 5) == record.aacid.encode()[2:7]
    assert list(container.check_members()) == []


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda members: members.pop(NAMES[2]), "missing"),
        (lambda members: members.update({NAMES[1]: b""}), "no bytes"),
        (lambda members: members.update({"more": b"x"}), "no record"),
        (lambda members: members.clear(), "empty"),
    ],
    ids=["missing", "zero-bytes", "extra", "empty-folder"],
)
def test_members_that_do_not_fit_the_records_are_found(store: Store, change: Callable[[dict[str, bytes]], object], fact: str) -> None:
    members = dict.fromkeys(NAMES, b"x")
    change(members)
    fill(store, members)
    (finding,) = open_container(store, METADATA_FILE).check_members()
    assert finding.code == "aac-member" and fact in finding.fact and finding.container == METADATA_FILE


def test_a_record_without_a_member_says_so(store: Store) -> None:
    put(store, METADATA_FILE, encode_record(NAMES[0], {"id": 1}))
    container = open_container(store, METADATA_FILE)
    (record,) = container.records()
    assert isinstance(record, Record)
    with pytest.raises(NotFoundError):
        container.read_member(record)


def test_a_container_that_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(NotFoundError):
        open_container(store, METADATA_FILE)
    with pytest.raises(ContainerFormatError):
        open_container(store, "../" + METADATA_FILE)


def test_a_member_name_that_no_file_can_have_is_a_finding(store: Store) -> None:
    long = NAMES[0].replace("__0", "__" + "x" * (MAXIMUM_CHARACTERS + 150) + "0", 1)
    put(store, METADATA_FILE, encode_record(long, {"id": 1}, DATA_FOLDER))
    assert "aac-member" in {finding.code for finding in open_container(store, METADATA_FILE).check_members()}
