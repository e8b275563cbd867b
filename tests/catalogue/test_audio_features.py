"""features.sqlite3: what was measured comes back to the precision that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records_made import number_id

from fonoteca.catalogue.audio_features import FIELDS, SCALES, AudioFeatures
from fonoteca.catalogue.import_records import SHARES, FeaturesRow

SHARE = st.none() | st.floats(0, 1)
ROWS = st.builds(
    FeaturesRow, track=st.just(number_id(1)), tempo=st.none() | st.floats(0, 1_000), loudness=st.none() | st.floats(-60, 6),
    key=st.none() | st.integers(0, 11), mode=st.none() | st.integers(0, 1), time_signature=st.none() | st.integers(0, 7),
    **dict.fromkeys(SHARES, SHARE),
)  # fmt: skip


@given(ROWS)
def test_measures_come_back(tmp_path_factory: pytest.TempPathFactory, row: FeaturesRow) -> None:
    with AudioFeatures(tmp_path_factory.mktemp("any") / "f.sqlite3") as features:
        features.put("s", [row])
        got = features.get(row.track)["s"]
    for name in FIELDS:
        given, kept = getattr(row, name), getattr(got, name)
        assert kept == (pytest.approx(given, abs=0.5001 / SCALES[name]) if name in SCALES and given is not None else given)


def test_the_same_measures_change_nothing_and_others_replace_them(tmp_path: Path) -> None:
    row = FeaturesRow(track=number_id(1), tempo=120.0, key=-1)
    with AudioFeatures(tmp_path / "f.sqlite3") as features:
        assert (features.put("s", [row]), features.put("s", [row]), features.put("t", [row])) == (1, 0, 1)
        assert features.put("s", [FeaturesRow(track=number_id(1), tempo=60.0)]) == 1
        assert [(source, one.tempo, one.key) for source, one in features.get(number_id(1)).items()] == [
            ("s", 60.0, None),
            ("t", 120.0, None),
        ]


def test_a_row_takes_less_than_its_numbers_would_as_reals(tmp_path: Path) -> None:
    path = tmp_path / "f.sqlite3"
    values = dict.fromkeys(SHARES, 0.123456)
    with AudioFeatures(path) as features:
        features.put("s", [FeaturesRow(track=number_id(n), tempo=120.123, loudness=-7.5, key=1, mode=1, time_signature=4, **values)
                           for n in range(10_000)])  # fmt: skip
    assert path.stat().st_size / 10_000 < 110
