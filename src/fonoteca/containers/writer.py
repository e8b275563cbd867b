"""Writing one container: every byte once, observed on its way, whole on disk before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from fonoteca.containers.aacid import parse_aacid
from fonoteca.containers.member_files import MemberWritten, link_file, prove_member, remove_leftover, sync_files, write_member
from fonoteca.containers.records import encode_record
from fonoteca.containers.safe_names import check_name
from fonoteca.containers.seekable import FRAME_BYTES, LEVEL, SeekableWriter
from fonoteca.containers.stores import PARTIAL_SUFFIX
from fonoteca.ground.errors import ContainerFormatError, translate_os_errors
from fonoteca.ground.files import sync_folder

Metadata = Mapping[str, Any] | msgspec.Raw | Callable[[MemberWritten], Mapping[str, Any] | msgspec.Raw]
"""What a record says; a function is asked once size and SHA-256 of the member are known."""


class ContainerWritten(msgspec.Struct, frozen=True):
    """What a finished container holds. Bytes of the metadata file are as compressed."""

    records: int
    members: int
    data_bytes: int
    metadata_bytes: int


def _ignore(content: bytes | memoryview) -> None:
    pass


class ContainerWriter:
    """One container in the making, in a `staging` folder on the file system of the store.

    Members are written to `DATA_FOLDER.partial/`, records to `METADATA_FILE.partial`, both strictly in the order of their AACIDs.
    `observe_data` gets every byte of the members, as buffers to be read at once and not kept, `observe_metadata` every byte of
    the compressed metadata file, in order.

    After a kill, make the writer again over the same staging folder (and `store_folder`, in case the kill hit `publish_into`):
    what is there is found by `recover` and taken over, when it proves good, by `reuse_member`; the metadata file is
    written anew. The result is the same as that of an undisturbed run. Not for several threads at once.
    """

    def __init__(
        self,
        staging: Path,
        *,
        data_folder: str | None,
        metadata_file: str,
        frame_bytes: int = FRAME_BYTES,
        level: int = LEVEL,
        observe_data: Callable[[bytes | memoryview], object] = _ignore,
        observe_metadata: Callable[[bytes], object] = _ignore,
        store_folder: Path | None = None,
    ) -> None:
        self._staging = staging
        self._data_folder = _check_own_name(data_folder) if data_folder is not None else None
        self._metadata_file = _check_own_name(metadata_file)
        self._observe_data = observe_data
        self._observe_metadata = observe_metadata
        self._names: set[str] = set()
        self._last = ""
        self._records = self._data_bytes = self._metadata_bytes = 0
        with translate_os_errors(staging):
            staging.mkdir(parents=True, exist_ok=True)
            self._take_back(staging, store_folder)
            if self._data_folder:
                self._members.mkdir(exist_ok=True)
            self._file = open(self._partial(self._metadata_file), "wb", opener=_open_new)  # noqa: SIM115 — open until finish
        self._seekable = SeekableWriter(self._put_metadata, frame_bytes, level)

    def _partial(self, name: str) -> Path:
        return self._staging / (name + PARTIAL_SUFFIX)

    @property
    def _members(self) -> Path:
        if self._data_folder is None:
            raise ContainerFormatError(f"{self._metadata_file} has no data folder, so it takes no members")
        return self._partial(self._data_folder)

    def _take_back(self, staging: Path, store_folder: Path | None) -> None:
        """Undo renames that a kill left half done; a container that is wholly there is never touched."""
        if store_folder and (store_folder / self._metadata_file).exists():
            raise ContainerFormatError(
                f"{self._metadata_file} is in {store_folder} already", "Containers are immutable: give it a new name."
            )
        (staging / self._metadata_file).unlink(missing_ok=True)
        self._partial(self._metadata_file).unlink(missing_ok=True)
        for place in (staging, store_folder):
            if place and self._data_folder and (place / self._data_folder).is_dir():
                os.rename(place / self._data_folder, self._members)

    def recover(self) -> dict[str, int]:
        """Members that an earlier run left, whole or not, with their sizes."""
        with translate_os_errors(self._members), os.scandir(self._members) as entries:
            return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}

    def add_member(
        self, aacid: str, parts: Iterable[bytes | bytearray | memoryview], metadata: Metadata, *, sha256: str | None = None
    ) -> MemberWritten:
        """Write a member of these bytes, and its record; `sha256` where the caller knows it, so that it is not taken twice."""
        path = self._start_member(aacid)
        return self._record_member(write_member(path, parts, self._observe_data, sha256), metadata)

    def reuse_member(self, aacid: str, sha256: str, metadata: Metadata) -> MemberWritten | None:
        """Take over a member that an earlier run wrote, and write its record; None where it is not that, then `add_member` makes it."""
        path = self._members / aacid
        self._check_order(aacid)
        size = prove_member(path, sha256, self._observe_data)
        if size is None:
            return None
        self._start_member(aacid)
        return self._record_member(MemberWritten(aacid, size, sha256), metadata)

    def link_member(self, aacid: str, existing: Path, sha256: str, metadata: Metadata) -> MemberWritten:
        """Issue a member of another container again, by hard link, and write its record.

        ContainerFormatError where `existing` is not there or has another SHA-256; the writer can go on without it.
        """
        self._check_order(aacid)
        path = self._members / aacid
        size = prove_member(existing, sha256, self._observe_data)
        if size is None:
            raise ContainerFormatError(f"{existing} is not the file with SHA-256 {sha256}", "Run fonoteca verify over the archive.")
        link_file(existing, path)
        self._start_member(aacid)
        return self._record_member(MemberWritten(aacid, size, sha256), metadata)

    def add_record(self, aacid: str, metadata: Mapping[str, Any] | msgspec.Raw) -> None:
        """Write a record that has no member."""
        self._check_order(aacid)
        self._put_record(aacid, metadata, None)

    def _check_order(self, aacid: str) -> None:
        parse_aacid(aacid)
        check_name(aacid)
        if aacid <= self._last:
            raise ContainerFormatError(f"{aacid} comes after {self._last}, out of order", "Add members in the order of their AACIDs.")

    def _start_member(self, aacid: str) -> Path:
        self._check_order(aacid)
        self._names.add(aacid)
        return self._members / aacid

    def _record_member(self, member: MemberWritten, metadata: Metadata) -> MemberWritten:
        self._data_bytes += member.size
        self._put_record(member.name, metadata(member) if callable(metadata) else metadata, self._data_folder)
        return member

    def _put_record(self, aacid: str, metadata: Mapping[str, Any] | msgspec.Raw, data_folder: str | None) -> None:
        line = encode_record(aacid, metadata, data_folder)
        self._last = aacid
        self._records += 1
        with translate_os_errors(self._metadata_file):
            self._seekable.write(line)

    def _put_metadata(self, packed: bytes) -> None:
        self._file.write(packed)
        self._metadata_bytes += len(packed)
        self._observe_metadata(packed)

    def finish(self) -> ContainerWritten:
        """Put everything on disk and give it its names within the staging folder; leftovers of earlier runs are removed."""
        with translate_os_errors(self._staging):
            self._seekable.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if self._data_folder:
                self._remove_strays()
                sync_files(self._members, self._names)
                os.rename(self._members, self._staging / self._data_folder)
            os.rename(self._partial(self._metadata_file), self._staging / self._metadata_file)
            sync_folder(self._staging)
        return ContainerWritten(self._records, len(self._names), self._data_bytes, self._metadata_bytes)

    def _remove_strays(self) -> None:
        for name in self.recover().keys() - self._names:
            remove_leftover(self._members / name)

    def publish_into(self, store_folder: Path) -> None:
        """Move the finished container into `store_folder`: the data folder first, the metadata file last, so that it stands for both."""
        with translate_os_errors(store_folder):
            store_folder.mkdir(parents=True, exist_ok=True)
            if (store_folder / self._metadata_file).exists():
                raise ContainerFormatError(f"{self._metadata_file} is in {store_folder} already", "Containers are immutable.")
            if self._data_folder:
                os.rename(self._staging / self._data_folder, store_folder / self._data_folder)
                sync_folder(store_folder)
            os.rename(self._staging / self._metadata_file, store_folder / self._metadata_file)
            sync_folder(store_folder)
            sync_folder(self._staging)

    def close(self) -> None:
        """Let go of the files; what is not finished stays for the next run."""
        with translate_os_errors(self._staging):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _check_own_name(name: str) -> str:
    if "/" in name or name.endswith(PARTIAL_SUFFIX):
        raise ContainerFormatError(f"{name!r} is no name for a part of a container")
    return check_name(name)


def _open_new(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o444)
