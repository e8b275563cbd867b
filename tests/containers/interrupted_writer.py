"""Writes one container of generated members, as a program that tests can kill: FOLDER MEMBERS."""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

from fonoteca.containers import ContainerWriter, ContainerWritten, data_folder_name, format_timestamp, make_aacid, metadata_file_name

SECOND = 1_700_000_000
STAMP = format_timestamp(SECOND)
DATA_FOLDER = data_folder_name("someone", "c_files", STAMP, STAMP)
METADATA_FILE = metadata_file_name("someone", "c_files", STAMP, STAMP)


def make_content(number: int) -> bytes:
    """The bytes of one member, the same every time."""
    return random.Random(number).randbytes(1 + number * 7919 % 50_000)


def name_members(count: int) -> dict[str, int]:
    """AACIDs in their order, with the number of the member."""
    return dict(sorted((make_aacid("c_files", SECOND, f"{number:04}", str(number)), number) for number in range(count)))


def write(folder: Path, count: int) -> tuple[ContainerWritten, str, str]:
    """Make or go on with the container under `folder`/store, and give the digests of what the observers saw."""
    data, lines = hashlib.sha256(), hashlib.sha256()
    with ContainerWriter(
        folder / "staging",
        data_folder=DATA_FOLDER,
        metadata_file=METADATA_FILE,
        frame_bytes=1000,
        observe_data=data.update,
        observe_metadata=lines.update,
        store_folder=folder / "store",
    ) as writer:
        there = writer.recover()
        for aacid, number in name_members(count).items():
            content = make_content(number)
            metadata = {"id": number, "size": len(content)}
            sha256 = hashlib.sha256(content).hexdigest()
            if aacid not in there or not writer.reuse_member(aacid, sha256, metadata):
                writer.add_member(aacid, (content[at : at + 4096] for at in range(0, len(content), 4096)), metadata)
        written = writer.finish()
        writer.publish_into(folder / "store")
    return written, data.hexdigest(), lines.hexdigest()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if not (target / "store" / METADATA_FILE).exists():
        write(target, int(sys.argv[2]))
