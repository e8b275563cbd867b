"""The pages say what is so: commands on the task pages run as they stand, and what archives hold is described field by field."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutagen.flac import Picture
from mutagen.oggvorbis import OggVorbis

from describe_commands import list_commands
from fonoteca.ground.settings import render_template

pytestmark = pytest.mark.xdist_group("pages")  # one worker walks the pages once

ROOT = Path(__file__).resolve().parent.parent
TASKS = (
    "add-music",
    "import-a-catalogue",
    "join-recordings",
    "plan-and-build",
    "publish",
    "verify",
    "prove-on-a-schedule",
    "heal",
    "restore-an-archive",
    "restore-an-original",
    "read-a-release",
    "search",
    "shuffle",
    "find-what-is-missing",
    "look-up",
    "statistics",
    "plan-for-a-budget",
    "read-a-catalogue",
    "build-a-large-edition",
    "follow-editions",
    "plan-a-pool",
    "make-a-pool",
    "replicate",
    "plan-a-mirror",
    "mirror",
    "torrent-clients",
    "withdraw",
    "snapshots",
    "watch-a-pool",
)
PROGRAMS = ("minisign", "sqlite3", "zstd", "ogginfo", "transmission-show", "sha256sum")
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=")


def read_page(name: str) -> str:
    """A page of docs/ by its path without the ending."""
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def find_blocks(page: str) -> list[str]:
    """The blocks of a page that are to be typed."""
    return re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M)


@pytest.fixture(scope="session")
def walked(music_minute: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive in which everything on the task pages was typed, in their order; one of its files has a cover."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"the pages use programs that are not here: {', '.join(missing)}")
    top = tmp_path_factory.mktemp("pages")
    shutil.copytree(music_minute, top / "Music")
    embed_cover(top / "Music" / "menu.ogg")
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    archive = top / "my-archive"
    for task in TASKS:
        for block in find_blocks(read_page(f"tasks/{task}")):
            folder = archive if archive.is_dir() else top
            command = ["bash", "-euo", "pipefail", "-c", block]
            done = subprocess.run(
                command, cwd=folder, env={**os.environ, **paths}, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, f"docs/tasks/{task}.md\n{block}\n{done.stdout}\n{done.stderr}"
    return archive


def embed_cover(path: Path) -> None:
    """Put a picture into an Ogg Vorbis file, as taggers do."""
    picture = Picture()
    picture.data, picture.mime, picture.type = PIXEL, "image/png", 3
    picture.width = picture.height = 1
    file = OggVorbis(path)
    file["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    file.save()


def test_every_command_on_the_task_pages_runs_as_it_stands(walked: Path) -> None:
    assert json.loads((walked / "release" / "release.json").read_bytes())["serial"] > 2
    assert (walked / "came.ogg").read_bytes() == (walked.parent / "Music" / "menu.ogg").read_bytes()
    assert not any(path.name.startswith("Spike") for path in walked.rglob("*"))


def test_every_task_page_is_walked_and_every_command_stands_on_one() -> None:
    assert sorted(TASKS) == sorted(page.stem for page in (ROOT / "docs" / "tasks").glob("*.md"))
    typed = "\n".join(block for task in TASKS for block in find_blocks(read_page(f"tasks/{task}")))
    pages = [*(ROOT / "docs" / "tasks").glob("*.md"), *(ROOT / "docs" / "operations").glob("*.md")]
    told = "\n".join(page.read_text("utf-8") for page in pages)  # what needs ZFS is not typed here
    assert [
        name for name, _ in list_commands()
        if not re.search(rf"^fonoteca {name}\b", typed, re.M) and not (name.startswith("pool ") and f"fonoteca {name}" in told)
    ] == []  # fmt: skip


def read_records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Collection and metadata of every record in a folder of containers."""
    for file in sorted(folder.glob("*.jsonl.seekable.zst")):
        lines = subprocess.run(["zstd", "-dc", file], capture_output=True, check=True).stdout.splitlines()
        yield from ((file.name.split("__")[2], json.loads(line)["metadata"]) for line in lines)


def documented(page: str, title: str) -> set[str]:
    """The names in the first column of the tables below a heading or a word in code."""
    _, _, rest = page.partition(title)
    assert rest, f"the page has no {title!r}"
    table = re.search(r"((?:^\|.*\n)+)", rest, re.M)
    assert table, title
    return {name for row in table[1].splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_every_field_of_records_is_described(walked: Path) -> None:
    page = read_page("formats/records")
    kinds = {"covers_files": "## Covers", "patches_records": "## Patches"}
    met: set[str] = set()
    for collection, metadata in read_records(walked / "containers"):
        title = next((title for ending, title in kinds.items() if collection.endswith(ending)), "## Recordings")
        met.add(title)
        assert metadata.keys() <= documented(page, title), (collection, metadata.keys() - documented(page, title))
        for part in ("original", "rights"):
            told = metadata.get(part, {})
            assert told.keys() <= documented(page, f"\n`{part}`:"), (part, told)
    assert met == {"## Recordings", "## Covers", "## Patches"}


def test_every_field_of_release_json_and_every_file_of_a_release_is_described(walked: Path) -> None:
    page = read_page("formats/release")
    assert json.loads((walked / "release" / "release.json").read_bytes()).keys() == documented(page, "## release.json")
    patterns = documented(page, "## Layout")
    for path in (walked / "release").iterdir():
        name = path.name + "/" * path.is_dir()
        assert any(Path(name).match(pattern) and (pattern.endswith("/") == name.endswith("/")) for pattern in patterns), name


def test_tables_and_columns_of_the_ledger_are_those_on_its_page(walked: Path) -> None:
    described = {}
    for row in re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", read_page("formats/ledger"), re.M):
        described[row[0]] = [match[1] for part in row[1].split(" · ") if (match := re.match(r"`(\w+)`", part))]
    with sqlite3.connect(f"file:{walked / 'ledger.sqlite3'}?mode=ro", uri=True) as ledger:
        tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        real = {table: [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")] for table in tables}
    assert described == real


def test_the_settings_page_shows_the_file_that_init_writes() -> None:
    assert render_template("My archive", "my_archive").strip() in read_page("settings")
