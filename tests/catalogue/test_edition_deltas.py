"""A delta and the older edition make the newer one, bit for bit; anything else is refused with a reason."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import apsw
import msgspec
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records_made import number_id, number_record, records

from fonoteca.catalogue import Catalogue, FileRow, RightsRow, Tombstone, TrackRecord, write_edition
from fonoteca.catalogue.bulk.build import build_edition
from fonoteca.catalogue.bulk.export import export_tables
from fonoteca.catalogue.edition_apply import apply_delta
from fonoteca.catalogue.edition_diff import write_delta
from fonoteca.ground.errors import DatabaseError, FonotecaError, FormatError, UsageError

LICENCE = "https://creativecommons.org/licenses/by-sa/4.0/"


def file_row(number: int, container: str) -> FileRow:
    return FileRow(
        aacid=f"aacid__demo_original__20260101T00000{number % 10}Z__{number_id(number)}__{'A' * 22}", container=container,
        collection="demo_original", sha256=hashlib.sha256(b"file %d" % number).hexdigest(), size=4_000_000 + number, format="ogg-vorbis",
        tier="original", is_public=True,
    )  # fmt: skip


def fill(catalogue: Catalogue, numbers: range) -> None:
    with catalogue.transaction():
        for number in numbers:
            catalogue.put_track(number_record(number, rights_uri=LICENCE, date="2001-02-03"))
            if number % 3 == 0:
                catalogue.put_file(number_id(number), file_row(number, f"container-{number // 50}"))
        licence = RightsRow(uri=LICENCE, name="CC BY-SA 4.0", may_publish=True, may_change=True, attribution_required=True)
        catalogue.put_rights(licence)


def write(catalogue: Catalogue, target: Path, date: str = "2026-01-01", writer: str = "sql") -> Path:
    if writer == "sql":
        write_edition(catalogue, target, title="Demo", date=date)
        return target
    tables = target.with_name(f"{target.name}.tables")
    export_tables(catalogue.path, tables)
    build_edition(tables, target, title="Demo", date=date, sink="adbc" if writer == "adbc" else "pages")
    shutil.rmtree(tables)
    return target


def lines_of(delta: Path) -> list[str]:
    return zstd.decompress(delta.read_bytes()).decode().splitlines()


@pytest.fixture
def editions(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """An edition of 300 tracks, and the one after tracks came, went, changed, were renamed, withdrawn and became popular."""
    writer = getattr(request, "param", "sql")
    with Catalogue.create(tmp_path / "catalogue.sqlite3") as catalogue:
        fill(catalogue, range(300))
        old = write(catalogue, tmp_path / "old.sqlite3", writer=writer)
        for number in (3, 7, 200):
            catalogue.remove_track(number_id(number))
        for number in (10, 11, 299):
            catalogue.put_track(
                number_record(number, title=f"Renamed {number}", popularity=100.0, genres=("jazz",), rights_uri=LICENCE, date="2001-02-03")
            )
        catalogue.tombstone(Tombstone(track_id=number_id(50), reason="said so", date="2026-02-01", shows_metadata=False))
        catalogue.drop_container("container-2")
        fill(catalogue, range(300, 330))
        return old, write(catalogue, tmp_path / "new.sqlite3", "2026-02-02", writer)


@pytest.mark.parametrize("editions", ["sql", "pages", "adbc"], indirect=True)
def test_older_edition_and_delta_make_the_newer_one_bit_for_bit(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    counts = write_delta(old, new, tmp_path / "delta.jsonl.zst")
    apply_delta(old, tmp_path / "delta.jsonl.zst", tmp_path / "made.sqlite3")
    assert (tmp_path / "made.sqlite3").read_bytes() == new.read_bytes()
    assert counts.removed["tracks"] == 3
    assert counts.put["tracks"] == 3 + 1 + 30
    assert counts.size < new.stat().st_size / 5
    left = {path.name for path in tmp_path.iterdir()} - {"catalogue.sqlite3-wal", "catalogue.sqlite3-shm"}
    assert left == {"catalogue.sqlite3", "old.sqlite3", "new.sqlite3", "delta.jsonl.zst", "made.sqlite3"}


def test_neighbours_of_editions_and_deltas_stay(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    names = [f"{name}.{ending}" for name in ("made.sqlite3", "delta.jsonl.zst", "old.sqlite3")
             for ending in ("partial", "building", "records", "unproved")]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("years of work")
    write_delta(old, new, tmp_path / "delta.jsonl.zst")
    apply_delta(old, tmp_path / "delta.jsonl.zst", tmp_path / "made.sqlite3")
    assert {(tmp_path / name).read_text() for name in names} == {"years of work"}
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        apply_delta(old, tmp_path / "delta.jsonl.zst", tmp_path / "folder")
    with pytest.raises(UsageError, match="is a folder"):
        write_delta(old, new, tmp_path / "folder")


def test_deltas_go_backwards_as_well(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    write_delta(new, old, tmp_path / "back.jsonl.zst")
    apply_delta(new, tmp_path / "back.jsonl.zst", tmp_path / "made.sqlite3")
    assert (tmp_path / "made.sqlite3").read_bytes() == old.read_bytes()


def test_delta_of_an_edition_with_itself_has_no_rows(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, _ = editions
    write_delta(old, old, tmp_path / "delta.jsonl.zst")
    assert len(lines_of(tmp_path / "delta.jsonl.zst")) == 2
    apply_delta(old, tmp_path / "delta.jsonl.zst", tmp_path / "made.sqlite3")
    assert (tmp_path / "made.sqlite3").read_bytes() == old.read_bytes()


def test_same_editions_give_the_same_delta(editions: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_delta(*editions, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_hidden_names_are_nowhere_in_a_delta(tmp_path: Path) -> None:
    hidden = TrackRecord(
        id=number_id(1), title="Unsayable", artists=("Nobody You Know",), album="Gone", label="Quiet Label", genres=("secretcore",)
    )
    with Catalogue.create(tmp_path / "catalogue.sqlite3") as catalogue:
        fill(catalogue, range(10, 20))
        catalogue.put_track(hidden)
        old = write(catalogue, tmp_path / "old.sqlite3")
        catalogue.tombstone(Tombstone(track_id=hidden.id, reason="family", date="2026-02-01", shows_metadata=False))
        new = write(catalogue, tmp_path / "new.sqlite3")
    write_delta(old, new, tmp_path / "delta.zst")
    text = zstd.decompress((tmp_path / "delta.zst").read_bytes()).decode()
    assert hidden.id in text
    for word in ("Unsayable", "Nobody", "Gone", "Quiet", "secretcore", "family"):
        assert word not in text
    apply_delta(old, tmp_path / "delta.zst", tmp_path / "made.sqlite3")
    assert (tmp_path / "made.sqlite3").read_bytes() == new.read_bytes()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(records(), max_size=6), st.lists(records(), max_size=6), st.integers(0, 6))
def test_any_two_editions_are_joined_by_their_delta(
    tmp_path_factory: pytest.TempPathFactory, first: list[TrackRecord], second: list[TrackRecord], shared: int
) -> None:
    folder = tmp_path_factory.mktemp("editions")
    for name, held in (("old", first), ("new", first[:shared] + second)):
        with Catalogue.create(folder / f"{name}.catalogue") as catalogue:
            for record in held:
                catalogue.put_track(record)
            write(catalogue, folder / name)
    write_delta(folder / "old", folder / "new", folder / "delta.zst")
    apply_delta(folder / "old", folder / "delta.zst", folder / "made")
    assert (folder / "made").read_bytes() == (folder / "new").read_bytes()


def test_another_edition_than_the_older_one_is_refused(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    write_delta(old, new, tmp_path / "delta.zst")
    with pytest.raises(UsageError, match="not the edition that the delta starts from"):
        apply_delta(new, tmp_path / "delta.zst", tmp_path / "made.sqlite3")
    assert not (tmp_path / "made.sqlite3").exists()


def test_no_byte_of_a_delta_can_be_lost_or_changed_unseen(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    write_delta(old, new, tmp_path / "delta.zst")
    whole = (tmp_path / "delta.zst").read_bytes()
    lines = zstd.decompress(whole).splitlines(keepends=True)
    chosen = random.Random(5)
    damaged = [whole[: len(whole) * tenth // 10] for tenth in range(10)]
    for _ in range(20):
        place = chosen.randrange(len(whole))
        damaged.append(whole[:place] + bytes([whole[place] ^ 1 << chosen.randrange(8)]) + whole[place + 1 :])
    for place in range(1, len(lines), 17):
        damaged.append(zstd.compress(b"".join(lines[:place] + lines[place + 1 :])))
    for number, content in enumerate(damaged):
        (tmp_path / f"damaged-{number}.zst").write_bytes(content)
        with pytest.raises((FormatError, UsageError)):
            apply_delta(old, tmp_path / f"damaged-{number}.zst", tmp_path / "made.sqlite3")
        assert not (tmp_path / "made.sqlite3").exists()


def test_writer_of_another_version_is_refused_before_any_work(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    write_delta(old, new, tmp_path / "delta.zst")
    lines = lines_of(tmp_path / "delta.zst")
    for name, value, told in (
        ("writer_version", "0", "with version 0; here"),
        ("sqlite", "3.1.0", "SQLite 3.1.0"),
        ("writer", "clay", "no such writer"),
    ):
        header = msgspec.json.decode(lines[0])
        header["new"]["facts"][name] = value
        (tmp_path / "other.zst").write_bytes(zstd.compress("\n".join([msgspec.json.encode(header).decode(), *lines[1:]]).encode()))
        with pytest.raises(UsageError, match=told):
            apply_delta(old, tmp_path / "other.zst", tmp_path / "made.sqlite3")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_numbers_that_no_column_holds_are_refused(editions: tuple[Path, Path], tmp_path: Path, number: int) -> None:
    write_delta(*editions, tmp_path / "delta.zst")
    head, *rows, _ = zstd.decompress((tmp_path / "delta.zst").read_bytes()).splitlines(keepends=True)
    row = msgspec.json.decode(next(row for row in rows if row.startswith(b'["artists",[')))
    row[1] = [number if value is None else value for value in row[1]]
    body = [head, *rows, msgspec.json.encode(row) + b"\n"]
    end = {"lines": len(body) - 1, "sha256": hashlib.sha256(b"".join(body)).hexdigest()}
    (tmp_path / "other.zst").write_bytes(zstd.compress(b"".join(body) + msgspec.json.encode(end)))
    with pytest.raises(FormatError, match="row that cannot be"):
        apply_delta(editions[0], tmp_path / "other.zst", tmp_path / "made.sqlite3")


@pytest.mark.parametrize("fact", ["title", "date"])
def test_a_header_without_title_or_date_is_refused(editions: tuple[Path, Path], tmp_path: Path, fact: str) -> None:
    write_delta(*editions, tmp_path / "delta.zst")
    first, *others = lines_of(tmp_path / "delta.zst")
    header = msgspec.json.decode(first)
    del header["new"]["facts"][fact]
    (tmp_path / "other.zst").write_bytes(zstd.compress("\n".join([msgspec.json.encode(header).decode(), *others]).encode()))
    with pytest.raises(FormatError, match=fact):
        apply_delta(editions[0], tmp_path / "other.zst", tmp_path / "made.sqlite3")


def test_newer_edition_that_does_not_come_out_is_not_kept(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = editions
    write_delta(old, new, tmp_path / "delta.zst")
    lines = zstd.decompress((tmp_path / "delta.zst").read_bytes()).splitlines(keepends=True)
    header = msgspec.json.decode(lines[0])
    header["new"]["sha256"] = "0" * 64
    body = [msgspec.json.encode(header) + b"\n", *lines[1:-1]]
    end = {"lines": len(body) - 1, "sha256": hashlib.sha256(b"".join(body)).hexdigest()}
    (tmp_path / "forged.zst").write_bytes(zstd.compress(b"".join([*body, msgspec.json.encode(end) + b"\n"])))
    with pytest.raises(DatabaseError, match="nothing was kept"):
        apply_delta(old, tmp_path / "forged.zst", tmp_path / "made.sqlite3")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("made")]


def test_what_is_no_edition_is_refused(editions: tuple[Path, Path], tmp_path: Path) -> None:
    old, _ = editions
    (tmp_path / "text").write_text("no database " * 100)
    apsw.Connection(str(tmp_path / "foreign")).execute("CREATE TABLE t (x)")
    for other in ("text", "foreign", "missing", "catalogue.sqlite3"):
        with pytest.raises(FonotecaError):
            write_delta(old, tmp_path / other, tmp_path / "delta.zst")
        assert not (tmp_path / "delta.zst").exists()
