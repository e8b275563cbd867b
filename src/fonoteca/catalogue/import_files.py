"""Which reader a file needs, by its name and its first line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from fonoteca.catalogue.import_aac import read_aac
from fonoteca.catalogue.import_csv import read_table
from fonoteca.catalogue.import_lines import read_json_lines
from fonoteca.catalogue.import_musicbrainz import is_archive, kind_of, read_musicbrainz
from fonoteca.catalogue.import_parquet import read_parquet
from fonoteca.catalogue.import_records import ImportLine
from fonoteca.catalogue.lines import open_bytes, read_lines
from fonoteca.ground.errors import FormatError

ImportFormat = Literal["jsonl", "parquet", "csv", "aac", "musicbrainz"]
FORMATS: tuple[ImportFormat, ...] = get_args(ImportFormat)
READERS: dict[ImportFormat, Callable[[Path, int], Iterator[ImportLine]]] = {
    "jsonl": read_json_lines, "parquet": read_parquet, "csv": read_table, "aac": read_aac, "musicbrainz": read_musicbrainz,
}  # fmt: skip
_FIRST_LINE = 64 << 20


def tell_format(path: Path) -> ImportFormat:
    """The format of `path`: by its name where that says it, else by its first object; JSON lines where nothing speaks against it."""
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if ".parquet" in suffixes:
        return "parquet"
    if suffixes & {".csv", ".tsv"}:
        return "csv"
    if is_archive(path):
        return "musicbrainz"
    told = _first_object(path)
    if isinstance(told.get("aacid"), str):
        return "aac"
    try:
        return "jsonl" if "record" in told or not kind_of(told) else "musicbrainz"
    except FormatError:
        return "jsonl"


def _first_object(path: Path) -> dict[str, Any]:
    with open_bytes(path) as file:
        for line in read_lines(file, _FIRST_LINE):
            if line.content.strip():
                try:
                    return msgspec.json.decode(line.content, type=dict[str, Any])
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    return {}
    return {}


def read_import(path: Path, format: ImportFormat, after: int = 0) -> Iterator[ImportLine]:
    """The lines of `path` behind number `after`, numbered from 1; streams and never stops at a bad one."""
    return READERS[format](path, after)
