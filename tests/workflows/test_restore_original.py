"""restore_original.py of a release: every patched file comes back by the release alone, with Python alone."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from commands import FREE_ART, make_archive, run_fonoteca
from mutagen.oggvorbis import OggVorbis

from fonoteca.audio import make_picture, patch_recipe, picture_block
from fonoteca.workflows.release_docs import PAGES, SCRIPT

ROOT = Path(__file__).parents[2]
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture(scope="module")
def released(music: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """A release of the real music, one file with a cover, one with base64 in lines, two chained; and the sources by SHA-256."""
    root = tmp_path_factory.mktemp("released")
    source = Path(shutil.copytree(music, root / "source"))
    files = sorted(source.rglob("*.ogg"))
    for number, file in enumerate(files[:3]):
        tags = OggVorbis(file)
        big = PNG[:-12] + (70_000).to_bytes(4, "big") + b"teSt" + os.urandom(70_000) + bytes(4) + PNG[-12:]
        block = picture_block(make_picture(big if number == 2 else PNG)).decode()
        tags["metadata_block_picture"] = block if number != 1 else "\r\n".join(block[at : at + 76] for at in range(0, len(block), 76))
        tags.save()
    archive = make_archive(root / "archive")
    run_fonoteca("add", source, "--check", "structure", "--rights", FREE_ART, "--archive", archive)
    run_fonoteca("build", "--archive", archive)
    run_fonoteca("publish", "--archive", archive)
    release = Path(shutil.move(archive / "release", root / "alone"))
    shutil.rmtree(archive)
    return release, {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}


def patch_records(release: Path) -> bytes:
    """The lines of the records of patches."""
    (packed,) = (release / "containers").glob("*_patches_records__*.zst")
    return subprocess.run(["zstd", "-dc", packed], capture_output=True, check=True).stdout


def plain_python() -> str:
    """A Python without our packages."""
    python = str(getattr(sys, "_base_executable", sys.executable))
    found = subprocess.run([python, "-I", "-c", "import fonoteca"], capture_output=True)
    assert found.returncode, f"{python} knows fonoteca, so it proves nothing"
    return python


def run_script(release: Path, target: Path, lines: bytes) -> subprocess.CompletedProcess[str]:
    target.mkdir(exist_ok=True)
    done = subprocess.run([plain_python(), "-I", release / SCRIPT, target], input=lines, capture_output=True, cwd="/", timeout=120)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_every_patched_file_is_restored_by_the_release_alone(released: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    release, sources = released
    lines = patch_records(release)
    records: list[dict[str, Any]] = [json.loads(line)["metadata"] for line in lines.splitlines()]
    done = run_script(release, tmp_path / "out", lines)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(records) >= 14
    for record in records:
        assert (tmp_path / "out" / f"{record['id']}.ogg").read_bytes() == sources[record["original_sha256"]].read_bytes()
    patches = [base64.b64decode(record["patch"]) for record in records]
    assert median(map(len, patches)) <= 150
    assert {patch[41] for patch in patches if patch[4] == 1} >= {0, 3}, "no picture was taken out: the test proves too little"


def test_patches_of_every_mode_and_kind_are_applied(released: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    """Modes 1 and 2 and Zstandard, made for the members of the release as if other files had come."""
    from fonoteca.audio.ogg_layout import read_layout
    from fonoteca.audio.patch_recipe import WHOLE_HEADER, WHOLE_PACKET, Recipe, _encode
    from fonoteca.audio.patches import OGG, ZSTANDARD, _build, _compress_with_prefix, apply_patch

    release, sources = released
    record = json.loads(patch_records(release).splitlines()[0])
    aacid = record["metadata"]["member"]
    member = next((release / "containers").glob(f"*/{aacid}")).read_bytes()
    came = sources[record["metadata"]["original_sha256"]].read_bytes()
    old, new = read_layout(came), read_layout(member)
    digest = hashlib.sha256(came).digest()
    recipes = [Recipe(WHOLE_PACKET, 0, old.packet, old.fronts), Recipe(WHOLE_HEADER, 0, came[: old.end], old.fronts)]
    patches = [_build(OGG, digest, len(came), _encode(recipe, member[: new.end])) for recipe in recipes]
    patches.append(_build(ZSTANDARD, digest, len(came), _compress_with_prefix(came, member)))
    for number, patch in enumerate(patches):
        assert apply_patch(member, patch) == came
        line = json.dumps({"metadata": record["metadata"] | {"id": str(number), "patch": base64.b64encode(patch).decode()}}).encode()
        done = run_script(release, tmp_path / "out", line)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / f"{number}.ogg").read_bytes() == came


def test_damage_is_told_and_nothing_is_written(released: tuple[Path, dict[str, Path]], tmp_path: Path) -> None:
    release = Path(shutil.copytree(released[0], tmp_path / "release"))
    lines = patch_records(release).splitlines(keepends=True)[:2]
    first = json.loads(lines[0])["metadata"]
    member = next((release / "containers").glob(f"*/{first['member']}"))
    content = member.read_bytes()
    member.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = run_script(release, tmp_path / "out", b"".join(lines))
    assert done.returncode == 1 and first["id"] in done.stderr and "damaged" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_the_script_holds_the_dictionaries_that_their_page_names() -> None:
    names: dict[str, Any] = {"__name__": "script", "__file__": "script"}
    exec((ROOT / "docs" / SCRIPT).read_text(), names)
    assert names["D"] == patch_recipe._DICTIONARY and names["D_AND_E"] == patch_recipe._DICTIONARY + patch_recipe._PICTURE_WORDS
    page = (ROOT / "docs" / "formats" / "patch.md").read_text()
    assert all(hashlib.sha256(names[name]).hexdigest() in page for name in ("D", "D_AND_E"))


def test_links_between_the_pages_of_a_release_lead_somewhere(released: tuple[Path, dict[str, Path]]) -> None:
    release = released[0]
    listed = (release / "SHA256SUMS").read_text()
    for path in (*(f"docs/{page}" for page in PAGES), SCRIPT):
        assert f"  {path}\n" in listed
    for page in (release / "docs").rglob("*.md"):
        links = re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == [], page
    readme = (release / "README.txt").read_text()
    named = re.findall(r"docs/[\w/.-]+\.md", readme)
    assert named and all((release / name).is_file() for name in named)


def test_a_wheel_brings_what_releases_need() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for name in (SCRIPT, *PAGES):
        places = [target for source, target in settings.items() if f"docs/{name}" == source or f"docs/{name}".startswith(source + "/")]
        assert places, f"{name} is in no wheel"
