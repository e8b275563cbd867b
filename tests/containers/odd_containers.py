"""Metadata files as they were seen in the wild, each with the finding that it must raise and the records that must be read."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from fonoteca.containers import SeekableWriter
from fonoteca.containers.frames import zstd

SHORT = "URsJNGy5CjokTsNT6hUm"
NAME = "someone_meta__aacid__c_records__20230801T000000Z--20230831T235959Z.jsonl.seekable.zst"


def make_line(
    number: int, *, middle: str | None = None, collection: str = "c_records", time: str = "20230808T014342Z", more: str = ""
) -> bytes:
    """A record line like those of other writers."""
    middle = f"{number:04}__" if middle is None else middle
    return f'{{"aacid":"aacid__{collection}__{time}__{middle}{SHORT}{number:02}","metadata":{{"id":{number}{more}}}}}\n'.encode()


def pack(content: bytes, frame_bytes: int = 200) -> bytes:
    """`content` as seekable Zstandard."""
    sink = io.BytesIO()
    writer = SeekableWriter(sink, frame_bytes=frame_bytes)
    writer.write(content)
    writer.close()
    return sink.getvalue()


LINES = [make_line(number) for number in range(10, 30)]
GOOD = b"".join(LINES)


def _table(file: bytes) -> int:
    count = struct.unpack_from("<I", file, len(file) - 9)[0]
    return len(file) - 9 - 8 * count - 8


def _lie_about_content(file: bytes) -> bytes:
    at = _table(file) + 12
    return file[:at] + struct.pack("<I", 9) + file[at + 4 :]


def _lie_about_starts(file: bytes) -> bytes:
    at = _table(file) + 8
    one, unpacked, two = struct.unpack_from("<III", file, at)
    return file[:at] + struct.pack("<III", one - 1, unpacked, two + 1) + file[at + 12 :]


def with_checksum_entries(file: bytes) -> bytes:
    """The same file with 12-byte entries: descriptor bit 7."""
    start = _table(file)
    pairs = list(struct.iter_unpack("<II", file[start + 8 : -9]))
    body = b"".join(struct.pack("<III", *pair, 0) for pair in pairs) + struct.pack("<IBI", len(pairs), 0x80, 0x8F92EAB1)
    return file[:start] + struct.pack("<II", 0x184D2A5E, len(body)) + body


def _flip(file: bytes, at: int) -> bytes:
    return file[:at] + bytes([file[at] ^ 0x10]) + file[at + 1 :]


DEEP = b'{"aacid":"aacid__c_records__20230808T014342Z__0099__' + SHORT.encode() + b'99","metadata":{"id":1,"x":'
DEEP += b"[" * 10_000 + b"]" * 10_000 + b"}}\n"

# what it is → (bytes, the code or None, how many of the 20 good records must be read)
ODD_FILES: dict[str, tuple[Callable[[], bytes], str | None, int]] = {
    "good": (lambda: pack(GOOD), None, 20),
    "plain-lines": (lambda: GOOD, None, 20),
    "checksums-in-table": (lambda: with_checksum_entries(pack(GOOD)), None, 20),
    "missing-table": (lambda: pack(GOOD)[: _table(pack(GOOD))], "aac-seek-table", 20),
    "one-frame": (lambda: zstd.compress(GOOD), "aac-seek-table", 20),
    "cut-table": (lambda: pack(GOOD)[:-5], "aac-seek-table", 20),
    "table-lies-about-content": (lambda: _lie_about_content(pack(GOOD)), "aac-seek-table", 20),
    "table-lies-about-starts": (lambda: _lie_about_starts(pack(GOOD)), "aac-seek-table", 20),
    "table-claims-too-many-frames": (lambda: pack(GOOD)[:-9] + struct.pack("<IBI", 2**32 - 1, 0, 0x8F92EAB1), "aac-seek-table", 20),
    "flipped-bit": (lambda: _flip(pack(GOOD, 20 * len(LINES[0])), 60), "aac-frame", 0),
    "flipped-bit-in-one-frame": (lambda: _flip(pack(GOOD, 2 * len(LINES[0])), 60), "aac-frame", 17),
    "cut-frame": (lambda: pack(GOOD, 5 * len(LINES[0]))[: _table(pack(GOOD, 5 * len(LINES[0]))) - 3], "aac-frame", 15),
    "unsorted": (lambda: pack(b"".join(LINES[10:] + LINES[:10])), "aac-order", 20),
    "outside-range": (lambda: pack(make_line(1, time="20220101T000000Z") + GOOD), "aac-range", 21),
    "repeated": (lambda: pack(b"".join(LINES[:5] + LINES)), "aac-repeated", 20),
    "two-contents": (lambda: pack(GOOD + make_line(29, more=',"x":1')), "aac-line", 20),
    "collections": (lambda: pack(GOOD + make_line(30, collection="d_records")), "aac-collections", 21),
    "bad-json": (lambda: pack(GOOD + b'{"aacid":\n' + make_line(30)), "aac-line", 21),
    "no-object": (lambda: pack(GOOD + b"[1]\n"), "aac-line", 20),
    "no-aacid": (lambda: pack(GOOD + b'{"aacid":"x","metadata":{}}\n'), "aac-line", 20),
    "path-in-aacid": (lambda: pack(GOOD + make_line(30, middle="../../etc__")), "aac-line", 20),
    "absolute-data-folder": (lambda: pack(GOOD + make_line(30).replace(b',"m', b',"data_folder":"/etc","m')), "aac-line", 20),
    "bad-utf8": (lambda: pack(GOOD + make_line(30, more=',"t":"X"').replace(b"X", b"\xff\xfe")), "aac-line", 20),
    "lone-surrogate-in-aacid": (lambda: pack(GOOD + make_line(30, middle="\\ud800__")), "aac-line", 20),
    "repeated-key": (lambda: pack(GOOD + make_line(30, more=',"x":1,"x":2')), "aac-line", 20),
    "deep": (lambda: pack(GOOD + DEEP), "aac-line", 20),
    "half-last-line": (lambda: pack(GOOD + make_line(30)[:-20]), "aac-line", 20),
    "no-final-newline": (lambda: pack(GOOD[:-1]), "aac-text", 20),
    "crlf": (lambda: pack(GOOD.replace(b"\n", b"\r\n")), "aac-text", 20),
    "bom": (lambda: pack(b"\xef\xbb\xbf" + GOOD), "aac-text", 20),
    "bom-plain": (lambda: b"\xef\xbb\xbf" + GOOD, "aac-text", 20),
    "blank-line": (lambda: pack(b"\n" + GOOD), "aac-text", 20),
    "four-parts": (lambda: pack(make_line(1, middle="", time="20230801T000000Z") + GOOD), None, 21),
    "empty-id": (lambda: pack(make_line(1, middle="__", time="20230801T000000Z") + GOOD), "aac-name", 21),
    "separator-in-id": (lambda: pack(GOOD + make_line(30, middle="9__9__")), "aac-name", 21),
    "comma-and-quote-in-id": (lambda: pack(GOOD + make_line(30, middle='9,\\"9__')), None, 21),
    "long-aacid": (lambda: pack(GOOD + make_line(30, middle="9" * 120 + "__")), "aac-name", 21),
    "upper-case-md5": (lambda: pack(GOOD + make_line(30, more=',"md5":"D41D8CD98F00B204E9800998ECF8427E"')), None, 21),
    "line-of-110-kB": (lambda: pack(GOOD + make_line(30, more=f',"t":"{"x" * 110_000}"')), None, 21),
    "metadata-is-no-object": (lambda: pack(GOOD + make_line(30).replace(b'{"id":30}', b"null")), None, 21),
    "empty": (lambda: b"", None, 0),
    "no-frames": (lambda: pack(b""), None, 0),
}
