import msgspec
import pytest
from odd_containers import GOOD, LINES, NAME, ODD_FILES, make_line, pack

from fonoteca.containers import MemoryFile, Record, read_records
from fonoteca.ground.findings import FINDING_KINDS, Finding


def read_all(content: bytes, name: str = NAME, **options: int) -> tuple[list[Record], list[Finding]]:
    items = list(read_records(MemoryFile(content), name, **options))
    return [item for item in items if isinstance(item, Record)], [item for item in items if isinstance(item, Finding)]


@pytest.mark.parametrize("oddity", ODD_FILES)
def test_every_oddity_is_told_by_its_code_and_the_rest_is_read(oddity: str) -> None:
    build, code, count = ODD_FILES[oddity]
    records, findings = read_all(build())
    assert len(records) == count
    assert (code in {finding.code for finding in findings}) if code else not findings
    assert all(finding.code in FINDING_KINDS and finding.path == NAME for finding in findings)


def test_a_note_does_not_come_with_damage() -> None:
    for oddity in (
        "unsorted",
        "crlf",
        "bom",
        "missing-table",
        "cut-table",
        "table-lies-about-content",
        "table-lies-about-starts",
        "empty-id",
    ):
        _, findings = read_all(ODD_FILES[oddity][0]())
        assert {finding.kind.weight for finding in findings} == {"note"}, oddity


def test_records_come_in_the_order_of_lines_with_their_numbers() -> None:
    records, _ = read_all(pack(GOOD))
    assert [record.line_number for record in records] == list(range(1, 21))
    assert [msgspec.json.decode(record.metadata) for record in records] == [{"id": number} for number in range(10, 30)]


def test_no_record_is_glued_together_across_a_damaged_frame() -> None:
    build, _, _ = ODD_FILES["flipped-bit-in-one-frame"]
    records, _ = read_all(build())
    assert {bytes(record.metadata) for record in records} <= {b'{"id":%d}' % number for number in range(10, 30)}


def test_a_line_over_the_cap_is_set_aside_and_not_held() -> None:
    content = pack(LINES[0] + make_line(11, more=f',"t":"{"x" * 5000}"') + b"".join(LINES[2:]), 1000)
    records, findings = read_all(content, maximum_line_bytes=2000)
    assert len(records) == 19 and [finding.code for finding in findings] == ["aac-line"]


def test_a_file_whose_name_tells_no_range_is_read_and_said_so() -> None:
    records, findings = read_all(pack(GOOD), "records.jsonl.zst")
    assert len(records) == 20 and [finding.code for finding in findings] == ["aac-range"]


def test_repeated_notes_are_told_once_with_their_count() -> None:
    _, findings = read_all(ODD_FILES["crlf"][0]())
    assert [finding.fact for finding in findings] == ["line 1 and 19 lines more: a carriage return before the newline"]
