"""The ids of tracks that answer to what a person types."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from fonoteca.catalogue.aacids import parse_aacid
from fonoteca.catalogue.identifiers import is_public_id, parse_mbid
from fonoteca.catalogue.isrc import parse_isrc
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.names import clean_text, search_key
from fonoteca.catalogue.search_text import LONGEST_NAME, query_terms
from fonoteca.catalogue.search_vocabulary import match_expression
from fonoteca.catalogue.statements import Statements

BY_ISRC = """
SELECT t.id FROM tracks t WHERE t.isrc_number = ?1
UNION ALL SELECT t.id FROM further_isrcs i JOIN tracks t USING (track) WHERE i.isrc_number = ?1
"""
BY_MBID = """
SELECT id FROM tracks WHERE recording_mbid = ?1
UNION ALL SELECT t.id FROM albums b JOIN tracks t USING (album) WHERE b.mbid = ?1
UNION ALL SELECT t.id FROM artists a JOIN tracks t USING (artist) WHERE a.mbid = ?1
UNION ALL SELECT t.id FROM artists a JOIN further_track_artists USING (artist) JOIN tracks t USING (track) WHERE a.mbid = ?1
"""
_BY_AACID_TEXT = "SELECT t.id FROM files f JOIN tracks t USING (track) WHERE f.aacid = ?1"
_BY_AACID = """
SELECT t.id FROM tracks t JOIN files f USING (track) JOIN containers c USING (container)
WHERE {track} AND c.collection = ?2 AND f.second = ?3 AND f.short = ?4
"""


MOST_TERMS = 32
"""Words of a title by which rows are looked up; the title itself decides."""
MOST_LOOKED_AT = 500_000
"""Rows with all words of a title that are compared, in an edition the most popular ones: about a second."""


def find_track_ids(sql: Statements, text: str) -> list[str]:
    """Public ids, sorted, of the tracks that `text` names: by id, AACID, ISRC, MBID (recording, album, artist), SHA-256 or exact title.

    The first kind that finds something decides; white space around is ignored, titles are compared folded.
    """
    text = clean_text(text.strip())
    for query, *bindings in _questions(sql, text):
        found = sorted({row[0] for row in sql.rows(query, bindings)})
        if found:
            return found
    return sorted(ids_of_title(sql, text))


def find_keyed_ids(sql: Statements, track_id: str | None, isrc: str | None, mbid: str | None) -> list[str]:
    """Public ids, sorted, of the tracks that carry all of the given keys (public id, ISRC, recording MBID); none without a key."""
    found: list[set[str]] = []
    if track_id:
        found.append({row[0] for row in sql.rows(f"SELECT id FROM tracks WHERE {sql.id_is('id')}", (clean_text(track_id),))})
    if isrc:
        found.append({row[0] for row in sql.rows(BY_ISRC, (isrc_number(isrc),))})
    if mbid:
        found.append({row[0] for row in sql.rows("SELECT id FROM tracks WHERE recording_mbid = ?", (mbid,))})
    return sorted(set.intersection(*found)) if found else []


def _questions(sql: Statements, text: str) -> Iterator[tuple[Any, ...]]:
    if is_public_id(text):
        yield f"SELECT id FROM tracks WHERE {sql.id_is('id')}", text
    if text.startswith("aacid__"):
        yield from by_aacid(sql, text)
    if isrc := parse_isrc(text):
        yield BY_ISRC, isrc_number(isrc)
    if mbid := parse_mbid(text):
        yield BY_MBID, mbid
    if len(text) == 64 and not set(text.lower()) - set("0123456789abcdef"):
        yield by_hash(sql), bytes.fromhex(text)


def by_aacid(sql: Statements, text: str) -> Iterator[tuple[Any, ...]]:
    """Queries for the track of an AACID, with their bindings."""
    if parts := parse_aacid(text):
        yield _BY_AACID.format(track=sql.id_is("t.id")), parts.track_id, parts.collection, parts.second, parts.short
    yield _BY_AACID_TEXT, text


def by_hash(sql: Statements) -> str:
    """A query for the tracks of a hash of a file, of the file it came from, or of its sound."""
    names = ("sha256", "source_sha256") if sql.is_edition else ("sha256", "source_sha256", "essence_sha256")
    queries = (f"SELECT t.id FROM files f JOIN tracks t USING (track) WHERE {sql.hash_is(f'f.{name}')}" for name in names)
    return " UNION ALL ".join(queries)


def ids_of_title(sql: Statements, text: str) -> Iterator[str]:
    """Public ids of the tracks whose title is `text`, folded and with single spaces."""
    key, terms = search_key(text), query_terms(text, is_last_open=False)
    if not key or not terms or len(text) > LONGEST_NAME:
        return
    for track_id, title in islice(_rows_with(sql, match_expression(terms[:MOST_TERMS])), MOST_LOOKED_AT):
        if search_key(title) == key:
            yield track_id


def _rows_with(sql: Statements, expression: str) -> Iterator[tuple[Any, ...]]:
    for name in search_tables(sql, "track"):
        query = f"SELECT t.id, t.title FROM {name} JOIN tracks t ON t.track = {name}.rowid WHERE {name} MATCH ? AND t.title IS NOT NULL"
        yield from sql.rows(query, (expression,))


def search_tables(sql: Statements, kind: str) -> list[str]:
    """The FTS5 tables in which rows of a kind are found, most popular first; a working catalogue has one of each kind."""
    if not sql.is_edition:
        return [f"{kind}_search"]
    return [row[0] for row in sql.rows("SELECT name FROM search_tiers WHERE kind = ? ORDER BY tier", (kind,))]
