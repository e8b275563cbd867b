"""SHA256SUMS as the real sha256sum writes and reads it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import FormatError
from fonoteca.ground.findings import Finding
from fonoteca.integrity import Checksum, read_checksums, write_checksums

ODD_NAMES = ["#hash", "a b", "back\\slash", "new\nline", "return\r", "sub/é", "\udcff", "*star", " space", "\\n", "-dash"]
DIGEST = hashlib.sha256(b"").hexdigest()


def by_bytes(checksum: Checksum) -> bytes:
    return os.fsencode(checksum.path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ODD_NAMES:
        (tmp_path / name).write_bytes(os.fsencode(name))
    sums = [Checksum(hashlib.sha256(os.fsencode(name)).hexdigest(), name) for name in ODD_NAMES]
    with open(tmp_path / "SHA256SUMS", "wb") as target:
        assert write_checksums(target, sorted(sums, key=by_bytes)) == len(ODD_NAMES)
    return tmp_path


def test_sha256sum_accepts_the_list_with_odd_names(folder: Path) -> None:
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "a b").write_bytes(b"x")
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 1 and b"a b: FAILED" in done.stdout


def test_the_list_is_byte_for_byte_that_of_sha256sum(folder: Path) -> None:
    names = sorted(map(os.fsencode, ODD_NAMES))
    done = subprocess.run(["sha256sum", "--", *names], cwd=folder, capture_output=True, check=True)
    assert (folder / "SHA256SUMS").read_bytes() == done.stdout


PARTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda part: part not in (".", "..")
)
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(PATHS, st.binary(max_size=3), max_size=8))
def test_what_is_written_is_read_back(files: dict[str, bytes]) -> None:
    sums = sorted((Checksum(hashlib.sha256(content).hexdigest(), path) for path, content in files.items()), key=by_bytes)
    target = io.BytesIO()
    write_checksums(target, sums)
    assert list(read_checksums(io.BytesIO(target.getvalue()))) == sums


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    for read in read_checksums(io.BytesIO(data)):
        assert isinstance(read, Checksum | Finding)


def test_other_peoples_forms_are_read() -> None:
    text = f"# a comment\r\n\n{DIGEST.upper()} *binary\r\n{DIGEST}  text\n{DIGEST}  last"
    assert list(read_checksums(io.BytesIO(text.encode()))) == [Checksum(DIGEST, name) for name in ("binary", "text", "last")]


@pytest.mark.parametrize(
    "line",
    [b"garbage", b"ab  name", DIGEST.encode(), DIGEST.encode() + b"  ", b"\\" + DIGEST.encode() + b"  a\\x"]
    + [DIGEST.encode() + b"  " + path for path in (b"../up", b"/etc/passwd", b"a/../../b", b"a//b", b"a\0b", b"n" * 256, b"x" * 100_000)],
)
def test_bad_line_is_a_finding_and_the_next_is_read(line: bytes) -> None:
    bad, good = read_checksums(io.BytesIO(line + b"\n" + DIGEST.encode() + b"  good\n"))
    assert isinstance(bad, Finding) and bad.code == "bad-list" and "line 1" in bad.fact and len(bad.fact) < 300
    assert good == Checksum(DIGEST, "good")


@pytest.mark.parametrize("paths", [["b", "a"], ["a", "a"], ["../a"], ["/a"], [""]])
def test_list_that_could_not_be_trusted_is_not_written(paths: list[str]) -> None:
    with pytest.raises(FormatError):
        write_checksums(io.BytesIO(), [Checksum(DIGEST, path) for path in paths])
