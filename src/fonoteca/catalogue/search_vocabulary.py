"""The words that an index knows, and how many tracks hold each: what queries are planned and typos are mended with."""

from __future__ import annotations

from typing import Protocol

from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.spelling import nearest_in_vocabulary, nearest_words, slips_for
from fonoteca.catalogue.statements import Statements

MANY = 1 << 40
"""More tracks than there are: the estimate of a beginning too short to be counted."""
WORTH_A_SECOND = 30
"""Tracks of the rarest term from which on the list of another is read, too: fewer rows are quicker looked at themselves."""
PREFIX_ROWS_PER_LOOK = 1000
"""Entries of lists that FTS5 puts together in the time of one look at a row: 30 ns against 30 µs (November 2026)."""
_MOST_COUNTED = 300
_LAST = "\U0010ffff"


class Vocabulary(Protocol):
    """The words of one index."""

    def tracks_of(self, word: str) -> int:
        """Tracks that hold the word, about; 0 where it is unknown or rare."""

    def tracks_beginning(self, start: str) -> int:
        """Tracks that hold words that begin so, about; at least 1 where there is such a word."""

    def nearest(self, word: str) -> list[str]:
        """Known words a slip or two away, the commonest first."""


class EditionVocabulary:
    """The tables `words` and `spellings` of an edition."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def tracks_of(self, word: str) -> int:
        """As Vocabulary says."""
        return int(self._statements.value("SELECT tracks FROM words WHERE text = ?", (word,)) or 0)

    def tracks_beginning(self, start: str) -> int:
        """As Vocabulary says."""
        sql = "SELECT count(*), sum(tracks) FROM (SELECT tracks FROM words WHERE text >= ? AND text < ? LIMIT ?)"
        found = self._statements.row(sql, (start, start + _LAST, _MOST_COUNTED))
        return 0 if not found or not found[0] else int(found[1]) * (100 if found[0] == _MOST_COUNTED else 1)

    def nearest(self, word: str) -> list[str]:
        """As Vocabulary says."""
        return nearest_words(self._statements, word)


class WorkingVocabulary:
    """The words of a working catalogue, read from its FTS5 index itself; typos in the first letter are not mended."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        statements.run("CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_vocabulary USING fts5vocab(main, track_search, row)")

    def tracks_of(self, word: str) -> int:
        """As Vocabulary says."""
        return int(self._statements.value("SELECT doc FROM temp.search_vocabulary WHERE term = ?", (word,)) or 0)

    def tracks_beginning(self, start: str) -> int:
        """As Vocabulary says."""
        sql = "SELECT sum(doc) FROM (SELECT doc FROM temp.search_vocabulary WHERE term >= ? AND term < ? LIMIT ?)"
        return int(self._statements.value(sql, (start, start + _LAST, _MOST_COUNTED)) or 0)

    def nearest(self, word: str) -> list[str]:
        """As Vocabulary says."""
        sql = "SELECT term, doc FROM temp.search_vocabulary WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ?"
        slips = slips_for(word)
        lengths = (len(word) - slips, len(word) + slips)
        return nearest_in_vocabulary(self._statements.rows(sql, (word[0], word[0] + _LAST, *lengths)), word) if slips else []


def estimate(vocabulary: Vocabulary, term: Term) -> int:
    """Tracks that hold the term, about: of each alternative the rarest token."""
    return sum(_estimate_all(vocabulary, alternative, term.is_prefix) for alternative in term.alternatives)


def _estimate_all(vocabulary: Vocabulary, tokens: tuple[str, ...], is_prefix: bool) -> int:
    *whole, last = tokens
    counts = [vocabulary.tracks_of(token) for token in whole]
    if not is_prefix:
        counts.append(vocabulary.tracks_of(last))
    elif len(last) < 3 and last.isascii():
        counts.append(MANY)
    else:
        counts.append(vocabulary.tracks_beginning(last))
    return min(counts)


def choose_leading(vocabulary: Vocabulary, terms: list[Term]) -> list[Term]:
    """The rarest terms, at most two, that the index is asked for; the others are looked for in the rows it names.

    A second one is asked for only where it is worth reading its list: not where the first is rare already, nor where it is a beginning
    of so many words that putting their lists together takes longer than looking at the rows of the first.
    """
    counted = sorted(((estimate(vocabulary, term), place) for place, term in enumerate(terms)))
    if not counted:
        return []
    chosen = [terms[counted[0][1]]]
    if len(counted) > 1 and counted[0][0] > WORTH_A_SECOND:
        second = terms[counted[1][1]]
        if counted[1][0] < (PREFIX_ROWS_PER_LOOK * counted[0][0] if second.is_prefix else MANY):
            chosen.append(second)
    return chosen


def match_expression(terms: list[Term]) -> str:
    """The FTS5 expression for all of the terms; every token is quoted, so that nothing in it is syntax."""
    return " AND ".join("(" + " OR ".join(_all_tokens(tokens, term.is_prefix) for tokens in term.alternatives) + ")" for term in terms)


def _all_tokens(tokens: tuple[str, ...], is_prefix: bool) -> str:
    quoted = ['"' + token.replace('"', '""') + '"' for token in tokens]
    return "(" + " AND ".join(quoted) + (" *" if is_prefix else "") + ")"
