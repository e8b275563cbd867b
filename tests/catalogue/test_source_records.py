"""sources.sqlite3: every line is given back as it came, however it is asked for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import apsw
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from records_made import number_id

from fonoteca.catalogue.source_records import APPLICATION_ID, MIGRATIONS, RECORDS_A_GROUP, SourceRecord, SourceRecords
from fonoteca.ground.errors import DatabaseError


def line(number: int) -> bytes:
    return json.dumps({"title": f"Song {number}", "artists": [f"Artist {number // 9}"], "extra": {"markets": number % 200}}).encode()


LINES = [line(number) for number in range(1_000)]
RECORDS = [([number_id(number)], content) for number, content in enumerate(LINES)]


@pytest.fixture
def sources(tmp_path: Path) -> SourceRecords:
    opened = SourceRecords(tmp_path / "sources.sqlite3")
    opened.prepare("somebody", LINES)
    assert opened.put("somebody", RECORDS) == len(RECORDS)
    return opened


def test_a_line_is_given_back_as_it_came(sources: SourceRecords) -> None:
    for number in (0, RECORDS_A_GROUP - 1, RECORDS_A_GROUP, 999):
        assert sources.records_of(number_id(number)) == [SourceRecord("somebody", line(number))]
    assert list(sources.lines_of("somebody")) == LINES
    assert sources.records_of(number_id(1_000)) == []


def test_the_same_lines_again_are_not_kept_again(sources: SourceRecords) -> None:
    assert sources.put("somebody", RECORDS) == 0
    assert sources.put("somebody", [([number_id(0)], b'{"title":"other"}')]) == 1
    assert [record.content for record in sources.records_of(number_id(0))] == [line(0), b'{"title":"other"}']


def test_what_two_sources_say_stands_side_by_side(sources: SourceRecords) -> None:
    assert sources.put("another", RECORDS[:1]) == 1
    assert [record.source for record in sources.records_of(number_id(0))] == ["somebody", "another"]


def test_one_line_may_speak_of_several_things(sources: SourceRecords) -> None:
    sources.put("release", [((number_id(1), "album", number_id(2)), b"{}")])
    assert all(sources.records_of(id)[-1].content == b"{}" for id in (number_id(1), "album", number_id(2)))


def test_a_trained_dictionary_makes_small_groups_smaller(sources: SourceRecords, tmp_path: Path) -> None:
    with SourceRecords(tmp_path / "plain.sqlite3") as plain:
        plain.put("somebody", RECORDS)
        sizes = [database._sql.value("SELECT sum(length(content)) FROM record_groups") for database in (sources, plain)]
    assert sizes[0] < sizes[1] < sum(map(len, LINES)) / 2


def test_a_name_that_is_forgotten_is_in_no_group(sources: SourceRecords) -> None:
    sources.put("another", [([number_id(5), number_id(6)], b'{"title":"both"}')])
    assert sources.forget(number_id(5)) == 2
    assert sources.records_of(number_id(5)) == []
    assert sources.records_of(number_id(6)) == [SourceRecord("somebody", line(6))]
    assert line(5) not in list(sources.lines_of("somebody")) and line(4) in list(sources.lines_of("somebody"))


def test_a_damaged_group_is_told(sources: SourceRecords) -> None:
    sources._sql.run("UPDATE record_groups SET content = substr(content, 1, 20)")
    with pytest.raises(DatabaseError, match="is damaged"):
        sources.records_of(number_id(3))


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=4), max_size=150))
def test_any_objects_come_back(tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, str]]) -> None:
    path = tmp_path_factory.mktemp("any") / "sources.sqlite3"
    lines = [json.dumps(one).encode() for one in objects]
    with SourceRecords(path) as sources:
        sources.prepare("x", lines)
        sources.put("x", [([number_id(number)], content) for number, content in enumerate(lines)])
        assert [json.loads(content) for content in sources.lines_of("x")] == objects


def test_the_same_line_twice_in_a_group_is_kept_once(tmp_path: Path) -> None:
    with SourceRecords(tmp_path / "sources.sqlite3") as sources:
        assert sources.put("x", [(["a"], b"{}")] * 100 + [(["b"], b"{}")]) == 2
        assert sources.put("x", [(["a"], b"{}")]) == 0 and sources.put("y", [(["a"], b"{}")]) == 1


def test_lines_of_one_id_do_not_grow_slow_with_their_count(tmp_path: Path) -> None:
    with SourceRecords(tmp_path / "sources.sqlite3") as sources:
        begun = time.process_time()
        assert sources.put("x", ((["a"], b"%d" % number) for number in range(20_000))) == 20_000
        assert time.process_time() - begun < 5


def test_a_file_of_the_first_schema_knows_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "sources.sqlite3"
    connection = apsw.Connection(str(path))
    connection.execute(MIGRATIONS[0])
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1")
    connection.execute("INSERT INTO sources VALUES (1, 'x', NULL)")
    connection.execute("INSERT INTO record_groups VALUES (1, 1, 0, ?)", (zstd.compress(b'{"a":1}'),))
    connection.execute("INSERT INTO source_records VALUES ('a', 64)")
    connection.close()
    with SourceRecords(path) as sources:
        assert sources.put("x", [(["a"], b'{"a":1}'), (["a"], b'{"a":2}')]) == 1
        assert [record.content for record in sources.records_of("a")] == [b'{"a":1}', b'{"a":2}']
