"""Lines that scan_line has understood as rows: keys, what they name for the first time, and links. Compiled functions only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from fonoteca.catalogue.bulk.import_digests import gtin_at, isrc_at, key_of_words, sha256_into, words_of_id
from fonoteca.catalogue.bulk.import_names import KEY, WORD, Names, copy_bytes, find_name, keep_key, put_marked, put_number, put_span
from fonoteca.catalogue.bulk.import_scan import (
    ALBUM,
    ALBUM_ARTISTS,
    ALBUM_MBID,
    ALBUM_POPULARITY,
    ARTIST_MBIDS,
    ARTIST_POPULARITY,
    ARTISTS,
    ATTRIBUTION,
    BARCODE,
    COUNTS,
    DATE,
    DISC,
    DURATION,
    EXPLICIT,
    FOLLOWERS,
    GENRES,
    ID,
    ISRC,
    ISRCS,
    LABEL,
    MBID,
    NUMBER,
    PATH,
    PLAYS,
    POPULARITY,
    RECORDING,
    RIGHTS,
    TITLE,
    Line,
    Words,
    scan_line,
)  # fmt: skip
from fonoteca.catalogue.bulk.import_usual import is_usual

NULL = np.iinfo(np.int64).min
TRACK_NUMBERS = (
    "seq", "key", "artist", "album", "disc", "number", "duration_ms", "explicit", "isrc_number", "plays", "label", "told",
)  # fmt: skip
TRACK_TEXTS = ("title", "date", "recording_mbid", "rights_text", "attribution", "credited_as")
_SEQ, _KEY, _ARTIST, _ALBUM, _DISC, _NUMBER, _DURATION, _EXPLICIT, _ISRC, _PLAYS, _LABEL, _TOLD = range(12)
ROWS = ("tracks", "artists", "albums", "album_artists", "further_track_artists", "further_isrcs", "track_genres", "barcodes",
        "recording_lines", "foreign_ids")  # fmt: skip
_TRACKS, _ARTISTS, _ALBUMS, _ALBUM_ARTISTS, _FURTHER, _ISRCS, _GENRES, _BARCODES, _RECORDINGS, _FOREIGN = range(10)
TAKEN, LEFT = 1, 2
_TELLING = (2 << EXPLICIT) - 16  # all fields but keys, `extra` and `record`


class Rows(NamedTuple):
    """Columns to fill. Spans are (begin, end) in the block, -1 for NULL."""

    used: Any  # rows of each table in ROWS
    tracks: Any
    track_words: Any
    track_texts: Any
    scores: Any
    artists: Any  # seq, key, followers, told
    artist_words: Any
    artist_texts: Any  # name, mbid
    artist_scores: Any
    albums: Any  # seq, key, gtin, told
    album_words: Any
    album_texts: Any  # title, mbid
    album_scores: Any
    album_artists: Any  # seq, key, position, artist
    further: Any  # seq, position, artist
    further_credits: Any
    isrcs: Any  # seq, position, isrc_number
    genres: Any  # seq, position, genre
    barcodes: Any  # seq
    barcode_texts: Any
    recordings: Any  # seq, key
    foreign: Any  # seq, key
    foreign_texts: Any


class Scratch(NamedTuple):
    """What is overwritten by every line."""

    line: Line
    message: Any
    words: Any
    state: Any
    keys: Any


class Shelves(NamedTuple):
    """The names of the block."""

    artists: Names
    albums: Names
    labels: Names
    genres: Names


@njit(nogil=True, cache=True, inline="always")
def _set_span(spans: Any, column: int, row: int, begin: Any, end: Any) -> None:
    spans[column, row, 0], spans[column, row, 1] = begin, end


@njit(nogil=True, cache=True)
def _named(names: Names, buffer: Any, begin: int, end: int, scratch: Scratch) -> Any:
    """The key of a label or a genre."""
    length = copy_bytes(scratch.message, 0, buffer, begin, end)
    entry, is_new = find_name(names, scratch.message, length)
    if not is_new:
        return names.entries[entry, KEY]
    sha256_into(scratch.message, length, scratch.words, scratch.state)
    return keep_key(names, entry, scratch.state)


_ARTIST_KIND = np.frombuffer(b"6:artist,", np.uint8)
_ARTIST_MBID = np.frombuffer(b"11:artist-mbid,", np.uint8)
_ALBUM_KIND = np.frombuffer(b"5:album,", np.uint8)
_WANTED = np.frombuffer(b"6:wanted,", np.uint8)
_RECORDING_KIND = np.frombuffer(b"9:recording,", np.uint8)


@njit(nogil=True, cache=True)
def _artist(seq: int, buffer: Any, name: int, mbid: int, is_told: bool, rows: Rows, names: Names, scratch: Scratch) -> Any:
    """The key of an artist; name and MBID (-1: none) are items of the line. One of whom something is told gets a row again."""
    message, items = scratch.message, scratch.line.items
    at = message_end = put_span(message, copy_bytes(message, 0, _ARTIST_KIND, 0, len(_ARTIST_KIND)), buffer, items, name)
    if mbid >= 0:
        at = put_span(message, at, buffer, items, mbid)
    entry, is_new = find_name(names, message, at)
    if is_new:
        if mbid >= 0:
            message_end = put_span(message, copy_bytes(message, 0, _ARTIST_MBID, 0, len(_ARTIST_MBID)), buffer, items, mbid)
        sha256_into(message, message_end, scratch.words, scratch.state)
        keep_key(names, entry, scratch.state)
    if is_new or is_told:
        row = rows.used[_ARTISTS]
        rows.used[_ARTISTS] += 1
        rows.artists[0, row], rows.artists[1, row] = seq, names.entries[entry, KEY]
        rows.artists[2, row], rows.artists[3, row] = NULL, 0
        for word in range(4):
            rows.artist_words[row, word] = names.entries[entry, WORD + word]
        _set_span(rows.artist_texts, 0, row, items[name, 0], items[name, 1])
        _set_span(rows.artist_texts, 1, row, items[mbid, 0] if mbid >= 0 else -1, items[mbid, 1] if mbid >= 0 else -1)
        rows.artist_scores[row] = np.nan
    return names.entries[entry, KEY]


@njit(nogil=True, cache=True, inline="always")
def _take_artists(seq: int, buffer: Any, told: int, rows: Rows, names: Names, scratch: Scratch) -> Any:
    """The keys of a line's artists, in scratch.keys."""
    line = scratch.line
    first, count = line.spans[ARTISTS, 0], line.spans[ARTISTS, 1]
    first_mbid, is_aligned = line.spans[ARTIST_MBIDS, 0], line.spans[ARTIST_MBIDS, 1] > 0
    score, followers = line.scores[ARTIST_POPULARITY - POPULARITY], line.counts[FOLLOWERS - DISC]
    for place in range(count):
        mbid = first_mbid + place if is_aligned else -1
        is_told = place == 0 and (not np.isnan(score) or followers >= 0)
        scratch.keys[place] = _artist(seq, buffer, first + place, mbid, is_told, rows, names, scratch)
        if is_told:
            row = rows.used[_ARTISTS] - 1
            rows.artist_scores[row] = score
            rows.artists[2, row] = followers if followers >= 0 else NULL
            rows.artists[3, row] = (0 if np.isnan(score) else 1) | (2 if followers >= 0 else 0)
        if place:
            row = rows.used[_FURTHER]
            rows.used[_FURTHER] += 1
            rows.further[0, row], rows.further[1, row], rows.further[2, row] = seq, place, scratch.keys[place]
            begin, end = line.items[first + place, 0], line.items[first + place, 1]
            _set_span(rows.further_credits, 0, row, begin if is_aligned else -1, end if is_aligned else -1)


@njit(nogil=True, cache=True, inline="always")
def _album(seq: int, buffer: Any, rows: Rows, shelves: Shelves, scratch: Scratch) -> Any:
    """The key of the album that a line names; NULL where it names none."""
    line, message, spans = scratch.line, scratch.message, scratch.line.spans
    first, count = spans[ALBUM_ARTISTS, 0], spans[ALBUM_ARTISTS, 1]
    if spans[ALBUM, 0] < 0 and spans[ALBUM_MBID, 0] < 0 and spans[BARCODE, 0] < 0 and count == 0:
        return NULL
    at = copy_bytes(message, 0, _ALBUM_KIND, 0, len(_ALBUM_KIND))
    at = put_marked(message, at, buffer, spans, ALBUM_MBID)
    at = put_marked(message, at, buffer, spans, BARCODE)
    at = put_marked(message, at, buffer, spans, ALBUM)
    for place in range(first, first + count):
        at = put_span(message, at, buffer, line.items, place)
    names, score = shelves.albums, line.scores[ALBUM_POPULARITY - POPULARITY]
    entry, is_new = find_name(names, message, at)
    if is_new:
        sha256_into(message, at, scratch.words, scratch.state)
        keep_key(names, entry, scratch.state)
    key, gtin = names.entries[entry, KEY], NULL
    if spans[BARCODE, 0] >= 0:
        number, is_as_written = gtin_at(buffer, spans[BARCODE, 0], spans[BARCODE, 1])
        gtin = _or_null(number)
        if not is_as_written:
            row = rows.used[_BARCODES]
            rows.used[_BARCODES] += 1
            rows.barcodes[0, row] = seq
            _set_span(rows.barcode_texts, 0, row, spans[BARCODE, 0], spans[BARCODE, 1])
    if is_new or not np.isnan(score):
        row = rows.used[_ALBUMS]
        rows.used[_ALBUMS] += 1
        rows.albums[0, row], rows.albums[1, row], rows.albums[2, row] = seq, key, gtin
        rows.albums[3, row] = 0 if np.isnan(score) else 1
        for word in range(4):
            rows.album_words[row, word] = names.entries[entry, WORD + word]
        _set_span(rows.album_texts, 0, row, spans[ALBUM, 0], spans[ALBUM, 1])
        _set_span(rows.album_texts, 1, row, spans[ALBUM_MBID, 0], spans[ALBUM_MBID, 1])
        rows.album_scores[row] = score
        for place in range(count):
            artist = _artist(seq, buffer, first + place, -1, False, rows, shelves.artists, scratch)
            link = rows.used[_ALBUM_ARTISTS]
            rows.used[_ALBUM_ARTISTS] += 1
            rows.album_artists[0, link], rows.album_artists[1, link] = seq, key
            rows.album_artists[2, link], rows.album_artists[3, link] = place, artist
    return key


@njit(nogil=True, cache=True, inline="always")
def _track_key(seq: int, buffer: Any, row: int, rows: Rows, scratch: Scratch) -> None:
    """The id of the line's track, from its own id, its recording, or its ISRCs and names together."""
    line, message, state = scratch.line, scratch.message, scratch.state
    spans = line.spans
    recording = RECORDING if spans[RECORDING, 0] >= 0 else MBID
    is_public = spans[ID, 0] >= 0 and words_of_id(buffer, spans[ID, 0], spans[ID, 1], state)
    if not is_public:
        if spans[recording, 0] >= 0:
            at = copy_bytes(message, 0, _RECORDING_KIND, 0, len(_RECORDING_KIND))
            at = put_span(message, at, buffer, spans, recording)
        else:
            at = _put_names(buffer, line, message)
        sha256_into(message, at, scratch.words, state)
    key = key_of_words(state[0], state[1])
    rows.tracks[_KEY, row] = key
    for word in range(4):
        rows.track_words[row, word] = np.int64(state[word])
    _set_span(rows.track_texts, 2, row, spans[recording, 0], spans[recording, 1])
    if spans[MBID, 0] >= 0 and not is_public:
        place = rows.used[_RECORDINGS]
        rows.used[_RECORDINGS] += 1
        rows.recordings[0, place], rows.recordings[1, place] = seq, key
    if spans[ID, 1] > spans[ID, 0] and not is_public:
        place = rows.used[_FOREIGN]
        rows.used[_FOREIGN] += 1
        rows.foreign[0, place], rows.foreign[1, place] = seq, key
        _set_span(rows.foreign_texts, 0, place, spans[ID, 0], spans[ID, 1])


@njit(nogil=True, cache=True)
def _put_names(buffer: Any, line: Line, message: Any) -> Any:
    """The message that the id of a track without a better key is made of."""
    at = copy_bytes(message, 0, _WANTED, 0, len(_WANTED))
    first, count = line.spans[ISRCS, 0], line.spans[ISRCS, 1]
    if count:
        at = put_number(message, at, 13 * count - 1)
        for place in range(count):
            message[at] = 58 if place == 0 else 44
            begin = line.items[first + place, 0]
            at = copy_bytes(message, at + 1, buffer, begin, begin + 12)
        message[at] = 44
        at += 1
    else:
        at = put_span(message, at, buffer, line.spans, ISRC)
    at = put_span(message, at, buffer, line.spans, TITLE)
    first, count = line.spans[ARTISTS, 0], line.spans[ARTISTS, 1]
    for place in range(first, first + count):
        at = put_span(message, at, buffer, line.items, place)
    at = put_span(message, at, buffer, line.spans, ALBUM)
    at = put_span(message, at, buffer, line.spans, PATH)
    return put_span(message, at, buffer, line.spans, ID)


@njit(nogil=True, cache=True, inline="always")
def _take_line(seq: int, told: int, buffer: Any, rows: Rows, shelves: Shelves, scratch: Scratch) -> None:
    line, tracks, texts = scratch.line, rows.tracks, rows.track_texts
    spans, items, row = line.spans, line.items, rows.used[_TRACKS]
    rows.used[_TRACKS] += 1
    tracks[_SEQ, row], tracks[_TOLD, row] = seq, told & _TELLING
    for column in range(_DISC, _PLAYS + 1):
        tracks[column, row] = NULL
    tracks[_DISC, row], tracks[_NUMBER, row] = _or_null(line.counts[0]), _or_null(line.counts[NUMBER - DISC])
    tracks[_DURATION, row], tracks[_PLAYS, row] = _or_null(line.counts[DURATION - DISC]), _or_null(line.counts[PLAYS - DISC])
    tracks[_EXPLICIT, row] = _or_null(line.explicit[0])
    rows.scores[row] = line.scores[0]
    _set_span(texts, 0, row, spans[TITLE, 0], spans[TITLE, 1])
    _set_span(texts, 1, row, spans[DATE, 0], spans[DATE, 1])
    _set_span(texts, 3, row, spans[RIGHTS, 0], spans[RIGHTS, 1])
    _set_span(texts, 4, row, spans[ATTRIBUTION, 0], spans[ATTRIBUTION, 1])
    _set_span(texts, 5, row, -1, -1)
    _track_key(seq, buffer, row, rows, scratch)
    tracks[_ARTIST, row] = NULL
    if spans[ARTISTS, 1]:
        _take_artists(seq, buffer, told, rows, shelves.artists, scratch)
        tracks[_ARTIST, row] = scratch.keys[0]
        if spans[ARTIST_MBIDS, 1]:
            _set_span(texts, 5, row, items[spans[ARTISTS, 0], 0], items[spans[ARTISTS, 0], 1])
    tracks[_ALBUM, row] = _album(seq, buffer, rows, shelves, scratch)
    first, count = spans[ISRCS, 0], spans[ISRCS, 1]
    if count:
        tracks[_ISRC, row] = isrc_at(buffer, items[first, 0], items[first, 1])
    elif spans[ISRC, 0] >= 0 and not told >> ISRCS & 1:
        tracks[_ISRC, row] = isrc_at(buffer, spans[ISRC, 0], spans[ISRC, 1])
    for place in range(1, count):
        link = rows.used[_ISRCS]
        rows.used[_ISRCS] += 1
        rows.isrcs[0, link], rows.isrcs[1, link] = seq, place
        rows.isrcs[2, link] = isrc_at(buffer, items[first + place, 0], items[first + place, 1])
    tracks[_LABEL, row] = NULL
    if spans[LABEL, 0] >= 0:
        tracks[_LABEL, row] = _named(shelves.labels, buffer, spans[LABEL, 0], spans[LABEL, 1], scratch)
    first, count = spans[GENRES, 0], spans[GENRES, 1]
    for place in range(count):
        link = rows.used[_GENRES]
        rows.used[_GENRES] += 1
        rows.genres[0, link], rows.genres[1, link] = seq, place
        rows.genres[2, link] = _named(shelves.genres, buffer, items[first + place, 0], items[first + place, 1], scratch)


@njit(nogil=True, cache=True, inline="always")
def _or_null(number: Any) -> Any:
    return number if number >= 0 else NULL


@njit(nogil=True, cache=True)
def _has_room(names: Names, more: int) -> Any:
    return 2 * (names.used[0] + more) < len(names.slots)


@njit(nogil=True, cache=True)
def take_lines(
    buffer: Any, ends: Any, begin: int, base: int, words: Words, rows: Rows, shelves: Shelves, scratch: Scratch, kinds: Any
) -> Any:
    """Take the lines from `begin` on, and say of each in `kinds` what it was; gives the first for whose names there is too little room."""
    at = ends[begin - 1] + 1 if begin else 0
    items = len(scratch.line.items)
    for number in range(begin, len(ends)):
        end = ends[number]
        more = min(items, (end - at) // 2 + 2)
        if not (_has_room(shelves.artists, more) and _has_room(shelves.genres, more)):
            return number
        if not (_has_room(shelves.albums, 1) and _has_room(shelves.labels, 1)):
            return number
        told = scan_line(buffer, at, end, scratch.line, words)
        if told >= 0 and is_usual(buffer, scratch.line):
            _take_line(base + number, told, buffer, rows, shelves, scratch)
            kinds[number] = TAKEN
        else:
            kinds[number] = LEFT
        at = end + 1
    return len(ends)


@njit(nogil=True, cache=True)
def gather_texts(buffer: Any, spans: Any, offsets: Any, content: Any) -> Any:
    """The texts at `spans`, one behind the other, with their offsets; gives the bytes used."""
    used = 0
    for row in range(len(spans)):
        offsets[row] = used
        for place in range(max(spans[row, 0], 0), max(spans[row, 1], 0)):
            content[used] = buffer[place]
            used += 1
    offsets[len(spans)] = used
    return used


assert len(COUNTS) == FOLLOWERS - DISC + 1
