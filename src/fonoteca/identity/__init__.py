"""Recordings that are the same, joined by evidence: what to compare, how to judge it, what to join. Pure decisions."""

from fonoteca.identity.blocking import block_keys, pairs_in_order, place_in_block, place_of_pair
from fonoteca.identity.evidence import Sayings, judge, speaks_against
from fonoteca.identity.fingerprints import FingerprintMatch, compare_fingerprints
from fonoteca.identity.folding import fold_name
from fonoteca.identity.grouping import Components, Link, choose_leader, group_links
from fonoteca.identity.isrc_songs import songs_of
from fonoteca.identity.titles import TitleForm, read_title

__all__ = [
    "Components",
    "FingerprintMatch",
    "Link",
    "Sayings",
    "TitleForm",
    "block_keys",
    "choose_leader",
    "compare_fingerprints",
    "fold_name",
    "group_links",
    "judge",
    "pairs_in_order",
    "place_in_block",
    "place_of_pair",
    "read_title",
    "songs_of",
    "speaks_against",
]
