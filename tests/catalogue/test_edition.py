"""The published edition: the same bytes for the same content, nothing private, readable with sqlite3 alone."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest
from records_made import number_id, number_record
from test_working_catalogue import file_row

from fonoteca.catalogue import Catalogue, Edition, EditionCounts, RightsRow, Tombstone, TrackRecord, check_edition, write_edition
from fonoteca.ground.errors import UsageError

FREE = RightsRow(uri="https://cc0", name="CC0", may_publish=True, may_change=True, attribution_required=False)


def fill(path: Path, order: list[int]) -> Catalogue:
    catalogue = Catalogue.create(path)
    with catalogue.transaction():
        for number in order:
            uri = "https://cc0" if number % 2 else None
            reason = f"from /home/someone/music/{number}.ogg"
            catalogue.put_track(
                number_record(number, rights_uri=uri, artist_mbids=(f"m{number % 7}", f"z{number % 3}"), status_reason=reason)
            )
            catalogue.put_file(number_id(number), file_row(number, container=f"c{number % 2}", is_public=bool(number % 2)))
        catalogue.put_rights(FREE)
    return catalogue


def publish(catalogue: Catalogue, target: Path) -> EditionCounts:
    return write_edition(catalogue, target, title="Test", date="2026-01-01")


def ask(path: Path, query: str) -> list[str]:
    done = subprocess.run(["sqlite3", "-readonly", str(path), query], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def rank(record: TrackRecord) -> tuple[object, ...]:
    return (-(record.popularity or 0), record.id)


def test_same_content_gives_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    order = list(range(300))
    editions = []
    for seed in range(3):
        random.Random(seed).shuffle(order)
        with fill(tmp_path / f"{seed}.sqlite3", order) as catalogue:
            if seed == 2:
                catalogue.put_track(number_record(3, title="passing"))
                catalogue.put_track(number_record(3, rights_uri="https://cc0", artist_mbids=("m3", "z0"), status_reason="x"))
            publish(catalogue, tmp_path / f"e{seed}.sqlite3")
        editions.append((tmp_path / f"e{seed}.sqlite3").read_bytes())
    assert editions[0] == editions[1] == editions[2]


def test_sqlite3_program_reads_tables_views_and_search(tmp_path: Path) -> None:
    target = tmp_path / "edition.sqlite3"
    with fill(tmp_path / "c.sqlite3", list(range(50))) as catalogue:
        counts = publish(catalogue, target)
        records = list(catalogue.iter_tracks())
    assert (counts.tracks, counts.files, counts.publishable, counts.size) == (50, 25, 25, target.stat().st_size)
    assert ask(target, "PRAGMA integrity_check") == ["ok"]
    assert ask(target, "SELECT id FROM tracks ORDER BY track") == [record.id for record in sorted(records, key=rank)]
    assert ask(target, f"SELECT title, artists, album FROM tracks_with_artists WHERE id = '{number_id(21)}'") == [
        "Song 21|Artist 1; Zoë|Album 2"
    ]
    search = "SELECT count(*) FROM track_search_0 WHERE track_search_0 MATCH 'zoe song 21'"
    assert ask(target, search) == ["1"]
    assert ask(target, "SELECT count(*) FROM what_is_held") == ["25"]
    assert ask(target, f"SELECT sha256 FROM what_is_held WHERE id = '{number_id(21)}'") == [file_row(21).sha256]
    assert ask(target, "SELECT may_publish, count(*) FROM may_be_published GROUP BY 1") == ["0|25", "1|25"]
    for view in ask(target, "SELECT name FROM sqlite_schema WHERE type = 'view'"):
        ask(target, f'SELECT * FROM "{view}" LIMIT 1')


def test_edition_can_be_read_back_into_records(tmp_path: Path) -> None:
    target = tmp_path / "edition.sqlite3"
    with fill(tmp_path / "c.sqlite3", list(range(20))) as catalogue:
        publish(catalogue, target)
        records = list(catalogue.iter_tracks())
    assert int(ask(target, "SELECT count(*) FROM track_artists JOIN artists USING (artist) JOIN tracks USING (track)")[0]) == 2 * len(
        records
    )
    for record in records[:3]:
        query = (
            "SELECT coalesce(l.credited_as, a.name), a.mbid FROM tracks t JOIN track_artists l USING (track) "
            f"JOIN artists a ON a.artist = l.artist WHERE t.id = '{record.id}' ORDER BY l.position"
        )
        assert ask(target, query) == [f"{name}|{mbid}" for name, mbid in zip(record.artists, record.artist_mbids, strict=True)]


def test_where_a_file_begins_inside_its_member_is_told(tmp_path: Path) -> None:
    with fill(tmp_path / "c.sqlite3", [1, 2, 3, 4]) as catalogue:
        catalogue.statements.run("UPDATE files SET byte_offset = 512 * track")
        held = dict(catalogue.statements.rows("SELECT aacid, byte_offset FROM track_files WHERE is_public"))
        publish(catalogue, tmp_path / "e.sqlite3")
    with Edition.open(tmp_path / "e.sqlite3") as edition:
        assert held and dict(edition.statements.rows("SELECT aacid, byte_offset FROM track_files")) == held


def test_no_path_and_no_unpublished_container_is_told(tmp_path: Path) -> None:
    target = tmp_path / "edition.sqlite3"
    with fill(tmp_path / "c.sqlite3", list(range(20))) as catalogue:
        publish(catalogue, target)
    content = target.read_bytes()
    assert b"/home/" not in content and str(tmp_path).encode() not in content
    assert ask(target, "SELECT name FROM containers") == ["c1"]


def test_tombstone_stays_and_a_hidden_one_tells_no_names(tmp_path: Path) -> None:
    target = tmp_path / "edition.sqlite3"
    with fill(tmp_path / "c.sqlite3", [1, 3]) as catalogue:
        catalogue.put_track(number_record(5, title="Very secret", artists=("Secret singer",), album="Secret album", label="Secret label"))
        catalogue.tombstone(Tombstone(track_id=number_id(3), reason="asked", date="2026-01-01"))
        catalogue.tombstone(
            Tombstone(track_id=number_id(5), reason="asked", date="2026-01-02", code="privacy", fate="delete", shows_metadata=False)
        )
        publish(catalogue, target)
    assert sorted(ask(target, "SELECT id, date, code, reason FROM what_was_withdrawn")) == sorted(
        [f"{number_id(3)}|2026-01-01|other|asked", f"{number_id(5)}|2026-01-02|privacy|privacy"]
    )
    assert ask(target, f"SELECT title, status FROM tracks WHERE id = '{number_id(5)}'") == ["|withdrawn"]
    assert ask(target, f"SELECT title FROM tracks WHERE id = '{number_id(3)}'") == ["Song 3"]
    assert b"ecret" not in target.read_bytes()


def test_edition_replaces_an_earlier_one_and_leaves_nothing_beside(tmp_path: Path) -> None:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / ".fonoteca-partial-e.sqlite3").write_bytes(b"left by a killed run")
    with fill(tmp_path / "c.sqlite3", [1]) as catalogue:
        publish(catalogue, folder / "e.sqlite3")
        first = (folder / "e.sqlite3").read_bytes()
        publish(catalogue, folder / "e.sqlite3")
        assert (folder / "e.sqlite3").read_bytes() == first
        with pytest.raises(UsageError), catalogue.transaction():
            publish(catalogue, folder / "e.sqlite3")
    assert [path.name for path in folder.iterdir()] == ["e.sqlite3"]


def test_empty_catalogue_makes_an_empty_edition(tmp_path: Path) -> None:
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        assert publish(catalogue, tmp_path / "e.sqlite3").tracks == 0
    assert ask(tmp_path / "e.sqlite3", "SELECT value FROM edition WHERE name = 'title'") == ["Test"]


def test_page_names_every_table_column_and_view(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "catalogue.md").read_text()
    with Catalogue.create(tmp_path / "c.sqlite3") as catalogue:
        publish(catalogue, tmp_path / "e.sqlite3")
        working = {row[0] for row in catalogue.statements.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    rows = {name: line for line in page.splitlines() if line.startswith("| `") for name in re.findall("`(\\w+)`", line.split("|")[1])}
    names = set(ask(tmp_path / "e.sqlite3", "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"))
    assert {name for name in names if "_search_" not in name} == {name for name in rows if "_search_" not in name}
    for name in working - names:
        assert f"`{name}`" in page or name.startswith(("track_search", "artist_search", "album_search", "sqlite_")), name
    query = """SELECT m.name, c.name FROM sqlite_schema m, pragma_table_xinfo(m.name) c
        WHERE m.type = 'table' AND m.name NOT LIKE '%search_%' AND m.name NOT IN ('statistics', 'words', 'spellings')"""
    for line in ask(tmp_path / "e.sqlite3", query):
        table, column = line.split("|")
        assert f"`{column}`" in rows[table], line


def test_every_statement_of_the_page_runs_and_uses_indexes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats" / "catalogue.md").read_text()
    target = tmp_path / "e.sqlite3"
    with fill(tmp_path / "c.sqlite3", list(range(50))) as catalogue:
        catalogue.put_track(number_record(60, title="Winter", isrcs=("QZ5AB1234567", "USRC17607839"), album="Café", barcode="042284205825"))
        publish(catalogue, target)
    statements = [one for block in re.findall("```sql\n(.*?)```", page, re.DOTALL) for one in block.split(";\n") if one.strip()]
    assert len(statements) >= 9
    statements = [re.sub("--[^\n]*\n", "", statement).strip() for statement in statements]
    answers = ["\n".join(ask(target, statement)) for statement in statements]
    assert sum("Winter" in answer for answer in answers) == 3  # by rank, by words, by ISRC
    assert sum("042284205825" in answer for answer in answers) == 1
    for statement in statements:
        if "isrc_number = " in statement or "substr(id" in statement or "gtin" in statement or "substr(sha256" in statement:
            assert not [
                line for line in ask(target, f"EXPLAIN QUERY PLAN {statement}") if re.search("SCAN (tracks|t|files|albums)\\b", line)
            ]


def test_edition_that_is_cut_or_damaged_is_told(tmp_path: Path) -> None:
    target = tmp_path / "e.sqlite3"
    with fill(tmp_path / "c.sqlite3", list(range(200))) as catalogue:
        publish(catalogue, target)
    assert check_edition(target) == ()
    whole = target.read_bytes()
    flipped = bytearray(whole)
    flipped[5 * 4096 : 5 * 4096 + 12] = b"\xff" * 12
    for content in (whole[: len(whole) // 2], whole[:50], bytes(flipped), b"", b"noise" * 5000):
        target.write_bytes(content)
        findings = check_edition(target)
        assert findings and {finding.code for finding in findings} == {"bad-database"}
    assert check_edition(tmp_path / "none.sqlite3")
    assert check_edition(tmp_path / "c.sqlite3")
