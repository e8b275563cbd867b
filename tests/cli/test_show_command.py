"""`show` as typed: tracks, albums, artists and containers, in an archive and from an edition alone."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from fonoteca.catalogue import AlbumRecord, ArtistRecord, Catalogue, FileRow, TrackRecord, track_id_of, write_edition
from fonoteca.cli.run import run as run_command
from fonoteca.workflows.archive import init_archive

MBID = "aaaaaaaa-0000-4000-8000-000000000000"
FIRST, SECOND = (track_id_of(f"{number:064x}") for number in (1 << 200, 2 << 200))
FILE = FileRow(
    aacid=f"aacid__x_files__20260101T000000Z__{FIRST}__{'A' * 22}", container="x__data__1", collection="x_files", sha256="ab" * 32, size=9,
    format="ogg-opus", tier="original", is_public=True,
)  # fmt: skip


def fill(catalogue: Catalogue) -> None:
    album: dict[str, Any] = {"album": "Café", "album_artists": ("Zoë",), "barcode": "042284205825", "album_mbid": MBID}
    for number, (track_id, title) in enumerate(((SECOND, "Two\nlines\x1b[31m"), (FIRST, "One")), 1):
        catalogue.put_track(
            TrackRecord(
                id=track_id,
                title=title,
                artists=("Zoë", "Other"),
                number=3 - number,
                isrcs=("USRC17607839",),
                status="held",
                disc=3 - number,
                duration_ms=185_999 if number == 2 else None,
                **album,
            )
        )
    catalogue.put_artist(ArtistRecord(name="Zoë", aliases=("Zoe",), country="MX"))
    catalogue.put_album(AlbumRecord(title="Café", artists=("Zoë",), barcode="042284205825", mbid=MBID, date="1999", label="Blue"))
    catalogue.put_file(FIRST, FILE)
    catalogue.add_redirect("4" * 22, FIRST, "track", "merged")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The options that name each kind of catalogue."""
    folder = tmp_path_factory.mktemp("show")
    archive = init_archive(folder / "archive", "Shown")
    with Catalogue.open(archive / "catalogue.sqlite3") as catalogue:
        fill(catalogue)
        write_edition(catalogue, folder / "e.sqlite3", title="t", date="2026-01-01")
    return {"archive": ["--archive", str(archive)], "edition": ["--edition", str(folder / "e.sqlite3")]}


def run(*arguments: str, status: int = 0) -> tuple[str, str]:
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        done = run_command(["show", *arguments])
    assert done == status, f"{arguments}: exit {done}\n{said.getvalue()}\n{told.getvalue()}"
    return said.getvalue(), told.getvalue()


@pytest.mark.parametrize("where", ["archive", "edition"])
def test_each_kind_of_thing_is_shown_with_what_belongs_to_it(places: dict[str, list[str]], where: str) -> None:
    def show(text: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(run(text, "--json", *places[where])[0])
        return told

    for text in (FIRST, "4" * 22, "one", FILE.aacid, FILE.sha256):
        track = show(text)
        assert (track["kind"], track["id"], track["status"], track["files"][0]["container"]) == ("track", FIRST, "held", "x__data__1")
        assert track["rights"]["may_be_published" if where == "archive" else "may_publish"] is False
    for text in ("0042284205825", f"https://musicbrainz.org/release/{MBID}", "café"):
        album = show(text)
        assert (album["kind"], album["title"], album["date"], album["label"], album["count"]) == ("album", "Café", "1999", "Blue", 2)
        assert [track["title"] for track in album["tracks"]] == ["One", "Two\nlines\x1b[31m"]
    artist = show("Zoe")
    assert (artist["kind"], artist["aliases"], artist["tracks"], artist["held"], artist["country"]) == ("artist", ["Zoe"], 2, 2, "MX")
    assert [(one["title"], one["tracks"]) for one in artist["albums"]] == [("Café", 2)]
    container = show("x__data__1")
    assert (container["kind"], container["is_public"]) == ("container", True)
    if where == "archive":
        assert (container["files"], container["bytes"]) == (1, 9)


@pytest.mark.parametrize("where", ["archive", "edition"])
def test_what_is_nothing_or_several_things_is_said(places: dict[str, list[str]], where: str) -> None:
    for text in ("nothing", '"; DROP TABLE tracks; --', "x" * 100_000, " "):
        assert "nothing answers" in run(text, *places[where], status=1)[1]
    told = run("USRC17607839", *places[where], status=1)[1]
    assert "2 things answer" in told and FIRST in told and SECOND in told


@pytest.mark.parametrize("where", ["archive", "edition"])
def test_lists_are_told_in_words_a_line_each(places: dict[str, list[str]], where: str) -> None:
    album, artist = run("café", *places[where])[0], run("Zoe", *places[where])[0]
    assert (
        f"tracks:\n  1.1 One – Zoë; Other  3:05  held  {FIRST}\n  2.2 Two\\nlines\\x1b[31m – Zoë; Other  held  {SECOND}\n" in album + "\n"
    )
    assert "artists: Zoë\n" in album and "albums:\n  Café  1999  2 tracks  " in artist and "tracks: 2\n" in artist
    assert not set("{}") & set(album + artist)


def test_names_cannot_write_on_the_terminal(places: dict[str, list[str]]) -> None:
    said = run(SECOND, *places["edition"])[0]
    assert "\x1b" not in said and "Two\nlines" not in said


def test_edition_and_archive_are_two_catalogues(places: dict[str, list[str]], tmp_path: Path) -> None:
    assert "two catalogues" in run("one", *places["edition"], *places["archive"], status=2)[1]
    assert "no edition" in run("one", "--edition", str(tmp_path / "none.sqlite3"), status=1)[1]
    (tmp_path / "cut.sqlite3").write_bytes(Path(places["edition"][1]).read_bytes()[:-1])
    assert "not whole" in run("one", "--edition", str(tmp_path / "cut.sqlite3"), status=1)[1]
