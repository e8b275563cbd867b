"""Whose word about rights counts, and that what nobody vouches for, or any more, is not published."""

from __future__ import annotations

from pathlib import Path

import pytest
from adding import FREE, add, build_all, publishable, show, write_rows, write_sound
from commands import run_fonoteca, run_json, set_settings

from fonoteca.ground.errors import UsageError

BY = "https://creativecommons.org/licenses/by/4.0/"
BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
BY_NC = "https://creativecommons.org/licenses/by-nc/4.0/"
BY_ND = "https://creativecommons.org/licenses/by-nd/4.0/"
MIT = "https://spdx.org/licenses/MIT.html"


def rights_of(archive: Path, track: Path | str) -> tuple[str | None, str | None]:
    told = show(archive, track)
    return told["rights_uri"], told["rights_from"]


def test_the_order_of_statements_is_sidecar_metadata_tag_folder_option(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "music" / "1.ogg", "1", license=BY)
    add(archive, path, rights=FREE)
    assert rights_of(archive, path) == (BY, "tag")
    (path.parent / "RIGHTS").write_text(BY_SA)
    add(archive, path, rights=FREE)
    assert rights_of(archive, path) == (BY, "tag")
    rows = write_rows(tmp_path / "rows.jsonl", [{"path": str(path), "rights": BY_NC}])
    add(archive, path, metadata=rows)
    assert rights_of(archive, path) == (BY_NC, "metadata")
    add(archive, path, rights=FREE)
    assert rights_of(archive, path) == (BY_NC, "metadata")
    path.with_name("1.ogg.rights").write_text(f"{BY_ND}\nThe Makers\n")
    add(archive, path, rights=FREE, metadata=rows)
    assert rights_of(archive, path) == (BY_ND, "sidecar") and show(archive, path)["attribution"] == "The Makers"


def test_folder_goes_before_option_and_counts_up_to_what_was_added(archive: Path, tmp_path: Path) -> None:
    deep = write_sound(tmp_path / "music" / "artist" / "album" / "1.ogg", "1")
    other = write_sound(tmp_path / "music" / "other" / "2.ogg", "2")
    (tmp_path / "RIGHTS").write_text(FREE)
    (tmp_path / "music" / "RIGHTS").write_text(BY)
    (tmp_path / "music" / "artist" / "RIGHTS").write_text(BY_SA)
    add(archive, tmp_path / "music", rights=BY_NC)
    assert rights_of(archive, deep) == (BY_SA, "folder")
    assert rights_of(archive, other) == (BY, "folder")


def test_what_lies_above_the_folder_that_was_added_says_nothing(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "music" / "1.ogg", "1")
    (tmp_path / "RIGHTS").write_text(FREE)
    add(archive, tmp_path / "music")
    assert rights_of(archive, path) == (None, None) and publishable(archive) == 0


def test_rights_given_later_count_for_files_that_did_not_change(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1")
    add(archive, path)
    assert publishable(archive) == 0
    assert add(archive, path, rights="CC BY-SA 4.0").counts == {"unchanged": 1, "rights changed": 1}
    assert rights_of(archive, path) == (BY_SA, "option") and publishable(archive) == 1
    assert add(archive, path).counts == {"unchanged": 1}
    assert publishable(archive) == 1, "an add without --rights forgets nothing"
    add(archive, path, rights="In Copyright")
    assert publishable(archive) == 0


@pytest.mark.parametrize("place", ["1.ogg.rights", "RIGHTS"])
def test_a_statement_that_was_taken_away_counts_no_more(place: str, archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1")
    (tmp_path / place).write_text(FREE)
    add(archive, path)
    assert publishable(archive) == 1
    (tmp_path / place).unlink()
    add(archive, path)
    assert rights_of(archive, path) == (None, None) and publishable(archive) == 0
    add(archive, path, rights=BY)
    assert rights_of(archive, path) == (BY, "option")


def test_a_licence_that_a_retagging_removed_counts_no_more(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1", license=FREE)
    add(archive, path)
    write_sound(path, "1", title="Without a licence")
    add(archive, path)
    assert publishable(archive) == 0


def test_an_empty_or_unknown_sidecar_denies_whatever_the_tags_say(archive: Path, tmp_path: Path) -> None:
    for number, text in enumerate(("", "ask my cousin", "x" * 70_000), 1):
        path = write_sound(tmp_path / f"{number}.ogg", str(number), license=FREE)
        path.with_name(f"{number}.ogg.rights").write_text(text)
    report = add(archive, tmp_path)
    assert report.finding_counts == {"unknown-rights": 3} and not report.has_damage
    assert publishable(archive) == 0


def test_null_in_metadata_takes_the_rights_away(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1", license=FREE)
    add(archive, path, metadata=write_rows(tmp_path / "rows.jsonl", [{"path": "1.ogg", "rights": None}]))
    assert publishable(archive) == 0
    add(archive, path)
    assert publishable(archive) == 0


def test_an_attribution_that_was_mended_in_the_sidecar_is_taken(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1")
    for name in ("Jon", "John"):
        path.with_name("1.ogg.rights").write_text(f"{BY}\n{name}\n")
        add(archive, path)
        assert show(archive, path)["attribution"] == name


def test_what_may_not_be_published_is_kept_counted_and_left_out(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    for number, licence in enumerate((BY, MIT, BY_NC, "All rights reserved", "http://rightsstatements.org/vocab/InC/1.0/", "nonsense"), 1):
        write_sound(folder / f"{number}.ogg", str(number), title=f"T{number}", license=licence)
    write_sound(folder / "7.ogg", "7", title="T7")
    add(archive, folder)
    build_all(archive)
    status = run_json("status", "--archive", archive)
    assert (status["publishable"], sum(status["left_out"].values()), status["tracks"]) == (3, 4, {"held": 7})
    report = run_json("publish", "--archive", archive)
    assert sum(report["left_out"].values()) == 4 and set(report["left_out"]) == set(status["left_out"])
    assert {one["is_public"] for one in status["containers"]} == {True, False}
    dark = [one["name"] for one in status["containers"] if not one["is_public"]]
    assert dark and not any(name in path.name for name in dark for path in (archive / "release").rglob("*"))


def test_a_commercial_archive_does_not_publish_what_is_non_commercial(archive: Path, tmp_path: Path) -> None:
    set_settings(archive, commercial="true")
    write_sound(tmp_path / "1.ogg", "1", license=BY_NC)
    add(archive, tmp_path)
    assert publishable(archive) == 0
    set_settings(archive, commercial="false")
    build_all(archive)
    assert publishable(archive) == 1


def test_what_may_not_be_changed_is_published_only_as_it_came(archive: Path, tmp_path: Path) -> None:
    set_settings(archive, cut_off="0.0")
    folder = tmp_path / "music"
    for name in ("1.ogg", "2.flac", "3.opus"):
        write_sound(folder / name, name, title=name, license=BY_ND)
    plays = tmp_path / "plays.csv"
    plays.write_text("path,plays\nmusic/1.ogg,1\nmusic/2.flac,1\n")
    add(archive, folder, plays=plays, decode=True)
    assert dict(build_all(archive).members) == {"copy": 3}
    for name in ("1.ogg", "2.flac", "3.opus"):
        told = show(archive, name)
        assert told["files"][0]["sha256"] == told["sources"][0]["sha256"] and told["files"][0]["is_public"]


def test_rights_that_became_no_derivatives_put_the_file_back_as_it_came(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1", title="One")
    add(archive, path, rights=BY)
    assert build_all(archive).members["retag"] == 1
    path.with_name("1.ogg.rights").write_text(BY_ND)
    add(archive, path)
    assert build_all(archive).members["restore"] == 1
    told = show(archive, "One")
    assert told["files"][-1]["sha256"] == told["sources"][0]["sha256"]


def test_rights_unknown_to_the_table_on_the_command_line_are_refused_before_anything_is_read(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "music" / "1.ogg", "1")
    add(archive, path, rights=BY)
    for rights, meant in (("CC BY-SA 4.1", "CC-BY-SA-4.0"), ("Sony", "docs/rights.md")):
        told = run_fonoteca("add", path.parent, "--rights", rights, "--archive", archive, status=2).stderr
        assert repr(rights) in told and meant in told
    with pytest.raises(UsageError):
        add(archive, path.parent, rights="Sony")
    assert rights_of(archive, path) == (BY, "option") and publishable(archive) == 1
    told = run_fonoteca("add", path, "--rights", "In Copyright", "--check", "structure", "--archive", archive).stdout
    assert "1 rights changed" in told and publishable(archive) == 0


def test_a_word_beside_a_licence_in_a_tag_is_not_overheard(archive: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "1.ogg", "1", license=f"(c) 2019 Sony Music. Drum sample under {FREE}")
    write_sound(tmp_path / "2.ogg", "2", comment=f"cover under {FREE}", copyright="2019 Sony Music")
    add(archive, tmp_path)
    assert publishable(archive) == 0


def test_a_denial_stands_when_a_folder_below_it_is_added_by_itself(archive: Path, tmp_path: Path) -> None:
    top = tmp_path / "music"
    path, other = write_sound(top / "album" / "1.ogg", "1"), write_sound(top / "album" / "2.ogg", "2")
    (top / "RIGHTS").write_text("All rights reserved")
    add(archive, top)
    new = write_sound(top / "album" / "3.ogg", "3")
    for source in (top / "album", path):
        assert add(archive, source, rights="CC-BY-4.0").counts["rights changed"] == 0
    assert {rights_of(archive, one)[1] for one in (path, other, new)} == {"folder"} and publishable(archive) == 0
    (top / "RIGHTS").unlink()
    add(archive, top / "album", rights="CC-BY-4.0")
    assert publishable(archive) == 3


@pytest.mark.parametrize("is_retagged", [False, True])
@pytest.mark.parametrize("free_first", [True, False])
def test_of_two_copies_the_stricter_statement_counts_and_is_noted(
    free_first: bool, is_retagged: bool, archive: Path, tmp_path: Path
) -> None:
    free = write_sound(tmp_path / "d1" / "1.ogg", "1")
    closed = write_sound(tmp_path / "d2" / "1.ogg", "1", **({"title": "Other"} if is_retagged else {}))
    (closed.parent / "RIGHTS").write_text("All rights reserved")
    first, second = ((free, FREE), (closed, None)) if free_first else ((closed, None), (free, FREE))
    add(archive, first[0].parent, rights=first[1])
    assert add(archive, second[0].parent, rights=second[1]).finding_counts["conflicting-rights"] == 1
    assert publishable(archive) == 0
    report = add(archive, free.parent, rights=FREE)
    assert report.finding_counts["conflicting-rights"] == 1 and publishable(archive) == 0
    (closed.parent / "RIGHTS").write_text(FREE)
    report = add(archive, free.parent, closed.parent)
    assert publishable(archive) == 1
    assert not add(archive, free.parent, closed.parent).finding_counts["conflicting-rights"], "a note that is settled goes"


def test_two_copies_under_the_same_licence_are_no_conflict(archive: Path, tmp_path: Path) -> None:
    for name in ("1.ogg", "2.ogg"):
        write_sound(tmp_path / name, "1", license=BY, title=name)
    assert add(archive, tmp_path, rights=FREE).finding_counts == {"duplicate-sound": 1}
    assert publishable(archive) == 1


def test_metadata_decides_between_copies_that_say_different_things(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "1.ogg", "1", license=BY)
    write_sound(tmp_path / "2.ogg", "1", license="In Copyright")
    add(archive, tmp_path)
    assert publishable(archive) == 0
    add(archive, tmp_path, metadata=write_rows(tmp_path / "rows.jsonl", [{"path": "1.ogg", "rights": BY_SA}]))
    assert rights_of(archive, path) == (BY_SA, "metadata")
    assert add(archive, tmp_path).finding_counts == {"duplicate-sound": 1} and publishable(archive) == 1


def test_a_moved_file_keeps_what_was_said_on_the_command_line_until_its_new_place_says_else(archive: Path, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a" / "1.ogg", "1")
    add(archive, path.parent, rights=BY)
    (tmp_path / "b").mkdir()
    moved = path.rename(tmp_path / "b" / "1.ogg")
    add(archive, moved.parent)
    assert rights_of(archive, moved) == (BY, "option")
    moved.with_name("RIGHTS").write_text(BY_NC)
    assert not add(archive, moved.parent).finding_counts
    assert rights_of(archive, moved) == (BY_NC, "folder")


def test_the_command_line_speaks_only_of_what_it_names(archive: Path, tmp_path: Path) -> None:
    """Another copy, elsewhere, becomes the kept one: `--rights` of this run is not about it."""
    first, second = write_sound(tmp_path / "a" / "1.ogg", "1"), write_sound(tmp_path / "b" / "1.ogg", "1")
    add(archive, first.parent, second.parent)
    write_sound(first, "2")
    add(archive, first.parent, rights=FREE)
    assert rights_of(archive, first) == (FREE, "option") and rights_of(archive, second) == (None, None)
