"""The catalogue: schema, records, popularity, what to keep, plans and published editions."""

from fonoteca.catalogue.identifiers import album_id_of, artist_id_of, is_public_id, parse_mbid, path_track_id_of, track_id_of
from fonoteca.catalogue.isrc import describe_isrc_prefix, isrc_country, parse_isrc, parse_isrcs
from fonoteca.catalogue.popularity import PLAYS_AT_1, PLAYS_AT_100, ScoreRange, popularity_of_plays, second_score
from fonoteca.catalogue.records import FileRow, RightsCount, RightsRow, SelectionRow, Tombstone, TrackRecord
from fonoteca.catalogue.tables import MetadataRow, PlaysRow, read_metadata, read_plays
from fonoteca.catalogue.working import Catalogue

__all__ = [
    "PLAYS_AT_1",
    "PLAYS_AT_100",
    "Catalogue",
    "FileRow",
    "MetadataRow",
    "PlaysRow",
    "RightsCount",
    "RightsRow",
    "ScoreRange",
    "SelectionRow",
    "Tombstone",
    "TrackRecord",
    "album_id_of",
    "artist_id_of",
    "describe_isrc_prefix",
    "is_public_id",
    "isrc_country",
    "parse_isrc",
    "parse_isrcs",
    "parse_mbid",
    "path_track_id_of",
    "popularity_of_plays",
    "read_metadata",
    "read_plays",
    "second_score",
    "track_id_of",
]
