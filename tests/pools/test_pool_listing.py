"""Lists and properties of pools and datasets, as -Hp prints them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import NotFoundError, PoolOutputError
from fonoteca.pools.listing import (
    DatasetRow,
    PoolRow,
    Version,
    choose_dataset_of,
    is_below,
    parse_datasets,
    parse_number,
    parse_pools,
    parse_properties,
    parse_version,
)


def test_pools_are_read_with_what_they_do_not_tell() -> None:
    text = "tank\t17748134104725910786\tONLINE\t439976449802240\t1769472\t439976448032768\t0\t0\nback up\t5\tSUSPENDED\t-\t-\t-\t-\t-\n"
    tank, other = parse_pools(text)
    assert tank == PoolRow("tank", 17748134104725910786, "ONLINE", 439976449802240, 1769472, 439976448032768, 0, 0)
    assert other.name == "back up" and other.size is None


def test_datasets_that_are_not_mounted_have_no_place() -> None:
    text = (
        "tank\tfilesystem\t10\t90\t5\tyes\t/tank\ntank/a b\tfilesystem\t10\t90\t5\tno\t/tank/a b\n"
        "tank/l\tfilesystem\t1\t90\t5\tyes\tlegacy\ntank/v\tvolume\t7\t-\t3\t-\t-\n"
    )
    assert [(one.name, one.mounted_at) for one in parse_datasets(text)] == [
        ("tank", "/tank"), ("tank/a b", None), ("tank/l", None), ("tank/v", None),
    ]  # fmt: skip


def test_folder_lies_in_the_deepest_dataset_that_is_mounted_above_it(tmp_path: Path) -> None:
    def row(name: str, at: Path | str | None) -> DatasetRow:
        return DatasetRow(name, "filesystem", 0, 0, 0, str(at) if at else None)

    deep = tmp_path / "store" / "archive"
    deep.mkdir(parents=True)
    rows = [
        row("rpool", "/"),
        row("tank", tmp_path),
        row("tank/store", tmp_path / "store"),
        row("tank/st", tmp_path / "st"),
        row("x", None),
    ]
    assert choose_dataset_of(rows, deep).name == "tank/store"
    assert choose_dataset_of(rows, tmp_path / "elsewhere").name == "tank"
    (tmp_path / "link").symlink_to(deep)
    assert choose_dataset_of(rows, tmp_path / "link").name == "tank/store"
    with pytest.raises(NotFoundError):
        choose_dataset_of([row("tank", "/nowhere")], deep)
    assert not is_below("/tankard", "/tank") and is_below("/tank", "/tank") and is_below("/x", "/")


def test_older_of_programs_and_module_is_the_version() -> None:
    assert parse_version("zfs-2.3.9-0+deb13u1\nzfs-kmod-2.1.11-1\n") == Version(2, 1, 11)
    assert parse_version("zfs-2.2.0-rc4\n") == Version(2, 2, 0)
    with pytest.raises(PoolOutputError):
        parse_version("zfs fuse\n")


_NAMES = st.from_regex(r"[a-z]{1,8}(:[a-z-]{1,8})?", fullmatch=True)
_VALUES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(_NAMES, _VALUES))
def test_properties_are_read_as_they_were_written(properties: dict[str, str]) -> None:
    text = "".join(f"{name}\t{value}\n" for name, value in properties.items())
    assert parse_properties(text, "zfs get") == properties


def test_value_of_a_property_may_hold_line_ends() -> None:
    assert parse_properties("a:b\tone\ntwo\nc\t-\n", "zfs get") == {"a:b": "one\ntwo", "c": "-"}


@pytest.mark.parametrize(("cell", "number"), [("10", 10), ("1.00x", 1), ("7%", 7), ("-", None), ("none", None)])
def test_numbers_come_in_several_forms(cell: str, number: int | None) -> None:
    assert parse_number(cell, "zpool get") == number


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_pools, parse_datasets, parse_version, lambda words: parse_properties(words, "zfs get")):
        try:
            parse(text)  # type: ignore[operator]
        except PoolOutputError:
            continue
