"""Names of metadata files and data folders, which say institution, collection and range."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from fonoteca.containers.aacid import COLLECTION, parse_timestamp
from fonoteca.ground.errors import ContainerFormatError
from fonoteca.ground.findings import Finding

METADATA_SUFFIX = ".jsonl.seekable.zst"
"""What the writer uses; readers also take .jsonl.zst, .jsonl.zstd and .jsonl."""

READABLE_SUFFIXES = (METADATA_SUFFIX, ".jsonl.zst", ".jsonl.zstd", ".jsonl")

_INSTITUTION = re.compile(COLLECTION)
_NAME = re.compile(
    rf"(?P<institution>{COLLECTION}?)_(?P<kind>meta|data)__aacid__(?P<collection>{COLLECTION})__(?P<first>[^/\0]+?)--(?P<last>[^/\0]+?)"
    rf"(?P<suffix>{'|'.join(re.escape(suffix) for suffix in READABLE_SUFFIXES)})?"
)


class ContainerName(msgspec.Struct, frozen=True):
    """What the name of a metadata file or data folder says. `first` and `last` are inclusive, as they stand in the name."""

    kind: Literal["metadata", "data"]
    institution: str
    collection: str
    first: str
    last: str
    suffix: str
    findings: tuple[Finding, ...] = ()

    @property
    def has_times(self) -> bool:
        """Whether both ends of the range are times, so that records can be compared with it."""
        return not any(finding.code == "aac-range" for finding in self.findings)


def metadata_file_name(institution: str, collection: str, first: str, last: str) -> str:
    """The name of the metadata file with the records from `first` to `last` (YYYYMMDDTHHMMSSZ)."""
    return _join(institution, "meta", collection, first, last) + METADATA_SUFFIX


def data_folder_name(institution: str, collection: str, first: str, last: str) -> str:
    """The name of the data folder with the members from `first` to `last` (YYYYMMDDTHHMMSSZ)."""
    return _join(institution, "data", collection, first, last)


def _join(institution: str, kind: str, collection: str, first: str, last: str) -> str:
    for what, text in (("institution", institution), ("collection", collection)):
        if not _INSTITUTION.fullmatch(text):
            raise ContainerFormatError(f"{text[:60]!r} is no name of an {what}", "Use letters, digits and single underscores.")
    if parse_timestamp(first) > parse_timestamp(last):
        raise ContainerFormatError(f"the range ends at {last}, before it begins at {first}")
    name = f"{institution}_{kind}__aacid__{collection}__{first}--{last}"
    if len(name) > 200:
        raise ContainerFormatError(f"the name {name[:60]}… has {len(name)} letters, over 200", "Shorten the institution or the collection.")
    return name


def parse_container_name(name: str) -> ContainerName:
    """What a name says; ranges that end in something else than a time are a finding. ContainerFormatError where it is no such name."""
    match = _NAME.fullmatch(name) if len(name.encode("utf-8", "surrogateescape")) <= 255 else None
    suffix = (match["suffix"] or "") if match else ""
    if not match or bool(suffix) != (match["kind"] == "meta"):
        raise ContainerFormatError(f"{name[:120]!r} is no name of a metadata file or data folder")
    return ContainerName(
        "metadata" if match["kind"] == "meta" else "data",
        match["institution"],
        match["collection"],
        match["first"],
        match["last"],
        suffix,
        tuple(_find_odd_range(name, match["first"], match["last"])),
    )


def _find_odd_range(name: str, first: str, last: str) -> list[Finding]:
    try:
        if parse_timestamp(first) <= parse_timestamp(last):
            return []
        fact = f"the range ends at {last}, before it begins at {first}"
    except ContainerFormatError as error:
        fact = f"the range in the name does not go from time to time: {error.message}"
    return [Finding("aac-range", name, fact)]
