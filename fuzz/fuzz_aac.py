"""Fuzz the readers of AACIDs, container names, record lines and metadata files: findings and ContainerFormatError, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "containers"))

from mutations import run
from odd_containers import NAME, ODD_FILES

from fonoteca.containers import MemoryFile, Record, decode_record, parse_aacid, parse_container_name, read_records
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import FINDING_KINDS


def check(content: bytes) -> None:
    """Read `content` as each of the things it could be."""
    for item in read_records(MemoryFile(content), NAME, maximum_line_bytes=100_000):
        if isinstance(item, Record):
            assert decode_record(b'{"aacid":"%s","metadata":%s}' % (_quote(item.aacid), bytes(item.metadata))).aacid == item.aacid
            assert "/" not in item.aacid and "\0" not in item.aacid
        else:
            assert item.code in FINDING_KINDS
    for line in content.split(b"\n")[:20]:
        text = line.decode("utf-8", "surrogateescape")
        _check_text(text)
        _check_text(text[len('{"aacid":"') :].partition('"')[0])


def _quote(text: str) -> bytes:
    return text.replace('"', '\\"').encode()


def _check_text(text: str) -> None:
    try:
        assert str(parse_aacid(text)) == text
    except ContainerFormatError:
        pass
    try:
        parse_container_name(text)
    except ContainerFormatError:
        pass


if __name__ == "__main__":
    seeds = [build() for build, _, _ in ODD_FILES.values()]
    plain = ODD_FILES["plain-lines"][0]()
    seeds += [NAME.encode(), *[plain] * len(seeds)]  # packed seeds rarely come through changed; plain lines always do
    sys.exit(run("aac", [seed for seed in seeds if len(seed) < 30_000], check))
