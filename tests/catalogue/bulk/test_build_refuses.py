"""Tables that are not of one piece are refused with the table, the row and the fact; nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.ground.errors import DatabaseError, FonotecaError, FormatError

ID = "abcdefghij{:012}".format
ALIKE = {"track": [1, 2], "id": [ID(1), ID(2)], "title": ["one", "two"], "state": [0, 1]}
Columns = dict[str, list[Any]]


def stage(folder: Path, **tables: Columns) -> Path:
    folder.mkdir()
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def refusal(tmp_path: Path, **tables: Columns) -> str:
    with pytest.raises(FonotecaError) as caught:
        build_edition(stage(tmp_path / "tables", **tables), tmp_path / "edition", title="t", date="2026-01-01", jobs=1)
    assert isinstance(caught.value, FormatError | DatabaseError)
    assert {path.name for path in tmp_path.iterdir()} == {"tables"}
    return str(caught.value)


def test_a_reference_to_nothing_names_table_row_and_number(tmp_path: Path) -> None:
    assert "tracks.parquet: artist, row 2: there is no row 9" in refusal(
        tmp_path, artists={"artist": [4], "id": [ID(7)], "name": ["a"]}, tracks=ALIKE | {"artist": [4, 9]}
    )


def test_an_album_that_is_not_there(tmp_path: Path) -> None:
    assert "tracks.parquet: album, row 1: there is no row 5" in refusal(tmp_path, tracks=ALIKE | {"album": [5, None]})


def test_a_link_of_a_track_that_is_not_there(tmp_path: Path) -> None:
    links = {"track": [1, 3], "position": [1, 1], "isrc_number": [5, 6]}
    assert "further_isrcs.parquet: track, row 2: there is no row 3" in refusal(tmp_path, tracks=ALIKE, further_isrcs=links)


@pytest.mark.parametrize("popularity", [[5.0, 5.0], [1.5, 70.0]])
def test_an_id_that_is_there_twice(tmp_path: Path, popularity: list[float]) -> None:
    assert f"has the id {ID(1)} twice" in refusal(tmp_path, tracks=ALIKE | {"id": [ID(1), ID(1)], "popularity": popularity})


def test_an_artist_that_is_there_twice(tmp_path: Path) -> None:
    assert f"has the id {ID(1)} twice" in refusal(tmp_path, artists={"artist": [1, 2], "id": [ID(1), ID(1)], "name": ["a", "b"]})


def test_a_label_that_is_there_twice(tmp_path: Path) -> None:
    assert "labels.parquet has one twice" in refusal(tmp_path, labels={"label": [1, 2], "name": ["one", "one"]})


@pytest.mark.parametrize("bad", ["short", ID(1)[:-1] + "é", ID(1)[:-1] + "-", ID(1) + "x", ""])
def test_what_is_no_id(tmp_path: Path, bad: str) -> None:
    assert "tracks.parquet, row 2: the id" in refusal(tmp_path, tracks=ALIKE | {"id": [ID(1), bad]})


def test_numbers_that_do_not_ascend(tmp_path: Path) -> None:
    assert "its row numbers do not ascend near row 2" in refusal(tmp_path, tracks=ALIKE | {"track": [2, 2]})


def test_a_value_that_must_be_there(tmp_path: Path) -> None:
    assert "tracks.parquet, row 2: state is missing" in refusal(tmp_path, tracks=ALIKE | {"state": [0, None]})


def test_a_column_that_must_be_there(tmp_path: Path) -> None:
    assert "has no column state" in refusal(tmp_path, tracks={name: ALIKE[name] for name in ("track", "id")})


def test_a_column_that_the_schema_has_not(tmp_path: Path) -> None:
    assert "has a column colour" in refusal(tmp_path, tracks=ALIKE | {"colour": ["red", "blue"]})


def test_a_column_of_another_type(tmp_path: Path) -> None:
    assert "column title is int64" in refusal(tmp_path, tracks=ALIKE | {"title": [1, 2]})


def test_a_hash_of_another_length(tmp_path: Path) -> None:
    files = {"track": [1], "position": [0], "container": [1], "kind": [1], "size": [5], "sha256": [b"short"]}
    kinds = {"kind": [1], "format": ["f"], "tier": ["t"], "is_derived": [0], "is_original_restorable": [1]}
    containers = {"container": [1], "name": ["n"], "collection": ["c"], "is_public": [1]}
    assert "not 32 bytes" in refusal(tmp_path, tracks=ALIKE, files=files, file_kinds=kinds, containers=containers)


def test_two_rows_with_one_key(tmp_path: Path) -> None:
    twice = {"track": [1, 1], "position": [1, 1], "isrc_number": [5, 6]}
    assert "further_isrcs" in refusal(tmp_path, tracks=ALIKE, further_isrcs=twice)


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "tracks.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(FormatError, match=r"tracks\.parquet cannot be read"):
        build_edition(tmp_path / "tables", tmp_path / "edition", title="t", date="2026-01-01")


def test_a_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no table"):
        build_edition(tmp_path, tmp_path / "edition", title="t", date="2026-01-01")


def test_ids_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    many = {"track": [1, 2, 3], "id": [ID(3), ID(1), ID(2)], "title": ["c", "a", "b"], "state": [0, 0, 0]}
    build_edition(stage(tmp_path / "tables", tracks=many), tmp_path / "edition", title="t", date="2026-01-01", jobs=1)
    import apsw

    found = apsw.Connection(str(tmp_path / "edition")).execute("SELECT track, title FROM tracks ORDER BY track").fetchall()
    assert found == [(1, "a"), (2, "b"), (3, "c")]
