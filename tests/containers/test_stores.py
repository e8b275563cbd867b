import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fonoteca.containers import FolderStore, MemoryStore, Store
from fonoteca.ground.errors import AccessError, ContainerFormatError, NotFoundError

STORES: dict[str, Callable[[Path], Store]] = {"folder": FolderStore, "memory": lambda folder: MemoryStore()}
TRICKS = ["../x", "/etc/passwd", "a/../../x", "a\0b", "", ".", "a//b", "x" * 300, "aux", "a/COM1.txt", "a\\..\\b", "\udcff"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path)


def put(store: Store, name: str, content: bytes) -> None:
    with store.put(name) as sink:
        sink.write(content)


def test_what_is_put_is_read_whole_and_in_ranges(store: Store) -> None:
    put(store, "a/b/c", b"0123456789")
    with store.open("a/b/c") as file:
        assert (file.size, file.read_at(0, 10), file.read_at(3, 4), file.read_at(8, 9)) == (10, b"0123456789", b"3456", b"89")
        assert file.read_at(10, 1) == file.read_at(99, 1) == file.read_at(2, 0) == b""
    assert store.read_range("a/b/c", 2, 2) == b"23"
    assert store.exists("a/b/c") and not store.exists("a/b") and not store.exists("z")


def test_a_put_that_fails_leaves_what_was_there(store: Store) -> None:
    put(store, "a", b"old")
    with pytest.raises(RuntimeError), store.put("a") as sink:
        sink.write(b"new")
        raise RuntimeError
    assert store.read_range("a", 0, 9) == b"old"
    assert list(store.list()) == [("a", 3)]


def test_lists_are_sorted_by_whole_names_and_cut_by_prefix(store: Store) -> None:
    names = ["b/x", "b.txt", "b/a/1", "a", "b-", "b/x1", "é", "c"]
    for name in names:
        put(store, name, name.encode())
    assert list(store.list()) == [(name, len(name.encode())) for name in sorted(names, key=str.encode)]
    assert [name for name, _ in store.list("b/x")] == ["b/x", "b/x1"]
    assert [name for name, _ in store.list("b/")] == ["b/a/1", "b/x", "b/x1"]
    assert [name for name, _ in store.list("b")] == ["b-", "b.txt", "b/a/1", "b/x", "b/x1"]
    assert list(store.list("none/")) == []


def test_files_are_renamed_and_deleted(store: Store) -> None:
    put(store, "a", b"1")
    store.rename("a", "d/b")
    assert not store.exists("a") and store.read_range("d/b", 0, 1) == b"1"
    store.delete("d/b")
    store.delete("d/b")
    assert not store.exists("d/b")


def test_what_is_not_there_is_said(store: Store) -> None:
    for action in (lambda: store.open("x"), lambda: store.read_range("x", 0, 1), lambda: store.rename("x", "y")):
        with pytest.raises(NotFoundError):
            action()


@pytest.mark.parametrize("name", TRICKS)
def test_path_tricks_are_refused_everywhere(store: Store, name: str) -> None:
    put(store, "here", b"1")
    for action in (
        lambda: store.open(name),
        lambda: store.exists(name),
        lambda: store.delete(name),
        lambda: store.rename("here", name),
        lambda: put(store, name, b""),
    ):
        with pytest.raises(ContainerFormatError):
            action()


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"x")
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "file").symlink_to(tmp_path / "outside" / "secret")
    (folder / "loop").symlink_to(folder)
    store = FolderStore(folder)
    for name in ("link/secret", "file"):
        with pytest.raises(ContainerFormatError):
            store.open(name)
    with pytest.raises(ContainerFormatError):
        put(store, "link/new", b"")
    assert list(store.list()) == list(store.list("loop/")) == [] and not store.exists("file")


def test_a_store_may_itself_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "name").symlink_to(tmp_path / "real")
    put(store := FolderStore(tmp_path / "name"), "a/b", b"1")
    assert store.read_range("a/b", 0, 1) == b"1" and list(store.list("a/")) == [("a/b", 1)]


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises((ContainerFormatError, AccessError)):
            FolderStore(tmp_path).open(name)


def test_unfinished_files_are_not_shown(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with store.put("a") as sink:
        sink.write(b"1")
        assert list(store.list()) == [] and not store.exists("a")
    (tmp_path / "b.partial").mkdir()
    (tmp_path / "b.partial" / "c").write_bytes(b"1")
    assert list(store.list()) == [("a", 1)]
