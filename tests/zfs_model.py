"""A small model of what OpenZFS does with snapshots, bookmarks and plain streams: enough to carry decisions out."""

from __future__ import annotations

import itertools
import struct
import zlib

import msgspec

from fonoteca.pools.replication import DatasetState, Forget, Step
from fonoteca.pools.snapshots import Bookmark, Snapshot
from fonoteca.pools.streams import HEAD_BYTES


class ModelRefusesError(Exception):
    """What zfs would refuse."""


class ModelDataset:
    """A dataset whose content is the list of what was written to it; a snapshot remembers how long that list was."""

    guids = itertools.count(1000)

    def __init__(self, name: str) -> None:
        self.name, self.content = name, list[int]()
        self.txg = 0
        self.points: dict[str, tuple[Snapshot, tuple[int, ...]]] = {}
        self.marks: list[Bookmark] = []
        self.token, self.written = "", 0

    def write(self, value: int) -> None:
        self.content.append(value)
        self.written += 1

    def snapshot(self, name: str) -> None:
        if name in self.points:
            raise ModelRefusesError("dataset already exists")
        self._add(name, next(self.guids))

    def _add(self, name: str, guid: int) -> None:
        self.txg += 1
        self.points[name] = Snapshot(self.name, name, guid, self.txg, self.txg * 3600), tuple(self.content)
        self.written = 0

    def bookmark(self, name: str) -> None:
        point, _ = self.points[name]
        self.marks.append(Bookmark(self.name, f"mark-{point.guid}", point.guid, point.createtxg, point.created_at))

    def destroy(self, name: str) -> None:
        del self.points[name]

    def state(self) -> DatasetState:
        snapshots = tuple(sorted((point for point, _ in self.points.values()), key=lambda one: one.createtxg))
        return DatasetState(self.name, "filesystem", snapshots, tuple(self.marks), self.token, self.written, True)


class ModelTarget:
    """A place that receives, as `zfs receive -s` without -F does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dataset: ModelDataset | None = None

    def state(self) -> DatasetState | None:
        return self.dataset.state() if self.dataset else None

    def forget(self, step: Forget) -> None:
        assert self.dataset is not None and self.dataset.token
        self.dataset.token = ""
        if not self.dataset.points:
            self.dataset = None

    def receive(self, source: ModelDataset, step: Step, *, is_cut: bool) -> None:
        """Take one stream in; one that is cut leaves its token."""
        point, content = self._sent(source, step)
        base_guid = step.base_guid
        if self.dataset is None:
            if base_guid:
                raise ModelRefusesError("an incremental stream without a destination")
            self.dataset = ModelDataset(self.name)
        elif step.kind == "resume":
            if self.dataset.token != step.token:
                raise ModelRefusesError("no such partial state")
        elif self.dataset.token or not base_guid:
            raise ModelRefusesError("destination exists, or has a partial state")
        if base_guid:
            newest = max((one for one, _ in self.dataset.points.values()), key=lambda one: one.createtxg)
            if newest.guid != base_guid or self.dataset.written or point.name in self.dataset.points:
                raise ModelRefusesError("does not match incremental source")
        if is_cut:
            self.dataset.token = make_token(point.full_name, point.guid, base_guid)
            return
        self.dataset.token = ""
        self.dataset.content = list(content)
        self.dataset._add(point.name, point.guid)

    def _sent(self, source: ModelDataset, step: Step) -> tuple[Snapshot, tuple[int, ...]]:
        if step.snapshot not in source.points or source.points[step.snapshot][0].guid != step.guid:
            raise ModelRefusesError("no such snapshot at the source")
        known = [point for point, _ in source.points.values()] if step.kind == "incremental" else list(source.marks)
        if step.kind in ("incremental", "bookmark") and all((one.name, one.guid) != (step.base, step.base_guid) for one in known):
            raise ModelRefusesError("no such base at the source")
        return source.points[step.snapshot]


def make_token(to_name: str, to_guid: int, from_guid: int = 0, received: int = 4096) -> str:
    """A resume token as OpenZFS writes it on a little-endian machine."""
    numbers = {"object": 2, "offset": 0, "bytes": received, "toguid": to_guid, **({"fromguid": from_guid} if from_guid else {})}
    pairs = [_pair(name, 8, struct.pack("<Q", value)) for name, value in numbers.items()]
    pairs.append(_pair("toname", 9, to_name.encode("utf-8", "surrogateescape") + b"\0"))
    packed = b"\0\1\0\0" + struct.pack("<iI", 0, 1) + b"".join(pairs) + bytes(4)
    return f"1-{zlib.adler32(packed):x}-{len(packed):x}-{zlib.compress(packed).hex()}"


def _pair(name: str, kind: int, value: bytes) -> bytes:
    text = name.encode() + b"\0"
    body = text.ljust((len(text) + 7) // 8 * 8, b"\0") + value.ljust((len(value) + 7) // 8 * 8, b"\0")
    return struct.pack("<ihhii", 16 + len(body), len(text), 0, 1, kind) + body


def as_seen_from_afar(state: DatasetState) -> DatasetState:
    """The state after a journey as JSON."""
    return msgspec.json.decode(msgspec.json.encode(state), type=DatasetState)


def make_head(to_guid: int, from_guid: int = 0, *, kind: int = 1, order: str = "<", name: str = "tank/f@1", features: int = 4) -> bytes:
    """The first record of a stream, by include/sys/zfs_ioctl.h."""
    begin = struct.pack(f"{order}IIQQQIIQQ", 0, 0, 0x2F5BACBAC, features << 2 | kind, 1_700_000_000, 2, 12, to_guid, from_guid)
    return (begin + name.encode()).ljust(HEAD_BYTES, b"\0")
