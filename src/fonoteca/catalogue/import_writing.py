"""Rows of an import on their way into the working catalogue: new tracks in batches, known ones field by field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from fonoteca.catalogue.identifiers import album_id_of, artist_id_of
from fonoteca.catalogue.import_records import AlbumRow, ArtistRow
from fonoteca.catalogue.names import clean_text, normal_form
from fonoteca.catalogue.new_tracks import NewTrack, TrackBatches
from fonoteca.catalogue.popularity import COUNTED
from fonoteca.catalogue.records import AlbumRecord, ArtistRecord, TrackRecord
from fonoteca.catalogue.tables import MetadataRow
from fonoteca.catalogue.working import Catalogue, isrcs_of, wanted_id_of
from fonoteca.catalogue.writing import changed_record, clean_record

PopularityOfPlays = Callable[[int], float]


class ImportWriter:
    """Takes rows in their order; new tracks wait until `flush`, or until a row needs what is in the catalogue."""

    def __init__(self, catalogue: Catalogue, source: str, score: PopularityOfPlays) -> None:
        self._catalogue = catalogue
        self._sql = catalogue.statements
        self._source = clean_text(source)
        self._score = score
        self._batches = TrackBatches(self._sql, catalogue.writer)
        self._waiting: dict[str, NewTrack] = {}
        self._named: dict[str, str] = {}
        self._has_redirects = self._sql.value("SELECT 1 FROM redirects") is not None

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = list(self._waiting.values()), {}
        if waiting:
            self._batches.insert(waiting)
        named, self._named = self._named, {}
        rows = [(self._source, clean_text(foreign_id), id) for foreign_id, id in named.items()]
        self._sql.run_many("INSERT OR REPLACE INTO foreign_ids VALUES (?, ?, ?)", rows)

    def track_of(self, row: MetadataRow) -> str:
        """The public id that the row's track has, or will have; keys that only others know are not looked at."""
        track_id = wanted_id_of(row)
        return self._catalogue.resolve(track_id) if self._has_redirects else track_id

    def is_known(self, track_id: str) -> bool:
        """Whether the track is in the catalogue, or waits to be."""
        return track_id in self._waiting or self._sql.value("SELECT 1 FROM tracks WHERE id = ?", (track_id,)) is not None

    def track_called(self, foreign_id: str) -> str | None:
        """The track that the source means by an id of its own; None where it never said."""
        query = "SELECT id FROM foreign_ids WHERE source = ? AND foreign_id = ?"
        found = self._named.get(foreign_id) or self._sql.value(query, (self._source, clean_text(foreign_id)))
        return self._catalogue.resolve(found) if found and self._has_redirects else found

    def call_track(self, foreign_id: str, track_id: str) -> None:
        """Remember which track the source means by an id of its own; written with the next flush."""
        self._named[foreign_id] = track_id

    def add_new(self, track_id: str, row: MetadataRow, rights_uri: str | None, *, is_clean: bool = False) -> None:
        """A track that is not known yet; the same as the catalogue's add_wanted, with its plays as a score.

        `is_clean`: the row's texts are known to have nothing in them that cannot be stored.
        """
        changes, provenance = self._changes(row, rights_uri, None)
        changes = {"isrcs": isrcs_of(row), "recording_mbid": row.recording_mbid or row.mbid} | changes
        record = TrackRecord(id=track_id, **changes)
        # here and not in the batch: a value that cannot be stored costs its row alone
        self._waiting[track_id] = NewTrack(record if is_clean else clean_record(record), provenance)

    def change(self, track_id: str, row: MetadataRow, rights_uri: str | None) -> bool:
        """Give a known track what the row says; whether anything changed. Its status stays."""
        self.flush()  # what artists and albums are told of goes in its order
        former = self._catalogue.get_track(track_id)
        assert former is not None
        changes, provenance = self._changes(row, rights_uri, former)
        record = _without_homeless(clean_record(changed_record(former, changes)))
        known = self._catalogue.provenance(track_id)
        if record == former and known | provenance == known:
            return False
        self._catalogue.change_track(record, provenance)
        return True

    def _changes(self, row: MetadataRow, rights_uri: str | None, former: TrackRecord | None) -> tuple[dict[str, Any], dict[str, str]]:
        """The fields to set, and who said each of them."""
        changes = row.changes()
        if row.rights is not UNSET and (former is None or former.rights_from != "sidecar"):
            changes |= {"rights_uri": rights_uri, "rights_text": row.rights, "rights_from": "metadata"}
        provenance = dict.fromkeys(changes, self._source)
        if isinstance(row.plays, int) and not isinstance(row.popularity, float | int):
            changes["popularity"] = self._score(row.plays)
            provenance["popularity"] = COUNTED
        return changes, provenance

    def put_artist(self, row: ArtistRow) -> tuple[str, bool]:
        """Give an artist what the row says; the public id, and whether anything changed."""
        self.flush()
        public_id = row.id or artist_id_of(row.name, row.mbid)
        target = self._catalogue.resolve(public_id)
        former = self._artist(target)
        if former is not None and target != public_id:
            record = _with_what_it_lacks(former, row)
            return (target, False) if record == former else (self._catalogue.put_artist(record), True)
        given = {name: value for name in _ARTIST_FIELDS if (value := getattr(row, name)) is not UNSET}
        base = ArtistRecord(name=row.name) if former is None else former
        record = msgspec.structs.replace(base, id=row.id or base.id, mbid=row.mbid or base.mbid, name=row.name, **given)
        if former is not None and self._sql.value("SELECT 1 FROM redirects WHERE target = ?", (target,)):
            # aliases that came with others who are him now are no source's to take away
            record = msgspec.structs.replace(record, aliases=tuple(dict.fromkeys((*(record.aliases or ()), *former.aliases))))
        if record == former:
            return str(former.id), False
        found = self._catalogue.put_artist(record)
        self._take_away("artists", found, row, ("popularity", "followers"))
        return found, True

    def _artist(self, public_id: str) -> ArtistRecord | None:
        """What is known of an artist whose name came from a record of its own."""
        query = """SELECT id, name, mbid, sort_name, country, popularity, followers, artist FROM artists
                   WHERE id = ? AND artist IN (SELECT artist FROM recorded_artists)"""
        found = self._sql.row(query, (public_id,))
        if found is None:
            return None
        *values, artist = found
        aliases = self._column("SELECT alias FROM artist_aliases WHERE artist = ? ORDER BY position", artist)
        genres = self._column("SELECT name FROM artist_genres JOIN genres USING (genre) WHERE artist = ? ORDER BY position", artist)
        fields = ("id", "name", "mbid", "sort_name", "country", "popularity", "followers")
        return ArtistRecord(**dict(zip(fields, values, strict=True)), aliases=aliases, genres=genres)

    def put_album(self, row: AlbumRow) -> tuple[str, bool]:
        """Give an album what the row says; the public id, and whether anything changed."""
        self.flush()
        public_id = row.id or album_id_of(row.title, row.artists, row.mbid, row.barcode)
        former = self._album(public_id)
        given = {name: value for name in _ALBUM_FIELDS if (value := getattr(row, name)) is not UNSET}
        base = {name: getattr(former, name) for name in _ALBUM_FIELDS} if former else {}
        keys: dict[str, Any] = {"title": row.title, "artists": row.artists, "barcode": row.barcode, "mbid": row.mbid}
        record = AlbumRecord(id=row.id, **keys, **(base | given))
        before = self._sql.connection.total_changes()
        if former is not None and self._says_the_same(former, record):
            return public_id, False
        found = self._catalogue.put_album(record)
        self._take_away("albums", found, row, ("popularity",))
        return found, self._sql.connection.total_changes() > before

    def _take_away(self, table: str, public_id: str, row: ArtistRow | AlbumRow, names: tuple[str, ...]) -> None:
        """Scores that tracks may have told too go where a record denies them; a record that is silent leaves them."""
        for name in names:
            if getattr(row, name) is None:
                self._sql.run(f"UPDATE {table} SET {name} = NULL WHERE id = ?", (public_id,))

    def _says_the_same(self, former: AlbumRecord, record: AlbumRecord) -> bool:
        names = ("artists", *_ALBUM_FIELDS)
        return all(getattr(former, name) == getattr(record, name) for name in names)

    def _album(self, public_id: str) -> AlbumRecord | None:
        """What is known of an album that came with a record of its own."""
        query = """SELECT b.title, b.date, l.name, b.barcode, b.mbid, b.popularity, b.album
                   FROM albums b LEFT JOIN labels l USING (label) WHERE id = ? AND album IN (SELECT album FROM recorded_albums)"""
        found = self._sql.row(query, (public_id,))
        if found is None:
            return None
        title, date, label, barcode, mbid, popularity, album = found
        links = "SELECT a.name, coalesce(a.mbid, '') FROM album_artists JOIN artists a USING (artist) WHERE album = ? ORDER BY position"
        artists = list(self._sql.rows(links, (album,)))
        mbids = tuple(mbid for _, mbid in artists)
        return AlbumRecord(
            id=public_id, title=title, date=date, label=label, barcode=barcode, mbid=mbid, popularity=popularity,
            artists=tuple(name for name, _ in artists), artist_mbids=mbids if any(mbids) else (),
        )  # fmt: skip

    def _column(self, query: str, key: int) -> tuple[Any, ...]:
        return tuple(row[0] for row in self._sql.rows(query, (key,)))

    def ids_by_isrc(self, isrc: str) -> Sequence[str]:
        """The tracks, sorted by id, that carry an ISRC."""
        self.flush()
        return self._catalogue.find_keyed(MetadataRow(isrc=isrc))


def _with_what_it_lacks(former: ArtistRecord, row: ArtistRow) -> ArtistRecord:
    """An artist with what is said of him under a retired id: its names become aliases, and what is known of him stays."""
    names = dict.fromkeys((*former.aliases, normal_form(clean_text(row.name)), *(row.aliases or ())))
    empty = {name for name in ("sort_name", "country", "genres", "popularity", "followers") if getattr(former, name) in (None, ())}
    told = {name: value for name in empty if (value := getattr(row, name)) not in (UNSET, None, ())}
    aliases = tuple(name for name in names if name != former.name)
    return msgspec.structs.replace(former, mbid=former.mbid or row.mbid, aliases=aliases, **told)


def _without_homeless(record: TrackRecord) -> TrackRecord:
    """The record without scores of an artist or an album that it does not name: there is no row that could keep them."""
    homeless: dict[str, None] = {}
    if not record.artists:
        homeless |= {"artist_popularity": None, "followers": None}
    if not record.album_artists and record.album is None and record.album_mbid is None and record.barcode is None:
        homeless["album_popularity"] = None
    return msgspec.structs.replace(record, **homeless) if homeless else record


_ARTIST_FIELDS = ("sort_name", "country", "aliases", "genres", "popularity", "followers")
_ALBUM_FIELDS = ("artist_mbids", "date", "label", "popularity")
