"""What statements mean and what is decided from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.rights import (
    WITHDRAWAL_REASONS,
    RightsStatement,
    Sidecars,
    attribution_line,
    decide,
    load_table,
    parse_reason,
    read_sidecar,
    read_statement,
    read_tag_statement,
    strictest_statement,
    strongest_statement,
    write_licence_table,
    write_reason_table,
)

CC = "https://creativecommons.org/licenses/"
SPDX = "https://spdx.org/licenses/"
BY = CC + "by/4.0/"
PAGE = Path(__file__).parents[2] / "docs" / "rights.md"


@pytest.mark.parametrize(
    ("said", "uri"),
    [
        ("GPL", SPDX + "GPL"),
        ("GPLv2+", SPDX + "GPL-2.0-or-later"),
        ("GNU General Public License, version 2 or (at your option) any later version", SPDX + "GPL-2.0-or-later"),
        ("GPL-3.0", SPDX + "GPL-3.0-only"),
        ("https://www.gnu.org/licenses/old-licenses/gpl-2.0.en.html", SPDX + "GPL-2.0-only"),
        ("CC BY-SA 3.0", CC + "by-sa/3.0/"),
        ("cc-by-sa-3.0", CC + "by-sa/3.0/"),
        ("Creative Commons Attribution-ShareAlike 3.0 Unported License", CC + "by-sa/3.0/"),
        ("http://creativecommons.org/licenses/by-sa/3.0/de/deed.fr", CC + "by-sa/3.0/de/"),
        ("CC BY-SA 3.0 Germany", CC + "by-sa/3.0/de/"),
        ("HTTPS://CreativeCommons.org/licenses/by/4.0/legalcode.de?x=1#y", CC + "by/4.0/"),
        ("http://creativecommons.org/licenses/by-nd-nc/1.0", CC + "by-nc-nd/1.0/"),
        ("Licensed to the public under http://creativecommons.org/licenses/by/3.0/.", CC + "by/3.0/"),
        (
            "This work is licensed under the Creative Commons Attribution 3.0 License (see <http://creativecommons.org/licenses/by/3.0/>)",
            CC + "by/3.0/",
        ),
        ("CC BY-NC-ND (see https://creativecommons.org/licenses/by/4.0/)", CC + "by-nc-nd/"),
        ("CC BY-NC 4.0 or http://artlibre.org/licence/lal/en/", CC + "by-nc/4.0/"),
        ("released under CC BY-SA 3.0 or GPL", CC + "by-sa/3.0/"),
        ("Some rights reserved: https://creativecommons.org/licenses/by/4.0/", CC + "by/4.0/"),
        ("All rights reserved. https://creativecommons.org/licenses/by/4.0/", "http://rightsstatements.org/vocab/InC/1.0/"),
        ("CC BY-SA", CC + "by-sa/"),
        ("CC0 1.0 Universal", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("Public Domain", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("Free Art License", SPDX + "LAL"),
        ("http://artlibre.org/licence/lal/en/", SPDX + "LAL-1.3"),
        ("http://rightsstatements.org/page/InC/1.0/?language=en", "http://rightsstatements.org/vocab/InC/1.0/"),
        ("(c) 2000 X, all rights reserved", "http://rightsstatements.org/vocab/InC/1.0/"),
    ],
)
def test_statement_in_practice_has_one_canonical_uri(said: str, uri: str) -> None:
    licence = read_statement(said)
    assert licence is not None and licence.uri == uri
    assert read_statement(licence.uri) == licence


@pytest.mark.parametrize(
    "said",
    [
        "", " ", "unknown", "CC", "the", "CC BY 9.0", "CC BY 3.0 Atlantis", "© 2001 Someone", "ask me", "CC-BY-SA-3.0+", "https://example.org/by/4.0/",
        "https://creativecommons.org/licenses/by/4.1/", "https://creativecommons.org/licenses/by/3.0/xx/", "https://creativecommons.org.evil.example/x",
        "This is not under http://creativecommons.org/licenses/by/3.0/", "http://creativecommons.org/licenses/by/3.0/ for personal use",
        "2010 X. Licensed to the public under http://creativecommons.org/licenses/by/3.0/ verify at http://x.org.",
        "(c) 2019 Sony Music. Drum sample under https://creativecommons.org/publicdomain/zero/1.0/",
        f"Proprietary; {BY}", f"Nicht unter {BY}", f"Todos los derechos reservados {BY}", f"Cover art: {BY}", f"InC {BY}", f"{BY} InC",
        f"{BY} https://example.com/my-terms", f"{BY} example.com/my-terms", f"{BY},https://creativecommons.org/licenses/by-xx/4.0/",
        "https://evil.com/?x=creativecommons.org/licenses/by/4.0/", "evil.com/creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org@evil.com/licenses/by/4.0/", "https://evil.com/(creativecommons.org/licenses/by/4.0/)",
        "public domain?", f"{BY}?", f"? {BY}", f"¿{BY}", "≠ CC BY 4.0", "in copyright? CC0", f"copyright {BY}", "by", "license", "or and",
        f"{BY} by permission", f"{BY} for teaching", "CC BY 4.0" + " " * 3000 + "not at all", f"{BY}" + " " * 20_000 + "not at all",
        "CC BY 4.0, NC", "CC BY 4.0 / NC", f"{BY} ND", "GPL; Proprietary", "\u4e0d CC0",
        "CC BY 4.0 or a licence nobody knows", "\x00", "\ud800", "CC BY 4.0 \u202e", "a" * 100_000,
        "gpl " * 20_000, "creativecommons.org/" * 1000,
    ],
)  # fmt: skip
def test_what_is_not_known_denies(said: str) -> None:
    assert read_statement(said) is None
    decision = decide(said)
    assert not decision.may_publish and not decision.may_change


def test_nothing_said_denies() -> None:
    assert not decide(None).may_publish


@given(st.text(max_size=200))
def test_any_text_gets_a_decision(text: str) -> None:
    decision = decide(text)
    assert decision.may_publish <= (read_statement(text) is not None)
    assert decision.may_change <= decision.may_publish


def test_of_several_licences_the_one_that_permits_least_counts() -> None:
    said = read_statement("CC BY 4.0 or CC BY-NC-ND 4.0")
    assert said is not None and said.publishing == "non-commercial" and not said.may_change


def test_no_derivatives_is_published_only_as_it_came() -> None:
    decision = decide("CC BY-ND 4.0")
    assert decision.may_publish and not decision.may_change and decision.attribution_required


def test_commercial_archive_leaves_non_commercial_out() -> None:
    assert decide("CC BY-NC 4.0").may_publish
    assert not decide("CC BY-NC 4.0", commercial=True).may_publish
    assert decide("CC BY 4.0", commercial=True).may_publish


def test_every_licence_of_creative_commons_is_known_in_every_version_and_port() -> None:
    for family in ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd"):
        for version in ("1.0", "2.0", "2.1", "2.5", "3.0", "4.0"):
            for port in ("", *(f"{code}/" for code in load_table().ports)):
                for scheme in ("http", "https"):
                    address = f"{scheme}://creativecommons.org/licenses/{family}/{version}/{port}"
                    decision = decide(address)
                    assert decision.may_publish and decision.may_change == ("nd" not in family)
                    assert decision.uri == address.replace("http:", "https:")


def test_every_name_in_the_table_is_read_as_its_own_row() -> None:
    for row in load_table().rows:
        for version in row.versions or ("",):
            for name in (row.uri, *row.spdx, *row.said, *row.also):
                licence = read_statement(name.replace("{version}", version))
                assert licence is not None and licence.uri == row.uri.replace("{version}", version), name


def test_documented_table_is_the_table_that_decides() -> None:
    page = PAGE.read_text()
    for table in (write_licence_table(), write_reason_table()):
        documented = [line for line in page.splitlines() if line.startswith("|")]
        for line in table.splitlines():
            assert line in documented, line
    shown = sum(line.startswith("|") for line in page.splitlines())
    assert shown == len(write_licence_table().splitlines()) + len(write_reason_table().splitlines())


def test_sidecar_of_the_file_goes_before_tags_and_tags_before_folders(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    song = deep / "song.ogg"
    (tmp_path / "RIGHTS").write_text("\n CC BY 3.0 \n\nThe Band, 2003\n")
    sidecars = Sidecars(tmp_path)
    folder, tag = sidecars.of_folder(song), read_tag_statement({"license": ("CC BY-SA 3.0",)})
    assert folder is not None and (folder.text, folder.attribution) == ("CC BY 3.0", "The Band, 2003")
    assert strongest_statement([folder, tag, sidecars.of_file(song)]) == tag
    (deep / "song.ogg.rights").write_text("\ufeffCC0\r\n", encoding="utf-8")
    strongest = strongest_statement([folder, tag, sidecars.of_file(song)])
    assert strongest is not None and strongest.text == "CC0"


def test_nearest_folder_wins_and_nothing_above_the_top_is_read(tmp_path: Path) -> None:
    (tmp_path / "top" / "in").mkdir(parents=True)
    (tmp_path / "RIGHTS").write_text("CC0")
    assert Sidecars(tmp_path / "top").of_folder(tmp_path / "top" / "in" / "x.ogg") is None
    (tmp_path / "top" / "RIGHTS").write_text("MIT")
    found = Sidecars(tmp_path / "top").of_folder(tmp_path / "top" / "in" / "x.ogg")
    assert found is not None and found.text == "MIT"


def test_sidecar_that_cannot_be_read_denies(tmp_path: Path) -> None:
    (tmp_path / "folder.rights").mkdir()
    os.mkfifo(tmp_path / "fifo.rights")
    (tmp_path / "empty.rights").write_text("\n \n")
    (tmp_path / "huge.rights").write_text("CC0\n" + "x" * 100_000)
    (tmp_path / "loop.rights").symlink_to(tmp_path / "loop.rights")
    (tmp_path / "bytes.rights").write_bytes(b"\xff\xfe\x00CC0")
    for name in ("folder", "fifo", "empty", "huge", "loop", "bytes"):
        statement = read_sidecar(tmp_path / f"{name}.rights")
        assert statement is not None and not decide(statement.text).may_publish, name


def test_copyright_line_without_licence_is_no_statement() -> None:
    assert read_tag_statement({"copyright": ("2010 Someone",)}) is None
    assert read_tag_statement({"comment": (f"2010 Someone, drums under {BY}",)}) is None
    statement = read_tag_statement({"copyright": (f"Licensed under {BY}",)})
    assert statement is not None and statement.licence is not None and statement.licence.uri == BY


@pytest.mark.parametrize(
    ("values", "uri"),
    [
        ((CC + "by/2.0/", CC + "by-nc/2.0/"), CC + "by-nc/2.0/"),
        ((BY, " ", "CC BY 4.0"), BY),
        ((BY, "Proprietary"), None),
        (("Proprietary", BY), None),
        (("GPL version 2", "or later"), None),
    ],
)
def test_each_licence_tag_is_read_by_itself_and_one_that_is_unknown_denies(values: tuple[str, ...], uri: str | None) -> None:
    statement = read_tag_statement({"license": values, "copyright": (BY,)})
    assert statement is not None and (statement.licence.uri if statement.licence else None) == uri


def test_the_strictest_of_several_statements_counts_and_the_unknown_is_stricter_than_all() -> None:
    free, tied, closed, odd = (RightsStatement((text,), "tag") for text in ("CC0", "CC BY-NC-ND 4.0", "In Copyright", "ask me"))
    assert strictest_statement([free, tied]) is tied
    assert strictest_statement([tied, closed, free]) is closed
    assert strictest_statement([closed, odd, free]) is odd
    assert strictest_statement([]) is None


@given(st.sampled_from([BY, "CC0", "GPL", "Free Art License"]), st.text(min_size=1, max_size=30))
def test_words_beside_a_licence_never_make_it_permit_more(name: str, words: str) -> None:
    alone = decide(name)
    for text in (f"{name} {words}", f"{words} {name}"):
        decision = decide(text)
        assert decision.may_publish <= alone.may_publish and decision.may_change <= alone.may_change
        if any(letter.isalpha() and not letter.isascii() for letter in words):
            assert not decision.may_publish, "a word that is not understood denies"


@pytest.mark.parametrize("code", WITHDRAWAL_REASONS)
def test_withdrawal_code_decides_the_fate_of_the_bytes(code: str) -> None:
    withdrawal = parse_reason(f"{code.upper()}: asked by letter")
    reason = WITHDRAWAL_REASONS[code]
    assert (withdrawal.code, withdrawal.fate, withdrawal.text) == (code, reason.fate, "asked by letter")


def test_free_words_keep_the_bytes_dark() -> None:
    withdrawal = parse_reason("the singer: she asked us")
    assert (withdrawal.code, withdrawal.fate, withdrawal.text) == ("other", "dark", "the singer: she asked us")


def test_attribution_names_title_maker_and_licence() -> None:
    line = attribution_line("Song", ("A", "B"), "CC0 1.0", "https://x")
    assert line == "“Song” by A, B (CC0 1.0, https://x)"
