"""Titles taken apart and names folded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.identity import fold_name, read_title


@pytest.mark.parametrize(
    ("title", "bare", "kinds"),
    [
        ("Song (feat. Ann) [Live at Wembley, 1986] - Remastered 2011", "song", {"live", "remaster"}),
        ("Long Live", "long live", set()),
        ("Live", "live", set()),
        ("(I Can't Get No) Satisfaction - Mono Version", "i cant get no satisfaction", {"sound"}),
        ("Song - Radio Edit", "song", {"edit"}),
        ("Song (Original Mix)", "song", set()),
        ("Song (Album Version)", "song", set()),
        ("Hello (Taylor's Version)", "hello", {"version"}),
        ("Song - Acoustic Version", "song", {"acoustic"}),
        ("Ночь (Концерт)", "noch", {"live"}),
        ("Canção (Ao Vivo)", "cancao", {"live"}),
        ("Song - Karaoke Version", "song", {"instrumental"}),
        ("Song (Sped Up)", "song", {"speed"}),
        ("Yesterday - Remastered / Live", "yesterday", {"live", "remaster"}),
        ("Love (Pt. 2)", "love part 2", set()),
        ("Love, Part II", "love part 2", set()),
    ],
)
def test_title_is_taken_apart(title: str, bare: str, kinds: set[str]) -> None:
    form = read_title(title)
    assert form.bare == bare
    assert {kind for kind, _ in form.versions} == kinds


@pytest.mark.parametrize("title", ["Song (feat. Ann)", "Song [ft Ann]", "Song feat. Ann", "Song - feat. Ann", "Song (with Ann)"])
def test_featured_artists_leave_the_title(title: str) -> None:
    assert read_title(title).bare == "song"
    assert read_title(title).featured == ("Ann",)


def test_remixers_tell_remixes_apart() -> None:
    assert read_title("Song (Dave Remix)").version("remix") == {"dave"}
    assert read_title("Song - Ann & Dave's Remix").version("remix") == {"ann", "daves"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("The Beatles", "beatles"), ("Zoë", "ZOE"), ("Don’t Stop", "Dont stop!"), ("Simon & Garfunkel", "simon and garfunkel"),
     ("Кино", "Kino"), ("Ｆｕｌｌ", "full"), ("Stra\u00dfe", "STRASSE"), ("Sigur Ro\u0301s", "Sigur R\u00f3s")],
)  # fmt: skip
def test_names_meet_across_case_accents_and_scripts(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(("one", "other"), [("???", "!!!"), ("Part 1", "Part 2"), ("夜", "朝"), ("a", "b")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@given(st.text(max_size=200))
def test_any_text_is_a_title(title: str) -> None:
    form = read_title(title)
    assert bool(form.bare) == bool(title.strip())
    assert read_title(title) == form


@pytest.mark.parametrize("title", ["(" * 10_000, "[a](" * 5_000, " - " * 20_000, "(live)" * 5_000, "a" * 1_000_000, "feat. " * 20_000])
def test_hostile_titles_take_no_time(title: str) -> None:
    assert read_title(title)
