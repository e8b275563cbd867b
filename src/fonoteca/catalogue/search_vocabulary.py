"""The words that an index knows, and how many tracks hold each: what queries are planned and typos are mended with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fonoteca.catalogue.search_text import Term
from fonoteca.catalogue.spelling import nearest_in_vocabulary, nearest_words, slips_for
from fonoteca.catalogue.statements import Statements

_MOST_COUNTED = 300
_COMMONEST = 1000
_LAST = "\U0010ffff"
MOST_NESTED = 8
"""Words that are asked for in pairs; more could be too deep for FTS5, and leave nothing to be found anyway."""


class Vocabulary(Protocol):
    """The words of one index."""

    def rows(self) -> int:
        """Tracks that there are."""

    def tracks_of(self, word: str) -> int:
        """Tracks that hold the word, about; 0 where it is unknown or rare."""

    def tracks_beginning(self, start: str) -> int:
        """Tracks that hold words that begin so, about; at least 1 where there is such a word."""

    def nearest(self, word: str, most: int = 3) -> list[str]:
        """Known words a slip or two away, the commonest first."""


class EditionVocabulary:
    """The tables `words` and `spellings` of an edition."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def rows(self) -> int:
        """As Vocabulary says."""
        return int(self._statements.value("SELECT max(track) FROM tracks") or 0)

    def tracks_of(self, word: str) -> int:
        """As Vocabulary says."""
        return int(self._statements.value("SELECT tracks FROM words WHERE text = ?", (word,)) or 0)

    def tracks_beginning(self, start: str) -> int:
        """As Vocabulary says."""
        sql = "SELECT count(*), sum(tracks) FROM (SELECT tracks FROM words WHERE text >= ? AND text < ? LIMIT ?)"
        words, tracks = self._statements.row(sql, (start, start + _LAST, _MOST_COUNTED)) or (0, None)
        if words < _MOST_COUNTED:
            return int(tracks or 0)
        # too many words to count: the commonest of all words hold about half of all there is
        common = "SELECT sum(tracks) FROM words WHERE word <= ? AND +text >= ? AND +text < ?"
        return max(int(tracks), 2 * int(self._statements.value(common, (_COMMONEST, start, start + _LAST)) or 0))

    def nearest(self, word: str, most: int = 3) -> list[str]:
        """As Vocabulary says."""
        return nearest_words(self._statements, word, most)


class WorkingVocabulary:
    """The words of a working catalogue, read from its FTS5 index itself; typos in the first letter are not mended."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        statements.run("CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_vocabulary USING fts5vocab(main, track_search, row)")

    def rows(self) -> int:
        """As Vocabulary says."""
        return int(self._statements.value("SELECT max(track) FROM tracks") or 0)

    def tracks_of(self, word: str) -> int:
        """As Vocabulary says."""
        return int(self._statements.value("SELECT doc FROM temp.search_vocabulary WHERE term = ?", (word,)) or 0)

    def tracks_beginning(self, start: str) -> int:
        """As Vocabulary says."""
        sql = "SELECT sum(doc) FROM (SELECT doc FROM temp.search_vocabulary WHERE term >= ? AND term < ? LIMIT ?)"
        return int(self._statements.value(sql, (start, start + _LAST, _MOST_COUNTED)) or 0)

    def nearest(self, word: str, most: int = 3) -> list[str]:
        """As Vocabulary says."""
        sql = "SELECT term, doc FROM temp.search_vocabulary WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ?"
        slips = slips_for(word)
        lengths = (len(word) - slips, len(word) + slips)
        return nearest_in_vocabulary(self._statements.rows(sql, (word[0], word[0] + _LAST, *lengths)), word, most) if slips else []


def match_expression(terms: Sequence[Term]) -> str:
    """The FTS5 expression for all of the terms; every token is quoted, so that nothing in it is syntax.

    The first words are asked for in pairs: `((a AND b) NOT "") AND c`. FTS5 makes one list of `a AND b AND c` and looks for each
    place of `a` in `c`, too; so it looks in `c` only for those that `a` and `b` share. Nothing is `""`, so NOT takes nothing away.
    """
    expression, is_several = "", False
    for place, term in enumerate(terms):
        asked = "(" + " OR ".join(_all_tokens(tokens, term.is_prefix) for tokens in term.alternatives) + ")"
        if expression:
            expression = f'(({expression}) NOT "")' if is_several and place <= MOST_NESTED else expression
            expression, is_several = f"{expression} AND {asked}", True
        else:
            expression, is_several = asked, any(len(tokens) > 1 for tokens in term.alternatives)
    return expression


def _all_tokens(tokens: tuple[str, ...], is_prefix: bool) -> str:
    quoted = ['"' + token.replace('"', '""') + '"' for token in tokens]
    return "(" + " AND ".join(quoted) + (" *" if is_prefix else "") + ")"
