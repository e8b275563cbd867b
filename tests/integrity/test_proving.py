"""Every kind of damage is found, named and does not stop the rest."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from fonoteca.ground.findings import Finding
from fonoteca.integrity import Expected, Proved, find_extra, prove_files, proving


def write_files(folder: Path, count: int, size: int = 3_000) -> list[Expected]:
    expected = []
    for number in range(count):
        content = os.urandom(size)
        path = folder / f"{number:06d}"
        path.write_bytes(content)
        expected.append(Expected(path, size, hashlib.sha256(content).hexdigest(), f"t{number}", "c"))
    return expected


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_whole_files_are_proved_in_the_order_given(tmp_path: Path, threads: int) -> None:
    expected = write_files(tmp_path, 300)[::-1]
    heard: list[int] = []
    assert list(prove_files(expected, threads=threads, on_bytes=heard.append)) == [Proved(one, 3_000) for one in expected]
    assert sum(heard) == 300 * 3_000


def test_every_kind_of_damage_is_found_with_its_track_and_nothing_stops(tmp_path: Path) -> None:
    expected = write_files(tmp_path, 9)
    (tmp_path / "000001").unlink()
    (tmp_path / "000002").write_bytes((tmp_path / "000002").read_bytes()[:-1])
    (tmp_path / "000003").write_bytes((tmp_path / "000003").read_bytes() + b"x")
    content = bytearray((tmp_path / "000004").read_bytes())
    content[1_500] ^= 1
    (tmp_path / "000004").write_bytes(content)
    for name in ("000005", "000006", "000007"):
        (tmp_path / name).unlink()
    (tmp_path / "000005").mkdir()
    os.mkfifo(tmp_path / "000006")
    (tmp_path / "000007").symlink_to(tmp_path / "000007")
    answers = list(prove_files(expected, threads=2))
    codes = [answer.code if isinstance(answer, Finding) else "proved" for answer in answers]
    assert codes == [
        "proved", "missing", "wrong-size", "wrong-size", "changed", "unreadable", "unreadable", "unreadable", "proved"
    ]  # fmt: skip
    assert all((found.track, found.container) == (f"t{number}", "c") for number, found in enumerate(answers) if isinstance(found, Finding))
    assert isinstance(answers[2], Finding) and answers[2].fact == "cut short: has 2999 bytes, should have 3000"


def test_size_is_taken_from_the_file_where_none_is_known(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 3_000_001)
    expected = Expected(tmp_path / "f", None, hashlib.sha256(b"x" * 3_000_001).hexdigest())
    assert list(prove_files([expected])) == [Proved(expected, 3_000_001)]


def test_empty_files_and_empty_lists_are_proved(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    expected = Expected(tmp_path / "empty", 0, hashlib.sha256(b"").hexdigest())
    assert list(prove_files([expected])) == [Proved(expected, 0)]
    assert list(prove_files([])) == []


def test_list_is_read_no_further_ahead_than_a_few_batches(tmp_path: Path) -> None:
    expected = write_files(tmp_path, 2)
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield expected[taken % 2]

    answers = prove_files(endless(), threads=2)  # type: ignore[arg-type]
    for _ in range(1_000):
        next(answers)
    assert taken <= 1_000 + proving.BATCH_FILES * 8
    begun = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 5


def test_file_that_is_on_no_list_is_extra_wherever_it_lies(tmp_path: Path) -> None:
    for path in ("a", "b/c/d", "b/e", ".hidden", "b/\udcff"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "b/up").symlink_to(tmp_path)
    found = list(find_extra(tmp_path, {"a", "b/e"}))
    assert [finding.code for finding in found] == ["extra"] * 4
    assert [finding.path for finding in found] == [f"{tmp_path}/{path}" for path in (".hidden", "b/up", "b/\\xff", "b/c/d")]


def test_folder_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    assert [finding.code for finding in find_extra(tmp_path / "none", set())] == ["unreadable"]
