"""The runbooks say what is so: every command on them exists, as it stands, and what they quote is what the program prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cyclopts import CycloptsError

import fonoteca.cli.run  # noqa: F401 registers every command
from fonoteca.cli.commands import app

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "operations"
PAGES = sorted(page.stem for page in FOLDER.glob("*.md"))
RUNBOOKS = {"replace-a-disk", "two-disks", "lose-a-vdev", "move-the-pool", "restore-to-new-hardware", "upgrade"}
ZFS_VERBS = {
    "zpool": {"clear", "import", "export", "online", "attach", "upgrade", "labelclear", "create", "status"},
    "zfs": {"version", "list"},
}  # fmt: skip


def read(page: str) -> str:
    return (FOLDER / f"{page}.md").read_text("utf-8")


def commands(page: str) -> list[str]:
    """Lines of blocks, and what stands in code within sentences and tables."""
    text = read(page)
    blocks = [line for block in re.findall(r"^```(?:console|sh)\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    return blocks + re.findall(r"`(fonoteca [^`]+)`", text)


def test_there_is_a_runbook_for_each_bad_day() -> None:
    assert set(PAGES) >= RUNBOOKS


@pytest.mark.parametrize("page", sorted(RUNBOOKS))
def test_every_command_of_a_runbook_exists_as_it_stands(page: str) -> None:
    typed = commands(page)
    assert typed
    for line in typed:
        words = shlex.split(line)
        if words[0] == "fonoteca":
            try:
                command, _, unused, _ = app.parse_known_args(words[1:])
            except CycloptsError as error:
                raise AssertionError(f"{page}: {line}: {error}") from error
            assert not unused and command is not app.default_command, f"{page}: {line}"
        elif words[0] in ZFS_VERBS:
            assert len(words) == 1 or words[1] in ZFS_VERBS[words[0]], f"{page}: {line}"


@pytest.mark.parametrize("page", sorted(RUNBOOKS))
def test_links_of_a_runbook_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", read(page)):
        assert (FOLDER / link).exists(), f"{page}: {link}"


def test_errors_name_runbooks_that_are_there() -> None:
    source = Path(__file__).resolve().parents[2] / "src"
    named = {name for path in source.rglob("*.py") for name in re.findall(r"docs/operations/([a-z-]+)\.md", path.read_text("utf-8"))}
    assert named and named <= set(PAGES)


def test_what_the_runbook_quotes_is_what_the_program_says() -> None:
    source = Path(__file__).resolve().parents[2] / "src" / "fonoteca"
    words = "".join(path.read_text("utf-8") for path in [*source.glob("pools/re*.py"), *source.glob("cli/pool_re*.py")])
    for quoted in (
        "Do NOT pull it now",
        "is healthy again",
        "standing still, time left unknown",
        "vanished while it was filled",
        "died too",
    ):
        assert quoted in words and quoted in read("replace-a-disk")
