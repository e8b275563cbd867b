import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.containers import check_name, data_folder_name, format_timestamp, metadata_file_name, parse_container_name
from fonoteca.ground.errors import ContainerFormatError

FIRST, LAST = "20230808T014342Z", "20230809T000000Z"
words = st.from_regex(r"\A[A-Za-z0-9]{1,10}(_[A-Za-z0-9]{1,10}){0,2}\Z")
seconds = st.integers(0, 4_000_000_000)


@given(words.filter(lambda word: "_meta" not in word and "_data" not in word), words, seconds, seconds)
def test_names_read_back_as_they_were_written(institution: str, collection: str, one: int, other: int) -> None:
    first, last = format_timestamp(min(one, other)), format_timestamp(max(one, other))
    for kind, name in (
        ("metadata", metadata_file_name(institution, collection, first, last)),
        ("data", data_folder_name(institution, collection, first, last)),
    ):
        parsed = parse_container_name(name)
        assert (parsed.kind, parsed.institution, parsed.collection, parsed.first, parsed.last) == (
            kind,
            institution,
            collection,
            first,
            last,
        )
        assert parsed.has_times


@pytest.mark.parametrize("suffix", [".jsonl.seekable.zst", ".jsonl.zst", ".jsonl.zstd", ".jsonl"])
def test_all_suffixes_of_metadata_files_are_read(suffix: str) -> None:
    parsed = parse_container_name(f"some_archive_meta__aacid__c_records__{FIRST}--{LAST}{suffix}")
    assert (parsed.institution, parsed.collection, parsed.suffix) == ("some_archive", "c_records", suffix)


def test_a_range_that_ends_in_a_shortuuid_is_a_finding() -> None:
    parsed = parse_container_name(f"x_data__aacid__c_files__{FIRST}--{LAST}__URsJNGy5CjokTsNT6hUmmj")
    assert [finding.code for finding in parsed.findings] == ["aac-range"] and not parsed.has_times


@pytest.mark.parametrize(
    "name",
    [
        "",
        "music.jsonl",
        f"x_meta__aacid__c__{FIRST}--{LAST}",
        f"x_data__aacid__c__{FIRST}--{LAST}.jsonl",
        f"x_meta__aacid__c__{FIRST}.jsonl",
        f"../x_data__aacid__c__{FIRST}--{LAST}",
        f"x_data__aacid__c__{FIRST}--{'y' * 300}",
        f"x_data__aacid__c__{FIRST}--../{LAST}",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ContainerFormatError):
        parse_container_name(name)


def test_names_that_nobody_could_read_are_not_made() -> None:
    for institution, collection, first, last in [
        ("a__b", "c", FIRST, LAST),
        ("a", "c d", FIRST, LAST),
        ("a", "c", LAST, FIRST),
        ("a", "c", "today", LAST),
        ("a" * 190, "c", FIRST, LAST),
    ]:
        with pytest.raises(ContainerFormatError):
            metadata_file_name(institution, collection, first, last)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "..",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a\0b",
        "a\nb",
        "a\\b",
        "con",
        "a/NUL.txt",
        "LPT1",
        "x" * 256,
        "é" * 128,
        "\udc80",
    ],
)
def test_path_tricks_in_names_are_refused(name: str) -> None:
    with pytest.raises(ContainerFormatError):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "a/b", "…/é,\"'", "console", "x" * 255, ".hidden", "a..b"])
def test_harmless_names_are_taken(name: str) -> None:
    assert check_name(name) == name
