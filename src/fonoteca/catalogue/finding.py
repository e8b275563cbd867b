"""What answers to a name of any kind: ids, ISRC, UPC, MBID, AACID, hash, container, title, artist, album."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Literal

from fonoteca.catalogue.barcodes import parse_gtin
from fonoteca.catalogue.finding_tracks import BY_ISRC, MOST_LOOKED_AT, MOST_TERMS, by_aacid, by_hash, ids_of_title, search_tables
from fonoteca.catalogue.identifiers import is_public_id, parse_mbid, track_id_of
from fonoteca.catalogue.isrc import parse_isrc
from fonoteca.catalogue.isrc_numbers import isrc_number
from fonoteca.catalogue.names import clean_text, normal_form, search_key
from fonoteca.catalogue.records import Found
from fonoteca.catalogue.search_text import LONGEST_NAME, query_terms
from fonoteca.catalogue.search_vocabulary import match_expression
from fonoteca.catalogue.statements import Statements

_KINDS: tuple[Literal["track", "album", "artist"], ...] = ("track", "album", "artist")
_BY_MBID = (("track", "recording_mbid"), ("album", "mbid"), ("artist", "mbid"))


def find_things(sql: Statements, text: str) -> list[Found]:
    """What `text` names: public id (a retired one gives what replaced it), AACID, ISRC, MBID, SHA-256, UPC or EAN, container, exact
    title of a track, name or alias of an artist, title of an album.

    The first kind that finds something decides; of several finds tracks come first, each kind sorted by id.
    """
    text = clean_text(text.strip())
    if not text or len(text) > 10_000:
        return []
    for found in _answers(sql, text):
        things = sorted(set(found), key=lambda thing: (_place(thing), thing.id))
        if things:
            return things
    return []


def find_albums(sql: Statements, title: str) -> list[Found]:
    """The albums of this title, also where an artist or a track goes by the same name; sorted by id."""
    return [Found("album", album_id) for album_id in sorted(set(_ids_by_words(sql, "album", ("title",), clean_text(title.strip()))))]


def _place(thing: Found) -> int:
    return ("track", "album", "artist", "container").index(thing.kind)


def _answers(sql: Statements, text: str) -> Iterator[Iterable[Found]]:
    if is_public_id(text):
        yield _by_id(sql, text)
    if text.startswith("aacid__"):
        for query, *bindings in by_aacid(sql, text):
            yield _tracks(sql, query, *bindings)
    if isrc := parse_isrc(text):
        yield _tracks(sql, BY_ISRC, isrc_number(isrc))
    if mbid := parse_mbid(text):
        yield [
            Found(kind, row[0])  # type: ignore[arg-type]
            for kind, column in _BY_MBID
            for row in sql.rows(f"SELECT id FROM {kind}s WHERE {column} = ?", (mbid,))
        ]
    if len(text) == 64 and not set(text.lower()) - set("0123456789abcdef"):
        yield _tracks(sql, by_hash(sql), bytes.fromhex(text))
        yield _by_id(sql, track_id_of(text.lower()))
    if (gtin := parse_gtin(text)) is not None:
        yield [Found("album", row[0]) for row in sql.rows("SELECT id FROM albums WHERE gtin = ?", (gtin,))]
    yield [Found("container", row[0]) for row in sql.rows("SELECT name FROM containers WHERE name = ?", (text,))]
    yield (Found("track", track_id) for track_id in ids_of_title(sql, text))
    yield (Found("artist", artist_id) for artist_id in _ids_of_artist(sql, text))
    yield (Found("album", album_id) for album_id in _ids_by_words(sql, "album", ("title",), text))


def _tracks(sql: Statements, query: str, *bindings: Any) -> list[Found]:
    return [Found("track", row[0]) for row in sql.rows(query, bindings)]


def _by_id(sql: Statements, public_id: str) -> list[Found]:
    for candidate in dict.fromkeys((public_id, resolve_id(sql, public_id))):
        found = [
            Found(kind, candidate) for kind in _KINDS if sql.row(f"SELECT 1 FROM {kind}s WHERE {sql.id_is('id')}", (candidate,)) is not None
        ]
        if found:
            return found
    return []


def resolve_id(sql: Statements, public_id: str) -> str:
    """The id that stands for this one: where it was retired the one that took its place, else itself."""
    seen = {public_id}
    while target := sql.value("SELECT target FROM redirects WHERE id = ?", (clean_text(public_id),)):
        if target in seen:
            break
        seen.add(public_id := target)
    return public_id


def _ids_of_artist(sql: Statements, text: str) -> Iterator[str]:
    """By the index of names, as given and in lower, upper and title case; by alias likewise; else by name or sort name, folded."""
    name = normal_form(" ".join(text.split()))
    forms = tuple({normal_form(form) for form in (text, name, name.lower(), name.upper(), name.title(), name.capitalize())})
    marks = ", ".join("?" * len(forms))
    found = list(sql.rows(f"SELECT id FROM artists WHERE name IN ({marks})", forms))
    if not found:
        found = list(sql.rows(f"SELECT id FROM artist_aliases JOIN artists USING (artist) WHERE alias IN ({marks})", forms))
    yield from (row[0] for row in found) if found else _ids_by_words(sql, "artist", ("name", "sort_name"), text)


def _ids_by_words(sql: Statements, kind: str, columns: tuple[str, ...], text: str) -> Iterator[str]:
    """Ids of the artists or albums with `text`, folded, in one of the columns."""
    key, terms = search_key(text), query_terms(text, is_last_open=False)
    if not terms or len(text) > LONGEST_NAME:
        return
    expression = match_expression(terms[:MOST_TERMS])
    queries = [
        f"SELECT x.id, {', '.join(f'x.{column}' for column in columns)} FROM {name} JOIN {kind}s x ON x.{kind} = {name}.rowid "
        f"WHERE {name} MATCH ?"
        for name in search_tables(sql, kind)
    ]
    rows = (row for query in queries for row in sql.rows(query, (expression,)))
    yield from (found for found, *names in islice(rows, MOST_LOOKED_AT) if any(name and search_key(name) == key for name in names))
