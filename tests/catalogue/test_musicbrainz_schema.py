"""What MusicBrainz itself demands of its data (the SQL that PyPI mbdata brings) and what the catalogue reads are the same."""

from __future__ import annotations

import re
from importlib import resources

from hypothesis import given
from hypothesis import strategies as st

from fonoteca.catalogue import parse_isrc
from fonoteca.catalogue.isrc_numbers import isrc_number, isrc_text

TABLES = resources.files("mbdata").joinpath("sql/CreateTables.sql").read_text("utf-8")


def isrc_rule() -> str:
    """The regular expression of the column `isrc`."""
    found = re.search(r"isrc\s+CHAR\(12\) NOT NULL CHECK \(isrc ~ E?'([^']+)'\)", TABLES)
    assert found, "MusicBrainz says it in another way now"
    return found[1]


@given(st.from_regex(r"[A-Za-z]{1,3}[A-Za-z0-9]{2,4}[0-9]{6,8}", fullmatch=True) | st.from_regex(isrc_rule(), fullmatch=True))
def test_every_isrc_that_musicbrainz_takes_is_read_and_kept_and_nothing_else(text: str) -> None:
    text = text.removesuffix("\n")
    is_taken = re.fullmatch(isrc_rule(), text) is not None
    read = parse_isrc(text)
    assert (read == text) == is_taken
    if read is not None:
        assert isrc_text(isrc_number(read)) == read
