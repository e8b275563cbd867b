"""Files of which only a torrent's pieces are known, proved beside their neighbours."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from fonoteca.ground.findings import Finding
from fonoteca.integrity.paced_proving import Pace, prove_paced
from fonoteca.integrity.schedule import PieceCheck, Provable

PIECE = 16_384


def provables(folder: Path, sizes: dict[str, int], pieces: bytes) -> list[Provable]:
    """The files of one torrent in a folder, each with all pieces that touch it."""
    spans, at = {}, 0
    for name, size in sizes.items():
        spans[name] = (folder / name, at, size)
        at += size
    items = []
    for name, (path, first, size) in spans.items():
        low, high = first // PIECE, -(-(first + size) // PIECE)
        check = PieceCheck(tuple(spans.values()), first, PIECE, pieces[low * 20 : high * 20], low)
        items.append(Provable(key=f"{folder.name}/{name}", path=path, size=size, proved_at=0, pieces=check))
    return items


def make(folder: Path, sizes: dict[str, int], content: bytes) -> bytes:
    """Write the files; gives their pieces."""
    folder.mkdir()
    at = 0
    for name, size in sizes.items():
        (folder / name).write_bytes(content[at : at + size])
        at += size
    return b"".join(hashlib.sha1(content[at : at + PIECE]).digest() for at in range(0, len(content), PIECE))


def proved(items: list[Provable]) -> dict[str, Finding | None]:
    outcomes = prove_paced(items, Pace(threading.Event()))
    return {outcome.item.key: outcome.finding for some in outcomes for outcome in some}


def test_a_good_copy_elsewhere_proves_nothing_of_the_bad_one(tmp_path: Path) -> None:
    sizes, content = {"a": 20_000, "b": 30_000}, os.urandom(50_000)
    pieces = make(tmp_path / "one", sizes, content)
    make(tmp_path / "two", sizes, content)
    (tmp_path / "two" / "b").write_bytes(bytes(30_000))
    found = proved([*provables(tmp_path / "one", sizes, pieces), *provables(tmp_path / "two", sizes, pieces)])
    assert {key for key, finding in found.items() if finding} == {"two/a", "two/b"}


def test_a_piece_of_two_files_is_read_once(tmp_path: Path) -> None:
    sizes, content = {"a": 10_000, "b": 6_384}, os.urandom(PIECE)
    items = provables(tmp_path / "one", sizes, make(tmp_path / "one", sizes, content))
    outcomes = [outcome for some in prove_paced(items, Pace(threading.Event())) for outcome in some]
    assert sorted(outcome.read for outcome in outcomes) == [0, PIECE]


def test_a_pipe_as_neighbour_is_damage_and_nobody_waits_for_it(tmp_path: Path) -> None:
    sizes, content = {"a": 10_000, "b": 6_384}, os.urandom(PIECE)
    items = provables(tmp_path / "one", sizes, make(tmp_path / "one", sizes, content))
    (tmp_path / "one" / "b").unlink()
    os.mkfifo(tmp_path / "one" / "b")
    found: dict[str, Finding | None] = {}
    thread = threading.Thread(target=lambda: found.update(proved(items)), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it waits for somebody to write to the pipe"
    assert found["one/a"] is not None and found["one/a"].code == "changed"
    assert found["one/b"] is not None and found["one/b"].code == "unreadable"
