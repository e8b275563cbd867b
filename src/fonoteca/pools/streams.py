"""Send streams: the arguments of zfs send and receive, the first record of a stream, and what zfs and zstream say of one.

`zfs receive -F` stands nowhere here: it rolls back and destroys. Streams are plain ones, of one snapshot each; packages (`-R`, `-p`, `-I`),
which carry properties, renames and destructions, are refused by their first record.
"""

from __future__ import annotations

import re
import struct

import msgspec

from fonoteca.ground.errors import PoolOutputError, StreamError
from fonoteca.pools.replication import Step

HEAD_BYTES = 312  # dmu_replay_record_t
_MAGIC = 0x2F5BACBAC
_PLAIN = 1
_AGAIN = "Nothing was taken over; run it again, and if it stays so, scrub the source."
_GUARDS = ("-o", "readonly=on", "-o", "canmount=noauto", "-x", "mountpoint")
_VOLUME_GUARDS = ("-o", "readonly=on")


class StreamHead(msgspec.Struct, frozen=True):
    """The first record: `from_guid` is 0 in a full stream; `kind` is 1 for a plain stream, 2 for a package."""

    kind: int
    features: int
    to_guid: int
    from_guid: int
    to_name: str
    is_volume: bool = False


def send_arguments(step: Step) -> list[str]:
    """Of `zfs`: large blocks, embedded and compressed data as they are on disk; raw where encrypted."""
    if step.kind == "resume":
        return ["send", "-t", step.token]
    sign = "#" if step.kind == "bookmark" else "@"
    base = ["-i", f"{step.dataset}{sign}{step.base}"] if step.kind != "full" else []
    return ["send", *(("-w",) if step.is_raw else ("-L", "-e", "-c")), *base, f"{step.dataset}@{step.snapshot}"]


def receive_arguments(target: str, *, is_new: bool, is_volume: bool = False) -> list[str]:
    """Of `zfs`: resumable, not mounted; a new dataset is read-only and mounts nowhere by itself."""
    guards = (_VOLUME_GUARDS if is_volume else _GUARDS) if is_new else ()
    return ["receive", "-s", "-u", *guards, target]


def read_head(record: bytes) -> StreamHead:
    """What the first record of a stream says; StreamError where it is none. In the byte order of the machine that sent it."""
    if len(record) < HEAD_BYTES:
        raise StreamError(f"the stream ends after {len(record)} bytes, within its first record", _AGAIN)
    for order in "<>":
        kind, _, magic, version, _, objects, _, to_guid, from_guid = struct.unpack_from(f"{order}IIQQQIIQQ", record)
        if magic == _MAGIC and kind == 0:
            name = record[56:HEAD_BYTES].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
            return StreamHead(version & 3, version >> 2, to_guid, from_guid, name, objects == 3)
    raise StreamError(f"no send stream: it begins with {record[:16].hex(' ')}", _AGAIN)


def check_head(record: bytes, guid: int, base_guid: int | None = None, *, is_volume: bool = False) -> StreamHead:
    """The head of a plain stream of just this snapshot; StreamError for anything else. `base_guid` None: whatever it starts from."""
    head = read_head(record)
    if head.kind != _PLAIN:
        raise StreamError(
            "the stream is a package of datasets and properties (send -R, -p or -I), which is never received",
            "Send each snapshot by itself: fonoteca pool replicate does.",
        )
    if head.to_guid != guid:
        raise StreamError(f"the stream brings the snapshot with guid {head.to_guid}, not {guid}, which was announced", _AGAIN)
    if head.is_volume != is_volume:
        raise StreamError(f"the stream brings a {'volume' if head.is_volume else 'file system'}, which was not announced", _AGAIN)
    if base_guid is not None and head.from_guid != base_guid:
        raise StreamError(f"the stream starts at guid {head.from_guid}, not at {base_guid}", _AGAIN)
    return head


def parse_estimate(text: str) -> int | None:
    """Bytes that `zfs send -nP` expects; None where it does not say."""
    sizes = re.findall(r"^size\t([0-9]{1,20})$", text, re.M)
    return int(sizes[-1]) if sizes else None


class StreamReport(msgspec.Struct, frozen=True):
    """What `zstream dump` found: records in all, and bytes of the stream; `faults` are its words for what is wrong."""

    records: int
    stream_bytes: int
    faults: tuple[str, ...] = ()


_FAULTS = re.compile(
    r"^.*(?:[Ii]ncorrect checksum|checksum differs|INVALID record|Invalid stream|short read|Unexpected|Aborting|fread|nvlist).*$", re.M
)


def parse_stream_dump(text: str) -> StreamReport:
    """`zstream dump` of OpenZFS 2.0 to 2.3, both its outputs together: it ends with status 0 on damaged and on cut streams.

    A stream is whole when nothing is said of checksums and each beginning has its end.
    """
    faults = [line.strip() for line in _FAULTS.findall(text)]
    begun, ended = _total(text, "DRR_BEGIN records"), _total(text, "DRR_END records")
    if begun is None or ended is None:
        if not faults:
            raise PoolOutputError(f"zstream dump printed no summary: {text[-200:]!r}", "Is it of OpenZFS 2.0 or later?")
        return StreamReport(0, 0, tuple(faults))
    if begun != ended or not begun:
        faults.append(f"{begun} beginnings and {ended} ends: the stream is cut")
    return StreamReport(_total(text, "records") or 0, _total(text, "stream length") or 0, tuple(faults))


def _total(text: str, what: str) -> int | None:
    match = re.search(rf"^\s*Total {re.escape(what)} = ([0-9]{{1,20}})\b", text, re.M)
    return int(match[1]) if match else None
