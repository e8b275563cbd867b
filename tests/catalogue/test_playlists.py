"""playlists.sqlite3: entries in order by public id, four bytes each, readable by plain SQL."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records_made import number_id

from fonoteca.catalogue.playlists import Playlist, Playlists

IDS = tuple(number_id(number) for number in range(50))


def test_a_playlist_comes_back_with_its_tracks_in_order(tmp_path: Path) -> None:
    made = Playlist(source="s", id="mix", title="Mix\0", owner="me", tracks=IDS[5:0:-1] + IDS[:3] * 2)
    with Playlists(tmp_path / "p.sqlite3") as playlists:
        assert playlists.put(made) and not playlists.put(made)
        (got,) = playlists.get("mix")
        assert got.tracks == made.tracks and got.title == "Mix\ufffd" and got.positions is None
        assert playlists.count() == (1, len(made.tracks))


def test_a_playlist_is_replaced_as_a_whole_and_sources_do_not_meet(tmp_path: Path) -> None:
    with Playlists(tmp_path / "p.sqlite3") as playlists:
        playlists.put(Playlist(source="a", id="1", tracks=IDS))
        playlists.put(Playlist(source="b", id="1", tracks=IDS[:1]))
        assert playlists.put(Playlist(source="a", id="1", tracks=IDS[:2]))
        assert [len(one.tracks) for one in playlists.get("1")] == [2, 1]
        assert [one.source for one in playlists.get("1", "b")] == ["b"]


def test_plain_sql_reads_entries_and_their_positions(tmp_path: Path) -> None:
    with Playlists(tmp_path / "p.sqlite3") as playlists:
        playlists.put(Playlist(source="s", id="gaps", tracks=IDS[:3], positions=(0, 7, 2**31 - 1)))
        playlists.put(Playlist(source="s", id="plain", tracks=IDS[3:1:-1]))
    query = "SELECT playlist, position, id FROM playlist_entries ORDER BY 1, 2"
    out = subprocess.run(["sqlite3", tmp_path / "p.sqlite3", query], capture_output=True, text=True, check=True).stdout
    entries = [(1, 0, IDS[0]), (1, 7, IDS[1]), (1, 2**31 - 1, IDS[2]), (2, 0, IDS[3]), (2, 1, IDS[2])]
    assert out.splitlines() == ["|".join(map(str, entry)) for entry in entries]


def test_an_entry_takes_few_bytes(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite3"
    with Playlists(path) as playlists, playlists.transaction():
        for number in range(1_000):
            playlists.put(Playlist(source="s", id=str(number), tracks=IDS * 5))
    assert path.stat().st_size / (1_000 * 250) < 5


@given(st.lists(st.tuples(st.sampled_from(IDS), st.integers(0, 2**31 - 1)), max_size=30))
def test_any_playlist_comes_back(tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, int]]) -> None:
    made = Playlist(source="s", id="x", tracks=tuple(id for id, _ in entries), positions=tuple(position for _, position in entries))
    with Playlists(tmp_path_factory.mktemp("any") / "p.sqlite3") as playlists:
        playlists.put(made)
        assert playlists.get("x") == [made]
