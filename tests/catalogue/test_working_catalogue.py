"""The working catalogue keeps what it is given and finds it again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from records_made import number_id, number_record, records

from fonoteca.catalogue import Catalogue, FileRow, MetadataRow, PlaysRow, RightsRow, Tombstone, TrackRecord
from fonoteca.ground.errors import DatabaseError, FormatError, NotFoundError, UsageError


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.create(tmp_path / "catalogue.sqlite3") as opened:
        yield opened


def file_row(number: int, **changed: object) -> FileRow:
    row = FileRow(
        aacid=f"aacid__x_files__20260101T000000Z__{number}__abc",
        container="x_data__1",
        collection="x_files",
        sha256=f"{number:064x}",
        size=1000 + number,
        format="ogg-vorbis",
        tier="original",
        source_sha256=f"{number + 10**6:064x}",
        essence_sha256=f"{number + 10**9:064x}",
    )
    return msgspec.structs.replace(row, **changed)


@settings(max_examples=80)
@given(records())
def test_any_record_is_read_back_as_it_was_given(record: TrackRecord) -> None:
    with TemporaryDirectory() as folder, Catalogue.create(Path(folder) / "c.sqlite3") as catalogue:
        catalogue.put_track(record)
        assert catalogue.get_track(record.id) == record
        catalogue.put_track(record)
        assert list(catalogue.iter_tracks()) == [record]


@settings(max_examples=30)
@given(records(), records())
def test_one_record_wholly_replaces_another(first: TrackRecord, second: TrackRecord) -> None:
    second = msgspec.structs.replace(second, id=first.id)
    with TemporaryDirectory() as folder, Catalogue.create(Path(folder) / "c.sqlite3") as catalogue:
        catalogue.put_track(first)
        catalogue.put_track(second)
        assert catalogue.get_track(first.id) == second


def test_tracks_come_sorted_by_id_from_behind_any_of_them(catalogue: Catalogue) -> None:
    with catalogue.transaction():
        for number in range(50):
            catalogue.put_track(number_record(number))
    ids = [record.id for record in catalogue.iter_tracks()]
    assert ids == sorted(number_id(number) for number in range(50))
    assert [record.id for record in catalogue.iter_tracks(after=ids[20])] == ids[21:]
    assert [row.id for row in catalogue.iter_selection()] == ids


def test_names_are_kept_as_given_and_compared_in_nfc(catalogue: Catalogue) -> None:
    composed, parted = (unicodedata.normalize(form, "Café del Mar") for form in ("NFC", "NFD"))
    catalogue.put_track(number_record(1, title=composed, artists=(composed,), album=composed, album_artists=(composed,)))
    catalogue.put_track(number_record(2, title=parted, artists=(parted,), album=parted, album_artists=(parted,)))
    second = catalogue.get_track(number_id(2))
    assert second is not None and (second.title, second.artists, second.album, second.album_artists) == (
        parted,
        (parted,),
        parted,
        (parted,),
    )
    assert len(catalogue.find_tracks("CAFÉ  del mar")) == 2
    assert catalogue.statements.value("SELECT count(*) FROM artists") == 1
    assert catalogue.statements.value("SELECT count(*) FROM albums") == 1


def test_artist_known_by_mbid_keeps_each_credit_and_one_name_in_any_order(tmp_path: Path) -> None:
    names = []
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        with Catalogue.create(tmp_path / f"{order}.sqlite3") as catalogue:
            for number in order:
                catalogue.put_track(
                    number_record(number, artists=(("Prince", "The Artist", "Prince Rogers")[number],), artist_mbids=("m",))
                )
            names.append(catalogue.statements.value("SELECT name FROM artists WHERE mbid = 'm'"))
            assert [catalogue.get_track(number_id(n)).artists for n in range(3)] == [("Prince",), ("The Artist",), ("Prince Rogers",)]  # type: ignore[union-attr]
    assert len(set(names)) == 1


def test_every_kind_of_name_finds_its_track(catalogue: Catalogue) -> None:
    mbids = [f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc"]
    record = number_record(7, recording_mbid=mbids[0], album_mbid=mbids[1], artists=("A",), artist_mbids=(mbids[2],))
    catalogue.put_track(record)
    catalogue.put_track(number_record(8))
    catalogue.put_file(record.id, file_row(7))
    row = file_row(7)
    asked = [record.id, "ISRC US-RC1-00-00007", row.aacid, row.sha256.upper(), row.source_sha256, row.essence_sha256, " song  7 "]
    for text in [*asked, *mbids, f"https://musicbrainz.org/recording/{mbids[0].upper()}"]:
        assert catalogue.find_tracks(str(text)) == [record.id], text
    for text in ("", "nothing", "0" * 64, "'; DROP TABLE tracks; --", "aacid__", "x" * 1_000_000):
        assert catalogue.find_tracks(text) == []


def test_hostile_names_are_stored_or_refused_with_their_field(catalogue: Catalogue) -> None:
    catalogue.put_track(number_record(1, title="a\0b\ud800c", artists=("x'); DROP TABLE tracks; --", "\u202egnal"), album="t" * 1_000_000))
    record = catalogue.get_track(number_id(1))
    assert record is not None and record.title == "a\ufffdb\ufffdc" and record.artists[1] == "\u202egnal"
    assert record.album == "t" * 1_000_000
    for field, value in {
        "disc": 10**30,
        "plays": -1,
        "popularity": float("nan"),
        "artist_popularity": 101.0,
        "title": "x" * (17 << 20),
    }.items():
        with pytest.raises(FormatError):
            catalogue.put_track(number_record(2, **{field: value}))
    assert catalogue.count_tracks() == 1


def test_transaction_is_all_or_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(ZeroDivisionError), catalogue.transaction():
        catalogue.put_track(number_record(1))
        raise ZeroDivisionError
    assert catalogue.count_tracks() == 0
    catalogue.put_track(number_record(1))
    assert catalogue.get_track(number_id(1)) == number_record(1)


def test_metadata_changes_only_what_it_gives_and_survives_a_second_add(catalogue: Catalogue) -> None:
    record = number_record(1, date="1999", explicit=True)
    catalogue.put_track(record)
    for _ in range(2):
        catalogue.apply_metadata(record.id, MetadataRow(title="Better", explicit=None, rights="CC0"), rights_uri="https://cc0")
    changed = msgspec.structs.replace(
        record, title="Better", explicit=None, rights_uri="https://cc0", rights_text="CC0", rights_from="metadata"
    )
    assert catalogue.get_track(record.id) == changed
    assert set(catalogue.provenance(record.id)) == {"title", "explicit", "rights_uri", "rights_text", "rights_from"}
    catalogue.put_track(record, keep_metadata=True)
    assert catalogue.get_track(record.id) == changed
    catalogue.put_track(record)
    assert catalogue.get_track(record.id) == record


def test_sidecar_of_the_file_goes_before_metadata(catalogue: Catalogue) -> None:
    catalogue.put_track(number_record(1, rights_uri="https://a", rights_text="a", rights_from="sidecar"))
    catalogue.apply_metadata(number_id(1), MetadataRow(rights="b", title="t"), rights_uri="https://b")
    record = catalogue.get_track(number_id(1))
    assert record is not None and (record.rights_uri, record.title) == ("https://a", "t")


def test_wanted_track_gets_the_same_id_again_and_is_missing(catalogue: Catalogue) -> None:
    row = MetadataRow(isrc="USRC10000001", title="Lost", artists=("A",))
    first = catalogue.add_wanted(row)
    assert catalogue.add_wanted(row) == first
    assert catalogue.counts_by_status() == {"wanted": 1}
    assert catalogue.statements.row("SELECT id, isrcs FROM what_is_missing") == (first, "USRC10000001")
    assert catalogue.add_wanted(MetadataRow(isrc="USRC10000001", title="Found", artists=("A",))) != first
    assert "/" not in catalogue.add_wanted(MetadataRow(id="../../etc/passwd"))


def test_unknown_tracks_are_refused(catalogue: Catalogue) -> None:
    for call in (
        lambda: catalogue.set_status("x", "held"),
        lambda: catalogue.set_popularity("x", plays=3),
        lambda: catalogue.apply_metadata("x", MetadataRow(title="y")),
        lambda: catalogue.put_file("x", file_row(1)),
        lambda: catalogue.tombstone(Tombstone(track_id="x", reason="r", date="2026-01-01")),
        lambda: catalogue.set_rights("x", None, text=None, rights_from="option"),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_plays_become_popularity_and_a_given_score_stays(catalogue: Catalogue) -> None:
    for number in (1, 2):
        catalogue.put_track(number_record(number, popularity=None))
    catalogue.set_popularity(number_id(1), plays=1000)
    catalogue.set_popularity(number_id(2), plays=1000, popularity=0)
    first, second = (catalogue.get_track(number_id(number)) for number in (1, 2))
    assert first is not None and second is not None
    assert (first.plays, first.popularity, second.plays, second.popularity) == (1000, 1.0, 1000, 0.0)


def test_withdrawal_is_for_good_and_keeps_its_first_date(catalogue: Catalogue) -> None:
    catalogue.put_track(number_record(1))
    for date in ("2026-01-01", "2027-01-01"):
        catalogue.tombstone(Tombstone(track_id=number_id(1), reason="asked", date=date))
    assert [stone.date for stone in catalogue.tombstones()] == ["2026-01-01"]
    assert catalogue.counts_by_status() == {"withdrawn": 1}
    with pytest.raises(UsageError):
        catalogue.set_status(number_id(1), "held")
    catalogue.put_track(number_record(1))
    assert catalogue.statements.value("SELECT status FROM tracks") == "withdrawn"


def test_files_are_found_and_forgotten_with_their_container(catalogue: Catalogue) -> None:
    for number in range(5):
        catalogue.put_track(number_record(number))
        for _ in range(2):
            catalogue.put_file(number_id(number), file_row(number, container=f"c{number % 2}"))
    assert catalogue.files_of(number_id(3)) == [file_row(3, container="c1")]
    assert [row.aacid for _, row in catalogue.iter_files("c0")] == [file_row(number).aacid for number in (0, 2, 4)]
    assert catalogue.drop_container("c0") == 3
    assert len(list(catalogue.iter_files())) == 2
    assert catalogue.drop_container("c0") == 0


def test_rights_deny_until_the_table_has_spoken(catalogue: Catalogue) -> None:
    for number in range(3):
        catalogue.put_track(number_record(number, rights_uri=None if number == 0 else "https://cc0"))
    query = "SELECT count(*) FROM may_be_published WHERE may_publish"
    assert catalogue.statements.value(query) == 0
    catalogue.put_rights(RightsRow(uri="https://cc0", name="CC0", may_publish=True, may_change=True, attribution_required=False))
    assert catalogue.statements.value(query) == 2
    catalogue.tombstone(Tombstone(track_id=number_id(1), reason="asked", date="2026-01-01"))
    assert catalogue.statements.value(query) == 1
    assert [(count.uri, count.may_publish, count.tracks) for count in catalogue.counts_by_rights()] == [
        ("https://cc0", True, 2),
        (None, False, 1),
    ]


def test_pictures_are_kept_once(catalogue: Catalogue) -> None:
    catalogue.put_track(number_record(1))
    catalogue.put_track(number_record(2))
    picture = number_record(1).pictures[0]
    for _ in range(2):
        catalogue.put_picture(picture, "image/png", 10, 20, 300)
    assert catalogue.statements.row("SELECT count(*), max(mime), max(size) FROM pictures") == (1, "image/png", 300)


def test_what_is_no_catalogue_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Catalogue.open(tmp_path / "none.sqlite3")
    (tmp_path / "noise.sqlite3").write_bytes(b"no database at all " * 100)
    with pytest.raises(DatabaseError):
        Catalogue.open(tmp_path / "noise.sqlite3")


def test_damage_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite3"
    with Catalogue.create(path) as catalogue, catalogue.transaction():
        for number in range(500):
            catalogue.put_track(number_record(number))
    whole = bytearray(path.read_bytes())
    whole[8192:] = bytes(len(whole) - 8192)
    path.write_bytes(whole)
    with pytest.raises(DatabaseError), Catalogue.open(path, read_only=True) as catalogue:
        list(catalogue.iter_tracks())


def test_read_only_catalogue_is_read_beside_a_writer(catalogue: Catalogue) -> None:
    catalogue.put_track(number_record(1))
    with Catalogue.open(catalogue.path, read_only=True) as reader:
        with catalogue.transaction():
            catalogue.put_track(number_record(2))
            assert reader.count_tracks() == 1
        assert reader.count_tracks() == 2
        with pytest.raises(DatabaseError):
            reader.put_track(number_record(3))


def test_keys_of_a_row_narrow_each_other_down(catalogue: Catalogue) -> None:
    mbid = "aaaaaaaa-0000-4000-8000-000000000000"
    catalogue.put_track(number_record(1, isrcs=("USRC10000001",), recording_mbid=mbid))
    catalogue.put_track(number_record(2, isrcs=("USRC10000001",)))
    assert catalogue.find_keyed(PlaysRow(line=2, isrc="USRC10000001", plays=1)) == sorted([number_id(1), number_id(2)])
    assert catalogue.find_keyed(MetadataRow(isrc="USRC10000001", mbid=mbid)) == [number_id(1)]
    assert catalogue.find_keyed(MetadataRow(id=number_id(2), mbid=mbid)) == []
    assert catalogue.find_keyed(MetadataRow(path="a.ogg")) == []
