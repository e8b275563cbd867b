"""What status, show, publish and verify ask of SQLite is answered by indexes: no statement reads a whole table of millions of rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import apsw
import pytest

from fonoteca.ground.findings import Finding
from fonoteca.ground.progress import Silent
from fonoteca.workflows.archive import Archive, open_archive
from fonoteca.workflows.lookup import find_track, read_status, show_track
from fonoteca.workflows.publish import publish
from fonoteca.workflows.verify_archive import verify_archive

LARGE = re.compile(
    r"SCAN (m|members|n|s|sources|t|tracks|f|files|track_\w+|findings)( |$)(?!.*(USING (COVERING )?INDEX|VIRTUAL TABLE INDEX \d+:M))"
)

WHOLE = (
    "INTEGRITY_CHECK",  # what it is for
    "f.sha256 IS NOT f.source_sha256",  # publish asks every file once whether it may be published: one pass in the order of the table
    "FROM tracks GROUP BY rights",
    "GROUP BY code",  # every finding, once
)
"""Parts of statements that look at every row, and must."""


@pytest.fixture
def asked(published: Path) -> Any:
    """Runs work on an archive and gives the plans of all its statements: (statement, step)."""

    def run(work: Any) -> list[tuple[str, str]]:
        statements: dict[str, apsw.Connection] = {}

        def trace(asking: apsw.Cursor | apsw.Connection, sql: str, bindings: Any) -> bool:
            statements.setdefault(sql, asking if isinstance(asking, apsw.Connection) else asking.connection)
            return True

        with open_archive(published, "test") as archive:
            connections = (archive.ledger.connection, archive.catalogue.statements.connection)
            for connection in connections:
                connection.exec_trace = trace
            work(archive)
            for connection in connections:
                connection.exec_trace = None
            return [(sql, step) for sql, connection in statements.items() for step in plan_of(connection, sql)]

    return run


def plan_of(connection: apsw.Connection, sql: str) -> list[str]:
    if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", sql):
        return []
    count = len(set(re.findall(r"\?\d+", sql))) + sql.count("?") - len(re.findall(r"\?\d+", sql))
    return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * count)]


def scans(told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(sql, step) for sql, step in told if LARGE.match(step) and not any(part in sql for part in WHOLE)]


def look_up(archive: Archive) -> None:
    id = archive.catalogue.find_tracks("menu")[0]
    member = archive.ledger.current_member(id)
    source = archive.ledger.source_of_track(id)
    assert member and source
    for name in ("menu", id, member.aacid, member.sha256, source.sha256, source.essence_sha256 or "", source.shown_path):
        assert find_track(archive, name) == id
    show_track(archive, id)


@pytest.mark.parametrize(
    "work",
    [read_status, look_up, lambda archive: publish(archive, Silent()), lambda archive: verify_archive(archive, Silent())],
    ids=["status", "show", "publish", "verify"],
)
def test_no_statement_reads_a_whole_table(asked: Any, work: Any) -> None:
    told = asked(work)
    assert len({sql for sql, _ in told}) >= 4
    assert scans([*told, ("SELECT 1 FROM sources", "SCAN sources")]), "the test finds nothing"
    assert scans(told) == []


def test_members_of_one_content_come_sorted_from_their_index(asked: Any) -> None:
    from fonoteca.workflows.build_choices import iterate_held

    told = asked(lambda archive: list(iterate_held(archive, "audio")))
    assert any("members_by_id" in step for _, step in told)
    assert scans(told) == []


def test_containers_are_listed_without_the_hashes_of_their_pieces(asked: Any) -> None:
    told = asked(lambda archive: list(archive.ledger.containers()))
    assert told and not any("pieces" in sql for sql, _ in told)


def test_what_two_steps_find_about_one_file_counts_once(published: Path) -> None:
    with open_archive(published, "test") as archive, archive.ledger.transaction():
        for step, fact in (("add", "a"), ("build", "b"), ("verify", "c")):
            archive.ledger.put_finding(step, Finding("changed", "x", fact), b"x", 1)
        archive.ledger.put_finding("verify", Finding("changed", "y", "c"), b"y", 1)
        archive.ledger.put_finding("verify", Finding("bad-list", "z", "line 1"), b"z", 1)
        archive.ledger.put_finding("verify", Finding("bad-list", "z", "line 2"), b"z", 1)
    with open_archive(published, "test", read_only=True) as archive:
        assert read_status(archive).findings == {"changed": 2, "bad-list": 2}
