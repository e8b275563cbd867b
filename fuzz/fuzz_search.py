"""Fuzz search with queries of any bytes over a small catalogue and its edition: never an error, never beyond the time limit."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import apsw
from mutations import run

from fonoteca.catalogue import Catalogue, TrackRecord, track_id_of, write_edition
from fonoteca.catalogue.search import search
from fonoteca.catalogue.search_build import KINDS
from fonoteca.catalogue.search_run import Searchable
from fonoteca.catalogue.statements import Statements
from made_editions import MadeCatalogue

NAMES = (
    "Bohemian Rhapsody",
    "東京事変",
    "Чайковский",
    "!!!",
    "AC/DC",
    "Don't Stop",
    "방탄소년단",
    "नमस्ते",
    "O'); DROP TABLE tracks;--",
    "Ångström",
)
SEEDS = [
    b"bohemian rhaps", '"a night" -live artist:queen 東京'.encode(), b"year:1990..1999 popularity:50.. held: missing: isrc:GBUM7",
    "ча\u202eйк AND (NOT".encode(),
    b'label:"Sub Pop" genre:fado country:se status:held', "don't AC/DC p!nk ♥ \U0001f3b5 e\u0301".encode(),
    b"NEAR(a b) a^b {x y}:z* \x00 \xed\xa0\x80",
]  # fmt: skip


def check(content: bytes, catalogues: list[Searchable]) -> None:
    """Ask for `content`, as UTF-8 with surrogates for what is none."""
    text = content.decode("utf-8", "surrogateescape")
    for catalogue in catalogues:
        for kind in KINDS:
            started = time.process_time()
            result = search(catalogue, text, kind=kind, limit=3, exact=len(text) % 2 == 0)
            assert len(result.found) <= 3
            assert time.process_time() - started < 3


def make(folder: Path) -> list[Searchable]:
    """A catalogue of a hundred tracks and its edition."""
    catalogue = Catalogue.create(folder / "catalogue.sqlite3")
    for number in range(100):
        first, second = NAMES[number % 10], NAMES[number // 10]
        id = track_id_of(f"{number:032x}" + "0" * 32)
        catalogue.put_track(TrackRecord(id=id, title=f"{first} {number}", artists=(second,), album=first, popularity=float(number)))
    write_edition(catalogue, folder / "edition.sqlite3", title="fuzz", date="2026-01-01")
    connection = apsw.Connection(str(folder / "edition.sqlite3"), flags=apsw.SQLITE_OPEN_READONLY)
    return [catalogue, MadeCatalogue(Statements(connection, folder / "edition.sqlite3"), True)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        opened = make(Path(place))
        sys.exit(run("search", SEEDS, lambda content: check(content, opened)))
