"""The page about mirrors says what is so."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from releases_made import Release, new_mirror

from fonoteca.ground.mirror_settings import read_mirror_settings, render_mirror_template
from fonoteca.workflows.mirror import make_mirror

ROOT = Path(__file__).resolve().parents[2]


def test_tables_and_columns_of_a_mirrors_ledger_are_those_on_its_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "formats" / "mirror.md").read_text("utf-8")
    described = {}
    for name, columns in re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", page, re.M):
        described[name] = [match[1] for part in columns.split(" · ") if (match := re.match(r"`(\w+)`", part))]
    make_mirror(tmp_path / "mirror")
    with sqlite3.connect(tmp_path / "mirror" / "ledger.sqlite3") as ledger:
        tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        real = {table: [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")] for table in tables}
    assert described == real


def test_what_lies_in_a_mirror_is_on_its_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "formats" / "mirror.md").read_text("utf-8")
    new_mirror(tmp_path / "mirror")
    for path in (tmp_path / "mirror").iterdir():
        assert f"`{path.name}" in page, path.name


def test_the_settings_that_a_new_mirror_gets_can_be_read_and_stand_on_their_page(tmp_path: Path) -> None:
    settings = read_mirror_settings(make_mirror(tmp_path / "mirror", "North", "8 TB"))
    assert (settings.name, settings.budget_bytes, settings.client.kind) == ("North", 8 * 10**12, "embedded")
    assert render_mirror_template("My mirror", "8 TB").strip() in (ROOT / "docs" / "mirror-settings.md").read_text("utf-8")


def test_a_made_release_is_a_release(tmp_path: Path) -> None:
    """What the tests of mirrors are made of passes the proof of releases, but for the pages that it leaves out."""
    from fonoteca.ground.progress import Silent
    from fonoteca.workflows.verify_release import verify_release

    report = verify_release(Release(tmp_path / "release").publish(), Silent())
    assert not report.has_damage
