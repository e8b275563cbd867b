import hashlib

import pytest
import shortuuid
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.containers import Aacid, format_timestamp, make_aacid, parse_aacid, parse_timestamp
from fonoteca.containers.aacid import find_odd_form
from fonoteca.ground.errors import ContainerFormatError

SHORT = "URsJNGy5CjokTsNT6hUmmj"
SECOND = 1_700_000_000

collections = st.from_regex(r"\A[A-Za-z0-9]{1,12}(_[A-Za-z0-9]{1,12}){0,2}\Z")
ids = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="/\\"), max_size=40)
seconds = st.integers(0, 253_402_300_799)


@given(collections, seconds, ids, st.booleans())
def test_every_aacid_reads_back_as_it_was_written(collection: str, second: int, id: str, empty: bool) -> None:
    aacid = Aacid(collection, format_timestamp(second), id, SHORT, has_empty_id=empty and not id)
    assert parse_aacid(str(aacid)) == aacid


@given(collections, seconds, ids.filter(lambda id: "__" not in id), st.binary())
def test_made_aacids_keep_their_parts_and_the_limit(collection: str, second: int, id: str, content: bytes) -> None:
    parsed = parse_aacid(text := make_aacid(collection, second, id, content))
    assert (parsed.collection, parse_timestamp(parsed.timestamp)) == (collection, second)
    assert id.startswith(parsed.id) and len(text.encode()) <= 150
    if len(id.encode()) < 50:
        assert parsed.id == id
    assert make_aacid(collection, second, id, content) == text


def test_the_shortuuid_is_one_that_the_library_reads() -> None:
    short = parse_aacid(make_aacid("music_files", SECOND, "t1", "content")).shortuuid
    assert shortuuid.encode(shortuuid.decode(short)) == short


def test_the_shortuuid_is_what_the_format_page_says() -> None:
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number = int.from_bytes(hashlib.sha256(b"music_files\0content").digest()[:16], "big")
    letters = [alphabet[number // 57**place % 57] for place in reversed(range(22))]
    assert make_aacid("music_files", SECOND, "t1", "content").endswith("__" + "".join(letters))


def test_the_shortuuid_depends_on_collection_and_content() -> None:
    made = {
        parse_aacid(make_aacid(collection, SECOND, "x", content)).shortuuid for collection in ("a", "b") for content in ("1", "2", b"\xff")
    }
    assert len(made) == 6


def test_an_id_is_cut_between_characters() -> None:
    text = make_aacid("music_files", SECOND, "é" * 80, "")
    assert set(parse_aacid(text).id) == {"é"} and 148 <= len(text.encode()) <= 150


@pytest.mark.parametrize("id", ["../x", "a/b", "a\0b", "a\nb", "a\\b", "a__b", "\ud800", "\u2028"])
def test_ids_with_path_tricks_are_refused(id: str) -> None:
    with pytest.raises(ContainerFormatError):
        make_aacid("music_files", SECOND, id, "")


@pytest.mark.parametrize("collection", ["", "a__b", "_a", "a_", "a-b", "a/b", "é", "x" * 140])
def test_collections_that_break_the_convention_are_refused(collection: str) -> None:
    with pytest.raises(ContainerFormatError):
        make_aacid(collection, SECOND, "", "")


@pytest.mark.parametrize(
    ("middle", "id"),
    [("", ""), ("__", ""), ("42__", "42"), ("a__b__", "a__b"), ('x,"y"__', 'x,"y"'), ("_x___", "_x_"), ("____", "__")],
)
def test_four_and_five_parts_and_odd_ids_are_read(middle: str, id: str) -> None:
    text = f"aacid__c_files__20230808T014342Z__{middle}{SHORT}"
    parsed = parse_aacid(text)
    assert (parsed.collection, parsed.id, parsed.shortuuid, str(parsed)) == ("c_files", id, SHORT, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aacid__c__20230808T014342Z",
        f"aacid__c__20230230T014342Z__{SHORT}",
        f"aacid__c__20230808__{SHORT}",
        "aacid__c__20230808T014342Z__1__short",
        f"aacid__c__20230808T014342Z__../../x__{SHORT}",
        f"aacid__c__20230808T014342Z__\0__{SHORT}",
        f"AACID__c__20230808T014342Z__{SHORT}",
        f"aacid____20230808T014342Z__{SHORT}",
        f"aacid__c__20230808T014342Z__{SHORT}\n",
        "aacid__" * 10_000,
    ],
)
def test_what_is_no_aacid_is_refused(text: str) -> None:
    with pytest.raises(ContainerFormatError):
        parse_aacid(text)


def test_odd_forms_are_named() -> None:
    head = "aacid__c__20230808T014342Z__"
    assert find_odd_form(parse_aacid(f"{head}1__{SHORT}")) is None
    assert find_odd_form(parse_aacid(f"{head}{SHORT}")) is None
    assert "empty" in str(find_odd_form(parse_aacid(f"{head}__{SHORT}")))
    assert "__" in str(find_odd_form(parse_aacid(f"{head}a__b__{SHORT}")))
    assert "150" in str(find_odd_form(parse_aacid(f"{head}{'x' * 150}__{SHORT}")))


@pytest.mark.parametrize("second", [-(10**20), 10**20, 253_402_300_800])
def test_seconds_without_a_date_are_refused(second: int) -> None:
    with pytest.raises(ContainerFormatError):
        format_timestamp(second)
