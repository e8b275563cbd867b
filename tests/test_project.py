"""The rules of the house that a program can check."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fonoteca
from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.findings import FINDING_KINDS
from write_docs import find_stale_pages

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")


def test_pages_written_from_the_code_are_in_step() -> None:
    assert find_stale_pages() == []


def test_the_error_tree_drawn_in_its_module_is_the_tree() -> None:
    drawn = re.findall(r"^[│├└─\s]*(\w+Error)\s+([a-z-]+)\s+exit (\d+)$", sys.modules[FonotecaError.__module__].__doc__ or "", re.M)
    assert drawn == [(kind.__name__, kind.code, str(kind.exit_status)) for kind in _walk(FonotecaError)]


def _walk(kind: type[FonotecaError]) -> list[type[FonotecaError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _walk(child))]


def test_error_codes_are_unique_and_documented() -> None:
    codes = [kind.code for kind in _walk(FonotecaError)]
    assert len(codes) == len(set(codes))
    assert all(kind.__doc__ for kind in _walk(FonotecaError))


def test_every_finding_code_used_in_the_code_is_known() -> None:
    used = {
        (path.name, call.args[0].value)
        for path in SOURCES
        for call in ast.walk(ast.parse(path.read_text("utf-8"), path))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Finding"
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    assert {code for _, code in used} <= FINDING_KINDS.keys(), [pair for pair in used if pair[1] not in FINDING_KINDS]


def test_every_finding_says_the_way_out() -> None:
    assert all(kind.meaning.endswith(".") and kind.way_out.endswith(".") for kind in FINDING_KINDS.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)  # code may look like a link
    broken = [link for link in LINK.findall(prose) if not (page.parent / link).exists()]
    assert broken == []


def test_every_page_is_on_the_first_page_of_docs() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_no_source_file_grows_past_400_lines() -> None:
    assert [path.name for path in SOURCES if len(path.read_text("utf-8").splitlines()) > 400] == []


def test_only_one_module_starts_processes() -> None:
    starting = re.compile(r"^\s*(import|from) (subprocess|pty)\b|os\.(system|popen|exec|spawn)", re.M)
    assert [path.name for path in SOURCES if starting.search(path.read_text("utf-8"))] == ["programs.py"]


def test_only_the_command_line_prints() -> None:
    speaking = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if "cli" not in path.parts
        for call in ast.walk(ast.parse(path.read_text("utf-8"), path))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("print", "sys.stdout.write", "sys.stderr.write")
    ]
    assert speaking == []


def test_the_changelog_knows_this_version() -> None:
    assert f"## {fonoteca.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    assert [one for one in wanted if ">=" not in one and not one.startswith("fonoteca[")] == []


def read_quick_start() -> str:
    """The commands of README.md: the quick start, then those of the catalogue."""
    blocks = re.findall(r"<!-- (?:quick|catalogue) start -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    assert len(blocks) == 2, "README.md has no quick start"
    return "".join(blocks)


def test_the_quick_start_works_word_for_word(music_minute: Path, tmp_path: Path) -> None:
    shutil.copytree(music_minute, tmp_path / "Music")
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", read_quick_start()],
        cwd=tmp_path, env={**os.environ, **paths}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "my-archive" / "release" / "SHA256SUMS").exists()
    assert (tmp_path / "my-archive" / "report" / "index.html").exists()
