"""The generated reference workload has the shapes that it is named after."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from catalogue_load import BY_DECADE, BY_MINUTE, TRACKS, popularity_counts, write_load


def test_popularity_sums_up_to_the_reference_exactly() -> None:
    counts = popularity_counts(TRACKS)[::-1]
    assert tuple(sum(counts[10 * decade : 10 * decade + 10]) for decade in range(11)) == BY_DECADE
    assert sum(counts) == TRACKS
    assert sum(popularity_counts(256_039)) == 256_039


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    write_load(folder, Fraction(1, 4000))
    return folder


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(load: Path, tmp_path: Path) -> None:
    write_load(tmp_path, Fraction(1, 4000), jobs=1)
    assert all((tmp_path / path.name).read_bytes() == path.read_bytes() for path in load.glob("*.parquet"))


def test_tracks_have_the_shapes_of_the_workload(load: Path) -> None:
    tracks = pq.read_table(load / "tracks.parquet")
    popularity = tracks["popularity"].to_numpy()
    rows = len(popularity)
    assert np.bincount(100 - popularity.astype(int), minlength=101).tolist() == popularity_counts(rows)
    minutes = np.minimum(tracks["duration_ms"].to_numpy() // 60_000, 10)
    assert np.allclose(np.bincount(minutes) / rows, np.array(BY_MINUTE) / TRACKS, atol=0.01)
    assert abs(tracks["explicit"].to_numpy().mean() - 0.1351) < 0.01
    assert abs(1 - tracks["isrc_number"].null_count / rows - 198 / 256) < 0.01
    distinct = pc.count_distinct(tracks["isrc_number"], mode="only_valid").as_py()
    assert abs(distinct / (rows - tracks["isrc_number"].null_count) - 186 / 198) < 0.03
    assert pc.count_distinct(tracks["id"]).as_py() == rows
    seconds = np.bincount(tracks["duration_ms"].to_numpy() // 1000, minlength=300)
    assert all(seconds[peak] > 2 * seconds[peak + 5] for peak in (120, 180, 240))


def test_links_and_files_are_as_many_as_in_the_workload(load: Path) -> None:
    rows = {path.stem: pq.ParquetFile(path).metadata.num_rows for path in load.glob("*.parquet")}
    assert abs(rows["further_track_artists"] / rows["tracks"] - 92 / 256) < 0.02
    assert abs(rows["further_album_artists"] / rows["albums"] - 53.2 / 58.6) < 0.05
    assert abs(rows["files"] / rows["tracks"] - 86 / 256) < 0.02
