"""Reading metadata files from other hands: every record that can be had, and what was odd about the rest."""

from __future__ import annotations

from collections.abc import Iterator

from fonoteca.containers.aacid import find_odd_form, parse_aacid
from fonoteca.containers.names import ContainerName, parse_container_name
from fonoteca.containers.records import Record, decode_record
from fonoteca.containers.seekable import SeekableReader
from fonoteca.containers.stores import RangedFile
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import Finding

MAXIMUM_LINE_BYTES = 64 << 20
REMEMBERED_LINES = 1 << 16
"""Repeated lines are found where they stand at most this many lines apart."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line:
    """One line without its newline; `is_cut` where no newline follows, `excess` bytes where it was too long to keep."""

    __slots__ = ("content", "excess", "is_cut", "number")

    def __init__(self, number: int, content: bytes, is_cut: bool = False, excess: int = 0) -> None:
        self.number = number
        self.content = content
        self.is_cut = is_cut
        self.excess = excess


def read_lines(file: RangedFile, name: str, maximum_bytes: int = MAXIMUM_LINE_BYTES) -> Iterator[Line | Finding]:
    """Lines of a metadata file in any of its forms, numbered from 1; findings of damaged frames between them.

    After a gap the rest of the broken line is left out. Line numbers do not count what is lost in a gap.
    """
    carry: list[bytes] = []
    length, number, is_after_gap = 0, 1, False
    for chunk in SeekableReader(file, name).chunks():
        if isinstance(chunk, Finding):
            yield chunk
            if chunk.code == "aac-frame":
                carry, length, is_after_gap = [], 0, True
            continue
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            carry.append(part)
            length += len(part)
            if not is_after_gap:
                yield Line(number, b"".join(carry), excess=length if length > maximum_bytes else 0)
            carry, length, is_after_gap, number = [], 0, False, number + 1
        length += len(rest)
        if rest and length <= maximum_bytes:
            carry.append(rest)
        elif rest:
            carry = []
    if length and not is_after_gap:
        yield Line(number, b"".join(carry), is_cut=True, excess=length if length > maximum_bytes else 0)


def read_records(file: RangedFile, name: str, maximum_line_bytes: int = MAXIMUM_LINE_BYTES) -> Iterator[Record | Finding]:
    """Records of a metadata file in their order, with findings where something is wrong or odd; never raises for what the file holds.

    `name` is the file's own name, from which its range is known. A line that is no record is set aside by a finding of its own;
    oddities that may stand on every line are told once at the end, with their count. A repeated line is read once.
    """
    watch = _Watch(name)
    for line in read_lines(file, name, maximum_line_bytes):
        if isinstance(line, Finding):
            yield line
            continue
        try:
            record = _read_line(watch, line)
        except ContainerFormatError as error:
            end = " and no newline ends it" if line.is_cut else ""
            yield Finding("aac-line", name, f"line {line.number}: {error.message}{end}")
            continue
        if record:
            yield record
    yield from watch.findings()


def _read_line(watch: _Watch, line: Line) -> Record | None:
    if line.excess:
        raise ContainerFormatError(f"it has {line.excess:,} bytes, more than are read")
    content = watch.strip_text(line)
    if not content:
        return None
    record = decode_record(content, line.number)
    return record if watch.is_new(record, content) else None


class _Watch:
    """What is odd so far: per code and kind the count, the first line and the fact."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._odd: dict[tuple[str, str], list[int]] = {}
        self._range: ContainerName | None = None
        self._last = ""
        self._collections: list[str] = []
        self._seen: dict[int, int] = {}
        self._early: list[Finding] = []
        self._read_name()

    def _read_name(self) -> None:
        try:
            parsed = parse_container_name(self._name.rpartition("/")[2])
            self._early.extend(parsed.findings)
            self._collections.append(parsed.collection)
            self._range = parsed if parsed.has_times else None
        except ContainerFormatError:
            self._early.append(Finding("aac-range", self._name, "the file's name tells no range"))

    def _note(self, code: str, fact: str, number: int) -> None:
        self._odd.setdefault((code, fact), [0, number])[0] += 1

    def strip_text(self, line: Line) -> bytes:
        """The line without byte order mark and carriage return."""
        content = line.content
        if line.number == 1 and content.startswith(_BYTE_ORDER_MARK):
            self._note("aac-text", "a byte order mark", line.number)
            content = content[3:]
        if content.endswith(b"\r"):
            self._note("aac-text", "a carriage return before the newline", line.number)
            content = content.rstrip(b"\r")
        if line.is_cut:
            self._note("aac-text", "no newline at the end", line.number)
        if not content.strip():
            self._note("aac-text", "a blank line", line.number)
            return b""
        return content

    def is_new(self, record: Record, content: bytes) -> bool:
        """Take note of a record; False where the same line was read before, ContainerFormatError where it contradicts that line."""
        key, value = hash(record.aacid), hash(content)
        known = self._seen.get(key)
        if known == value:
            self._note("aac-repeated", "a line that was read before", record.line_number)
            return False
        if known is not None:
            raise ContainerFormatError(f"{record.aacid[:160]} was read before with other content")
        self._seen[key] = value
        if len(self._seen) > REMEMBERED_LINES:
            del self._seen[next(iter(self._seen))]
        self._look_at_name(record)
        return True

    def _look_at_name(self, record: Record) -> None:
        aacid, number = parse_aacid(record.aacid), record.line_number
        odd = find_odd_form(aacid)
        if odd:
            self._note("aac-name", odd, number)
        if record.aacid < self._last:
            self._note("aac-order", "an AACID before that of an earlier line", number)
        self._last = max(self._last, record.aacid)
        if self._range and not self._range.first <= aacid.timestamp <= self._range.last:
            self._note("aac-range", "a record outside the range in the file's name", number)
        if aacid.collection not in self._collections and len(self._collections) < 100:
            self._collections.append(aacid.collection)

    def findings(self) -> Iterator[Finding]:
        """What was odd, each kind once."""
        yield from self._early
        for (code, fact), (count, first) in self._odd.items():
            more = f" and {count - 1:,} lines more" if count > 1 else ""
            yield Finding(code, self._name, f"line {first}{more}: {fact}")
        if len(self._collections) > 1:
            yield Finding("aac-collections", self._name, "collections in one file: " + ", ".join(self._collections))
