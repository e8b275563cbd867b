import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.containers import MemoryFile, Record, decode_record, encode_record, make_aacid, read_records
from fonoteca.ground.errors import ContainerFormatError

AACID = make_aacid("c_files", 1_700_000_000, "x", "x")
FOLDER = "someone_data__aacid__c_files__20231114T221320Z--20231114T221320Z"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
metadata = st.dictionaries(st.text(max_size=8).filter(lambda key: key not in ("id", "md5")), values, max_size=4)


@given(values, st.none() | st.text(max_size=32), metadata, st.none() | st.just(FOLDER))
def test_every_record_reads_back_as_it_was_written(id: object, md5: str | None, rest: dict[str, object], folder: str | None) -> None:
    written = {"id": id if not isinstance(id, list | dict) else "x"} | ({"md5": md5} if md5 is not None else {}) | rest
    line = encode_record(AACID, written, folder)
    assert line.startswith(b"{") and line.endswith(b"}\n") and line.count(b"\n") == 1
    record = decode_record(line[:-1])
    assert (record.aacid, record.data_folder, msgspec.json.decode(record.metadata)) == (AACID, folder, written)


def test_keys_stand_in_the_order_that_importers_look_for() -> None:
    line = encode_record(AACID, {"id": "7", "md5": "d41d8cd98f00b204e9800998ecf8427e", "t": "a b"}, FOLDER)
    pattern = rb'\{"aacid":"[^"]+","data_folder":"[^"]+","metadata":\{"id":"7","md5":"[0-9a-f]{32}","t":"a b"\}\}\n'
    assert re.fullmatch(pattern, line)
    assert b"data_folder" not in encode_record(AACID, {"id": 7})


def test_raw_metadata_is_written_without_spaces() -> None:
    assert encode_record(AACID, msgspec.Raw(b'{ "id" : 1,\n "a": [1, 2] }')).endswith(b'"metadata":{"id":1,"a":[1,2]}}\n')


@pytest.mark.parametrize("bad", [{}, {"x": 1}, {"x": 1, "id": 2}, {"id": 1, "x": 2, "md5": "3"}, {"id": object()}])
def test_metadata_that_importers_would_not_find_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ContainerFormatError):
        encode_record(AACID, bad)


@pytest.mark.parametrize("raw", [b'{"id":', b"", b"\xff", b"null", b"[" * 5000])
def test_raw_metadata_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ContainerFormatError):
        encode_record(AACID, msgspec.Raw(raw))


@pytest.mark.parametrize("folder", ["../x", "/x", "a\0", "x" * 300])
def test_data_folders_with_path_tricks_are_refused(folder: str) -> None:
    with pytest.raises(ContainerFormatError):
        encode_record(AACID, {"id": 1}, folder)
    line = msgspec.json.encode({"aacid": AACID, "data_folder": folder, "metadata": {"id": 1}})
    with pytest.raises(ContainerFormatError):
        decode_record(line)


def test_numbers_and_escapes_of_other_writers_are_read() -> None:
    for value in (b"1e2", b"1.50", b'"\\u0041"', b"1E400", b"123456789012345678901234567890", b'"\\/"', b"[ 1 ]"):
        record = decode_record(b'{"aacid":"%s","metadata":{"id":%s}}' % (AACID.encode(), value))
        assert bytes(record.metadata) == b'{"id":%s}' % value


def test_a_line_above_the_check_limit_is_read_and_its_text_still_checked() -> None:
    head = b'{"aacid":"%s","metadata":{"id":1,"t":"' % AACID.encode()
    assert decode_record(head + b"x" * (5 << 20) + b'"}}').aacid == AACID
    with pytest.raises(ContainerFormatError):
        decode_record(head + b"\xff" * (5 << 20) + b'"}}')


def test_lines_read_as_a_file_are_the_records_written() -> None:
    content = b"".join(encode_record(make_aacid("c_files", 1_700_000_000, f"{n:03}", ""), {"id": n}) for n in range(50))
    records = [item for item in read_records(MemoryFile(content), "x.jsonl") if isinstance(item, Record)]
    assert [msgspec.json.decode(record.metadata)["id"] for record in records] == list(range(50))
