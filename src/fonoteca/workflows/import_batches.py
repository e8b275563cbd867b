"""One batch of an import: its rows go into the catalogue and the databases beside it, and what cannot be used is noted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from fonoteca.catalogue import TrackRecord, is_public_id, parse_isrc, popularity_of_plays
from fonoteca.catalogue.audio_features import FEATURES, AudioFeatures
from fonoteca.catalogue.import_records import (
    AlbumRow,
    ArtistRow,
    FeaturesRow,
    ImportLine,
    ImportRow,
    PlaylistEntry,
    PlaylistRow,
    clean_row,
)
from fonoteca.catalogue.import_writing import ImportWriter
from fonoteca.catalogue.names import LONGEST_TEXT
from fonoteca.catalogue.playlists import PLAYLISTS, Playlist, Playlists
from fonoteca.catalogue.source_records import SOURCES, SourceRecords
from fonoteca.catalogue.tables import MetadataRow
from fonoteca.ground.errors import FormatError
from fonoteca.ground.findings import Finding
from fonoteca.identity import fold_name
from fonoteca.integrity import show_path
from fonoteca.rights import read_statement
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.ingest_tables import find_tracks_of_row
from fonoteca.workflows.rights_policy import record_rights


class BatchImport:
    """Writes the batches of one file. `counts` goes on from what earlier runs counted."""

    def __init__(self, archive: Archive, path: Path, source: str, counts: Counter[str], *, keep_source_records: bool = True) -> None:
        self._archive, self._path, self._source, self._counts = archive, path, source, counts
        self._key = os.path.abspath(os.fsencode(path))
        settings = archive.settings.popularity
        ends = round(settings.plays_at_1), round(settings.plays_at_100)
        self._writer = ImportWriter(archive.catalogue, source, lambda plays: popularity_of_plays(plays, *ends))
        self._keep = keep_source_records
        self._sources = SourceRecords(archive.path / SOURCES)
        self._playlists: Playlists | None = None
        self._features: AudioFeatures | None = None
        self._is_first = True
        self._is_clean = False
        self._findings: list[Finding] = []
        self._measured: list[FeaturesRow] = []
        self._hidden = {stone.track_id for stone in archive.catalogue.tombstones() if not stone.shows_metadata}
        self._met: set[str] = set()
        self._read_rights = lru_cache(maxsize=1_000)(self._rights_uri)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for database in (self._sources, self._playlists, self._features):
            if database is not None:
                database.close()

    def write(self, lines: Sequence[ImportLine]) -> list[Finding]:
        """Everything that the lines say, inside the catalogue's transaction; the other databases are committed here. Gives the findings."""
        self._findings, self._measured = [], []
        if self._is_first and self._keep:
            self._sources.prepare(self._source, [line.content for line in lines])
        self._is_first = False
        with ExitStack() as stack:
            stack.enter_context(self._archive.ledger.transaction())
            stack.enter_context(self._sources.transaction())
            self._stack = stack
            records = [(self._write_line(line), line.content) for line in lines]
            self._writer.flush()
            if self._measured:
                self._open_features().put(self._source, self._measured)
            if self._keep:
                self._sources.put(self._source, records)
                self._counts["source records"] += sum(1 for ids, _ in records if ids)
            for finding in self._findings:
                self._archive.ledger.put_finding("import", finding, self._key, self._archive.now())
        return self._findings

    def _write_line(self, line: ImportLine) -> list[str]:
        """The ids of what the line speaks of."""
        self._counts["lines"] += 1
        for finding in line.findings:
            self._note(finding.code, finding.fact)
        ids: list[str] = []
        # only an escape gives a text of JSON what SQLite cannot hold: NUL, or half of a pair of surrogates
        self._is_clean = b"\\u" not in line.content and len(line.content) <= LONGEST_TEXT
        is_hidden = self._hidden and self._tells_of_hidden_alone(line)
        for row in line.rows:
            try:
                row = row if self._is_clean else clean_row(row)
                if not (is_hidden and isinstance(row, ArtistRow | AlbumRow)):
                    ids += self._write_row(row)
            except FormatError as error:
                self._note("bad-row", f"line {line.number}: {error.message}")
        return ids if self._hidden.isdisjoint(self._met) else []

    def _tells_of_hidden_alone(self, line: ImportLine) -> bool:
        """Whether all tracks of a line were withdrawn with their names: what they share is not told either."""
        self._met.clear()
        tracks = [row for row in line.rows if isinstance(row, MetadataRow)]
        return bool(tracks) and all(row.id in self._hidden for row in tracks)

    def _write_row(self, row: ImportRow) -> list[str]:
        if isinstance(row, MetadataRow):
            return self._write_track(row)
        if isinstance(row, ArtistRow | AlbumRow):
            is_artist = isinstance(row, ArtistRow)
            id, is_changed = self._writer.put_artist(row) if isinstance(row, ArtistRow) else self._writer.put_album(row)
            self._counts[f"{'artists' if is_artist else 'albums'} {'changed' if is_changed else 'unchanged'}"] += 1
            return [id]
        if isinstance(row, PlaylistRow):
            return self._write_playlist(row)
        return self._write_features(row)

    # tracks

    def _write_track(self, row: MetadataRow) -> list[str]:
        ids = self._tracks_meant(row)
        if ids is None:
            return []
        uri = self._read_rights(row.rights) if isinstance(row.rights, str) else None
        if isinstance(row.rights, str) and uri is None:
            self._note("unknown-rights", f"line {row.line}: {row.rights[:120]!r} is no known licence")
        if not ids:
            ids = [self._writer.track_of(row)]
            if not self._writer.is_known(ids[0]):
                self._writer.add_new(ids[0], row, uri, is_clean=self._is_clean)
                self._counts["tracks new"] += 1
                return self._remember(row, ids)
        for id in [id for id in ids if self._archive.catalogue.is_withdrawn(id)]:
            ids.remove(id)
            self._met.add(id)
            self._counts["tracks withdrawn"] += 1
        for id in ids:
            self._counts[f"tracks {'changed' if self._writer.change(id, row, uri) else 'unchanged'}"] += 1
        return self._remember(row, ids)

    def _tracks_meant(self, row: MetadataRow) -> list[str] | None:
        """The tracks that are known by the row's keys, none where it means a track by what it says; None where it cannot be told."""
        if row.id and not is_public_id(row.id) and (known := self._writer.track_called(row.id)):
            return [known]
        if not (row.path or row.isrc or row.mbid) or (row.id and is_public_id(row.id)):
            return []
        self._writer.flush()
        ids = find_tracks_of_row(self._archive, row, self._path, agrees=partial(_is_meant, row))
        if len(ids) > 1 and not row.mbid:
            if row.id or row.title or row.artists:
                return []  # it names itself: it is known by its own words
            self._note("unknown-track", f"line {row.line}: {len(ids)} tracks are known by {row.isrc or row.path}; an ISRC is no key")
            return None
        return ids

    def _remember(self, row: MetadataRow, ids: list[str]) -> list[str]:
        if row.id and not is_public_id(row.id) and len(ids) == 1:
            self._writer.call_track(row.id, ids[0])
        return ids

    def _rights_uri(self, statement: str) -> str | None:
        licence = read_statement(statement)
        uri = licence.uri if licence else None
        record_rights(self._archive, uri)
        return uri

    # playlists and features

    def _write_playlist(self, row: PlaylistRow) -> list[str]:
        entries = [entry if isinstance(entry, PlaylistEntry) else PlaylistEntry(track=entry) for entry in row.tracks]
        positions: list[int] = []
        for entry in entries:
            positions.append(entry.position if entry.position is not None else positions[-1] + 1 if positions else 0)
        tracks = tuple(self._track_by(entry.track) or entry.track for entry in entries)
        self._met |= self._hidden.intersection(tracks)
        unknown = sum(not is_public_id(track) for track in tracks)
        self._counts["playlist places without a known track"] += unknown
        playlist = Playlist(
            source=self._source, id=row.id, title=row.title, owner=row.owner, tracks=tracks,
            positions=None if positions == list(range(len(positions))) else tuple(positions),
        )  # fmt: skip
        self._open_playlists().put(playlist)
        self._counts["playlists"] += 1
        return [f"playlist:{row.id}"]

    def _write_features(self, row: FeaturesRow) -> list[str]:
        id = self._track_by(row.track)
        if id is None:
            self._note("unknown-track", f"line {row.line}: no track is known by {row.track[:200]!r}")
            return []
        if self._archive.catalogue.is_withdrawn(id):
            self._met.add(id)
            self._counts["tracks withdrawn"] += 1
            return []
        self._measured.append(msgspec.structs.replace(row, track=id))
        self._counts["features"] += 1
        return [id]

    def _track_by(self, key: str) -> str | None:
        """The public id of a track by public id, by its source's own id, or by an ISRC that one track alone carries."""
        if is_public_id(key):
            return key
        if known := self._writer.track_called(key):
            return known
        isrc = parse_isrc(key)
        ids = self._writer.ids_by_isrc(isrc) if isrc else ()
        return ids[0] if len(ids) == 1 else None

    def _open_playlists(self) -> Playlists:
        if self._playlists is None:
            self._playlists = Playlists(self._archive.path / PLAYLISTS)
        if not self._playlists.is_writing:
            self._stack.enter_context(self._playlists.transaction())
        return self._playlists

    def _open_features(self) -> AudioFeatures:
        if self._features is None:
            self._features = AudioFeatures(self._archive.path / FEATURES)
        return self._features

    def _note(self, code: str, fact: str) -> None:
        self._findings.append(Finding(code, show_path(self._key), fact))
        if self._findings[-1].kind.weight == "set-aside":
            self._counts["set-aside"] += 1


def _is_meant(row: MetadataRow, track: TrackRecord) -> bool:
    """Whether a row may mean a track that only has an ISRC in common with it: unrelated songs share them now and then."""
    if row.id:
        return False  # its source tells them apart itself
    if row.title and track.title and fold_name(row.title) != fold_name(track.title):
        return False
    artists = {fold_name(name) for name in row.artists or ()}
    return not artists or not track.artists or not artists.isdisjoint(map(fold_name, track.artists))
