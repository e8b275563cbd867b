"""The catalogue: schema, records, popularity, what to keep, plans and published editions."""

from fonoteca.catalogue.choices import choose_files
from fonoteca.catalogue.counts import NOT_PACKED
from fonoteca.catalogue.edition import EditionCounts, write_edition
from fonoteca.catalogue.edition_file import check_edition
from fonoteca.catalogue.edition_reading import Edition
from fonoteca.catalogue.identifiers import album_id_of, artist_id_of, is_public_id, parse_mbid, path_track_id_of, picture_id_of, track_id_of
from fonoteca.catalogue.isrc import parse_isrc, parse_isrcs
from fonoteca.catalogue.planner import ClassCounter, PlanRow, TrackClass, compare_tiers, is_above_rate, plan_each_tier, plan_tiers
from fonoteca.catalogue.popularity import PLAYS_AT_1, PLAYS_AT_100, ScoreRange, popularity_of_plays, second_score
from fonoteca.catalogue.records import (
    AlbumRecord,
    ArtistRecord,
    FileRow,
    Found,
    RightsCount,
    RightsRow,
    SelectionRow,
    Tombstone,
    TrackRecord,
)
from fonoteca.catalogue.restoring import restore_catalogue
from fonoteca.catalogue.scores import refresh_scores
from fonoteca.catalogue.selection import Choice, choose_in_tail, choose_tier, is_tail
from fonoteca.catalogue.tables import MetadataRow, PlaysRow, read_metadata, read_plays
from fonoteca.catalogue.working import Catalogue

__all__ = [
    "AlbumRecord",
    "ArtistRecord",
    "Catalogue",
    "Choice",
    "ClassCounter",
    "Edition",
    "EditionCounts",
    "FileRow",
    "Found",
    "MetadataRow",
    "NOT_PACKED",
    "PLAYS_AT_1",
    "PLAYS_AT_100",
    "PlanRow",
    "PlaysRow",
    "RightsCount",
    "RightsRow",
    "ScoreRange",
    "SelectionRow",
    "Tombstone",
    "TrackClass",
    "TrackRecord",
    "album_id_of",
    "artist_id_of",
    "check_edition",
    "choose_files",
    "choose_in_tail",
    "choose_tier",
    "compare_tiers",
    "is_above_rate",
    "is_public_id",
    "is_tail",
    "parse_isrc",
    "parse_isrcs",
    "parse_mbid",
    "path_track_id_of",
    "picture_id_of",
    "plan_each_tier",
    "plan_tiers",
    "popularity_of_plays",
    "read_metadata",
    "read_plays",
    "refresh_scores",
    "restore_catalogue",
    "second_score",
    "track_id_of",
    "write_edition",
]
