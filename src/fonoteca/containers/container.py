"""Reading a container as a stranger: its records, its members, and whether the two fit."""

from __future__ import annotations

from collections.abc import Iterator

from fonoteca.containers.record_reader import read_records
from fonoteca.containers.records import Record
from fonoteca.containers.safe_names import check_name
from fonoteca.containers.stores import RangedFile, Store
from fonoteca.ground.errors import ContainerFormatError, NotFoundError
from fonoteca.ground.findings import Finding

MAXIMUM_MEMBER_BYTES = 1 << 31
"""Members above this are read by ranges, not at once."""


class Container:
    """A metadata file in a store, with the data folders that its records name beside it."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self.name = check_name(name)
        self._beside = name.rpartition("/")[0]

    def records(self) -> Iterator[Record | Finding]:
        """Every record in its order, and findings where something is wrong or odd."""
        with self._store.open(self.name) as file:
            yield from read_records(file, self.name)

    def locate_member(self, record: Record) -> str:
        """The name of the record's member in the store; NotFoundError for a record without one."""
        if record.data_folder is None:
            raise NotFoundError(f"{record.aacid} has no member", "Its record is all there is.")
        return check_name(f"{self._beside}/{record.data_folder}/{record.aacid}".lstrip("/"))

    def open_member(self, record: Record) -> RangedFile:
        """The record's member, to be read by ranges."""
        return self._store.open(self.locate_member(record))

    def read_member(self, record: Record) -> bytes:
        """All bytes of the record's member."""
        with self.open_member(record) as file:
            if file.size > MAXIMUM_MEMBER_BYTES:
                raise ContainerFormatError(f"{record.aacid} has {file.size:,} bytes", "Open it and read ranges of it.")
            return file.read_at(0, file.size)

    def check_members(self) -> Iterator[Finding]:
        """Findings of the records, then every member that is missing, extra or has no bytes. Reads no member; holds the names in memory."""
        wanted: dict[str, set[str]] = {}
        for record in self.records():
            if isinstance(record, Finding):
                yield record
            elif record.data_folder is not None:
                try:
                    wanted.setdefault(record.data_folder, set()).add(self.locate_member(record))
                except ContainerFormatError as error:
                    yield self._fault(record.aacid[:160], error.message)
        for folder, names in sorted(wanted.items()):
            yield from self._compare(folder, names)

    def _compare(self, folder: str, names: set[str]) -> Iterator[Finding]:
        there = 0
        for name, size in self._store.list(f"{self._beside}/{folder}/".lstrip("/")):
            there += 1
            if name not in names:
                yield self._fault(name, "no record names this member")
            elif not size:
                yield self._fault(name, "the member has no bytes")
            names.discard(name)
        if not there:
            yield self._fault(folder, f"the data folder is empty or missing; it should have {len(names):,} members")
            return
        for name in sorted(names):
            yield self._fault(name, "the member is missing")

    def _fault(self, path: str, fact: str) -> Finding:
        return Finding("aac-member", path, fact, container=self.name)


def open_container(store: Store, name: str) -> Container:
    """The container whose metadata file is `name`; NotFoundError where the store does not have it."""
    store.open(name).close()
    return Container(store, name)
