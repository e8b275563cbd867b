"""`fonoteca pool plan` as it is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fonoteca.cli.run import run
from fonoteca.pools.plan_file import read_plan


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What the command says as JSON."""
    assert run(["pool", "plan", *words, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def refuse(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said of words that cannot be."""
    assert run(["pool", "plan", *words]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said.splitlines()) >= 2, "an error tells the way out"
    return said


def test_the_blueprint_does_not_hold_300_tb_and_what_does_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "plan", "--layout", "2xraidz3x10", "--disk", "22TB,24TB", "--holds", "300TB"]) == 0
    said = capsys.readouterr().out
    assert "439,976,449,802,240 bytes   439.98 TB = 400.16 TiB" in said
    assert "292,893,751,246,848 bytes   292.89 TB = 266.39 TiB" in said
    assert "at 128K 300 TB does not fit: about 293 TB do" in said
    assert "at 1M 300 TB fills it to 98% of the 306 TB that fit" in said
    assert "and 80 % is the limit" in said
    assert "Take 2xraidz3x11 with disks of 24.0 TB" in said
    for layout in ("2xraidz3x12", "3xraidz3x10"):
        assert f"\n{layout} " in said


def test_every_number_is_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    told = plan(capsys, "--layout", "2xraidz3x10", "--disk", "22TB", "--holds", "300TB", "--price-disk", "350")
    (asked,) = told["asked"]
    assert (asked["pool_bytes"], asked["shown_bytes"], asked["fits"]) == (439_976_449_802_240, 292_893_751_246_848, False)
    assert asked["money"] == 7000
    assert {"pool_loss", "file_loss", "survives", "survives_one_more", "survives_two_more"} == asked["risk"].keys()
    assert told["taken"]["layout"] == "2xraidz3x12"
    assert told["file_count"] == 86_000_000


def test_a_layout_alone_is_filled_to_its_limit(capsys: pytest.CaptureFixture[str]) -> None:
    told = plan(capsys, "--layout", "3xmirrorx2", "--disk", "4TB", "--fill", "70")
    (asked,) = told["asked"]
    assert asked["fill"] == pytest.approx(0.7, abs=1e-4)
    assert told["offered"] == []


def test_growth_and_spares_are_planned_for(capsys: pytest.CaptureFixture[str]) -> None:
    now, then = (
        plan(capsys, "--holds", "100TB", "--disk", "22TB", *more)["taken"] for more in ((), ("--growth", "10%/year", "--spares", "1"))
    )
    assert then["disks"] > now["disks"]
    assert then["layout"].endswith("+1spare")
    assert then["fill_then"] == pytest.approx(then["fill"] * 1.1**5)


def test_the_plan_that_is_written_is_the_layout_to_the_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan(capsys, "--layout", "2xraidz3x10+2spares", "--disk", "22TB", "--write", str(tmp_path / "plan.toml"), "--name", "vault")
    written = read_plan(tmp_path / "plan.toml")
    assert (written.name, written.spare_count, [vdev.kind for vdev in written.vdevs]) == ("vault", 2, ["raidz3", "raidz3"])
    assert (written.reckoned_pool_bytes, written.reckoned_shown_bytes) == (439_976_449_802_240, 292_893_751_246_848)


def test_the_plan_that_is_written_has_the_properties_that_it_was_judged_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = ("--layout", "2xraidz3x12+special:mirrorx3", "--special-disk", "4TB", "--small-blocks", "64K", "--recordsize", "128K")
    words = (*layout, "--holds", "100TB", "--disk", "22TB", "--write", str(tmp_path / "s.toml"))
    plan(capsys, *words)
    assert read_plan(tmp_path / "s.toml").datasets[1].properties == {"recordsize": "128K", "special_small_blocks": "64K"}
    (tmp_path / "s.toml").write_text("edited")
    assert "is there already" in refuse(capsys, *words)


def test_money_says_what_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    layout = ("--layout", "2xraidz3x12+special:mirrorx3", "--special-disk", "4TB", "--disk", "22TB", "--holds", "100TB")
    assert run(["pool", "plan", *layout, "--price-disk", "350", "--currency", "EUR"]) == 0
    assert "8,400 EUR without the disks of its special vdev" in capsys.readouterr().out


def test_a_bound_that_nothing_reaches_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "plan", "--holds", "100TB", "--disk", "22TB", "--loss-bound", "1e-310"]) == 0
    assert "less than 1 in 1e+30 is the bound" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_layouts_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    path = tmp_path / f"pool.{ending}"
    plan(capsys, "--holds", "300TB", "--disk", "22TB", "--picture", str(path))
    content = path.read_bytes()
    assert b"2xraidz3x12" in content if ending == "svg" else content.startswith(b"\x89PNG")


def test_refused_layouts_and_the_limit_are_seen_in_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = plan(capsys, "--layout", "2xraidz3x10", "--holds", "300TB", "--disk", "22TB", "--picture", str(tmp_path / "pool.svg"))
    fills = (tmp_path / "pool.svg").read_text().split('id="pool-fill-t"')[1].split("</svg>")[0]
    colors = dict(re.findall(r"<title>(\S+) · 22.0 TB: [^<]*</title>.*?<rect class=\"p-f(\d)\"", fills))
    sound = {one["layout"]: one["fits"] and not one["against"] for one in told["offered"]}
    assert len(set(colors.values())) == 2
    assert {layout: color == "2" for layout, color in colors.items()} == {layout: sound[layout] for layout in colors}
    assert fills.count('class="p-x"') == 1


def test_the_files_of_an_archive_are_planned_for(small_archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = plan(capsys, "--archive", str(small_archive), "--disk", "22TB")
    assert told["file_source"] == str(small_archive)
    content = [path for path in (small_archive / "containers").rglob("*") if path.is_file()]
    assert told["file_bytes"] == pytest.approx(sum(path.stat().st_size for path in content), abs=len(content))
    assert told["file_count"] == len(content)
    assert plan(capsys, "--archive", str(small_archive), "--holds", "50TB", "--disk", "22TB")["file_bytes"] == pytest.approx(50e12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--holds", "300"], "unit left out"),
        (["--holds", "300Tb"], "not a size"),
        (["--holds", "300TB", "--disk", "22"], "unit left out"),
        (["--holds", "300TB", "--disk", ""], "no size of disk"),
        (["--holds", "10PB", "--disk", "2GB"], "no layout of up to 5,000 disks"),
        (["--layout", "0xraidz3x10"], "0 vdevs"),
        (["--layout", "raidz3x3"], "at least 4"),
        (["--layout", "1000000000xraidz3x10"], "5,000 disks"),
        (["--layout", "2xraidz3x10", "--recordsize", "100K"], "powers of two"),
        (["--layout", "2xraidz3x10", "--ashift", "42"], "ashift 42"),
        (["--layout", "2xraidz3x10", "--fill", "0"], "fill limit"),
        (["--layout", "2xraidz3x10", "--growth", "much"], "not a share"),
        (["--layout", "2xraidz3x10", "--yearly-failures", "150%"], "1.5 of all disks"),
        (["--layout", "2xraidz3x10", "--price-disk", "cheap"], "not a price"),
        (["--layout", "2xraidz3x10", "--neighbours", "nan"], "finite"),
        (["--layout", "2xraidz3x10", "--picture", "pool.gif"], ".svg"),
        (["--layout", "2xraidz3x10", "--layout", "raidz3x9", "--write", "p.toml"], "several layouts"),
        (["--layout", "2xraidz3x10", "--compression", "off", "--write", "p.toml"], "compression=off"),
        (["--layout", "raidz3x10to12", "--write", "p.toml"], "plan what is made: raidz3x10."),
        (["--layout", "2xraidz3x10", "--loss-bound", "1.5"], "from 0 to 1"),
        (["--layout", "2xraidz3x10", "--price-disk", "350", "--price-bay", "nan"], "a bay costs nan"),
        (["--layout", "2xraidz3x10", "--pick"], "--write"),
        (["--layout", "2xraidz3x10", "--disks", "sda"], "--write"),
        ([], "nothing to plan"),
    ],
)
def test_what_cannot_be_planned_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refuse(capsys, *words)
    assert not list(tmp_path.iterdir())


def test_tib_and_tb_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    told = plan(capsys, "--layout", "2xraidz3x10", "--disk", "20TiB")
    assert told["asked"][0]["disk_bytes"] == 20 * 2**40
    assert "sold in TB" in told["notes"][0]
