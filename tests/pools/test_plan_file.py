"""Plans of pools as files: what is written is read back, and what does not hold together is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import AccessError, PoolPlanError
from fonoteca.pools.plan_file import PlannedDataset, PlannedVdev, PoolPlan, check_plan, parse_plan, read_plan, write_plan
from fonoteca.pools.plan_words import write_plan_text

SMALL = 'format = 1\nname = "tank"\n[[vdevs]]\nkind = "mirror"\nwidth = 2\n'
DISKS = tuple(f"/dev/disk/by-id/ata-ST22000_{number}" for number in range(10))

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)
keys = st.from_regex(r"[a-z0-9][a-z0-9_.:@-]{0,12}", fullmatch=True).filter(lambda key: key not in ("ashift", "fonoteca:plan"))
properties = st.dictionaries(keys, words)
paths = st.from_regex(r"/dev/disk/by-id/[A-Za-z0-9_.:-]{1,20}", fullmatch=True)


SORTS = [("raidz3", 9, "data"), ("mirror", 3, "special"), ("draid2:4d:9c:1s", 9, "data"), ("disk", 1, "log")]


@st.composite
def plans(draw: st.DrawFn) -> PoolPlan:
    free = iter(draw(st.lists(paths, min_size=40, max_size=40, unique=True)))

    def some(count: int) -> tuple[str, ...]:
        return tuple(next(free) for _ in range(count)) if draw(st.booleans()) else ()

    vdevs = [PlannedVdev(kind, width, role, some(width)) for kind, width, role in draw(st.lists(st.sampled_from(SORTS), max_size=3))]
    names = draw(st.lists(st.from_regex(r"[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,7}", fullmatch=True), max_size=3, unique=True))
    spares = draw(st.integers(0, 4))
    return PoolPlan(
        name=draw(st.from_regex(r"tank[A-Za-z0-9_.:-]{0,8}", fullmatch=True)),
        vdevs=(PlannedVdev("raidz1", 3), *vdevs),
        ashift=draw(st.integers(9, 16)),
        disk_bytes=draw(st.integers(0, 2**62)),
        spare_count=spares,
        spares=some(spares),
        reckoned_pool_bytes=draw(st.integers(0, 2**62)),
        pool_properties=draw(properties),
        properties=draw(properties),
        datasets=tuple(PlannedDataset(name, draw(properties)) for name in names),
    )


@given(plans())
def test_what_is_written_is_read_back(plan: PoolPlan) -> None:
    assert list(check_plan(plan)) == []
    again = parse_plan(write_plan_text(plan).encode())
    assert again == plan
    assert again.digest == plan.digest


def test_the_digest_is_of_what_a_plan_says_and_not_of_how_it_is_laid_out() -> None:
    plan = parse_plan(SMALL.encode())
    assert parse_plan(f"# reviewed\n{SMALL}\n".encode()).digest == plan.digest
    assert parse_plan(SMALL.replace("width = 2", "width = 3").encode()).digest != plan.digest


def test_what_can_be_mended_later_is_not_in_the_digest() -> None:
    plan = parse_plan((SMALL + "[[datasets]]\nname = 'a'\nproperties = {compression = 'ztsd'}").encode())
    mended = parse_plan((SMALL + "[[datasets]]\nname = 'a'\nproperties = {compression = 'zstd'}").encode())
    assert mended.digest == plan.digest
    for change in ({"name": "other"}, {"ashift": 13}, {"spares": DISKS[:1]}, {"vdevs": (PlannedVdev("mirror", 2, disks=DISKS[:2]),)}):
        assert msgspec.structs.replace(plan, **change).digest != plan.digest


def test_a_plan_that_was_edited_is_not_overwritten(tmp_path: Path) -> None:
    plan, path = parse_plan(SMALL.encode()), tmp_path / "plan.toml"
    write_plan(path, plan)
    write_plan(path, plan)
    path.write_text(path.read_text() + "# bay 7 is loose\n")
    with pytest.raises(PoolPlanError, match="is there already"):
        write_plan(path, plan)
    assert path.read_text().endswith("# bay 7 is loose\n")


def test_a_plan_file_is_written_and_read(tmp_path: Path) -> None:
    plan = PoolPlan(name="tank", vdevs=(PlannedVdev("raidz3", 10, disks=DISKS),))
    write_plan(tmp_path / "plan.toml", plan)
    assert read_plan(tmp_path / "plan.toml") == plan
    with pytest.raises(AccessError):
        read_plan(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SMALL.replace("width", "widht"), "Did you mean width"),
        (SMALL + "ashfit = 12", "unknown field"),
        (SMALL.replace("format = 1", "format = 2"), "format"),
        (SMALL.replace('"tank"', '"mirror-one"'), "keeps for itself"),
        (SMALL.replace('"tank"', '"log"'), "keeps for itself"),
        (SMALL.replace('"tank"', '"two words"'), "name"),
        (SMALL.replace('"tank"', '"-f"'), "name"),
        (SMALL.replace('"mirror"', '"raidz4"'), "no known kind"),
        (SMALL.replace('"mirror"', '"raidz3"'), "needs at least 4"),
        (SMALL.replace("width = 2", "width = 1"), "needs at least 2"),
        (SMALL + 'role = "special"', "no vdev is there for data"),
        (SMALL + '[[vdevs]]\nkind = "disk"\nwidth = 1\nrole = "special"', "with it the pool dies"),
        (SMALL + '[[vdevs]]\nkind = "draid2:4d:8c:1s"\nwidth = 9', "says 8 children"),
        (SMALL + '[[vdevs]]\nkind = "draid2:8d:5c:9s"\nwidth = 5', "cannot be: draid2 of 5 disks"),
        (SMALL + '[[vdevs]]\nkind = "draid2:0d:5c:0s"\nwidth = 5', "no disk for data"),
        (SMALL + f'[[vdevs]]\nkind = "draid2:{"9" * 5000}d"\nwidth = 5', "no known kind"),
        (SMALL + "[[datasets]]\nname = '..'", "may be . or .."),
        (SMALL + "[[datasets]]\nname = 'a'\n[[datasets]]\nname = 'a/.'", "may be . or .."),
        (SMALL + 'disks = ["/dev/disk/by-id/a"]', "names 1 disks"),
        (SMALL + 'disks = ["/dev/disk/by-id/a", "/dev/disk/by-id/a"]', "stands in it twice"),
        (SMALL + 'disks = ["sda", "-f"]', "no path"),
        ('spares = ["/dev/disk/by-id/a"]\n' + SMALL, "spare_count is 0"),
        ("ashift = 17\n" + SMALL, "ashift"),
        (SMALL + "[pool_properties]\nashift = '9'", "key of its own"),
        (SMALL + "[properties]\n'-o x' = '9'", "properties"),
        (SMALL + "[properties]\nmountpoint = 'a\\u0000b'\nx = \"a\\u0000b\"", "properties"),
        (SMALL + "[properties]\n'fonoteca:plan' = '9'", "set by fonoteca itself"),
        (SMALL + "[properties]\nencryption = 'on'", "would ask for a key"),
        (SMALL + "[[datasets]]\nname = 'a/b'", "must come after"),
        (SMALL + "[[datasets]]\nname = 'a'\n[[datasets]]\nname = 'a'", "stands in it twice"),
        (SMALL + "[[datasets]]\nname = 'two words'", "name"),
        (SMALL + "[[datasets]]\nname = '../x/'", "name"),
        ("name = 'tank'\nvdevs = []", "vdevs"),
        ("", "missing required field"),
        ("\x00", "the plan"),
        ("[" * 5000, "the plan"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_named(text: str, told: str) -> None:
    with pytest.raises(PoolPlanError) as caught:
        parse_plan(text.encode())
    assert told in str(caught.value)


def test_places_without_disks_are_known() -> None:
    plan = PoolPlan(name="tank", vdevs=(PlannedVdev("mirror", 2, disks=DISKS[:2]),), spare_count=1)
    assert not plan.has_disks
    assert PoolPlan(name="tank", vdevs=plan.vdevs, spare_count=1, spares=DISKS[2:3]).has_disks


def test_the_plan_on_its_page_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/formats/pool-plan.md").read_text("utf-8")
    plan = parse_plan(page.split("```toml\n")[1].split("```")[0].encode())
    assert plan.vdevs[0].kind == "raidz3"
    described = {key for line in page.splitlines() if line.startswith("| `") for key in line.split("|")[1].replace("`", "").split()}
    assert described >= {*PoolPlan.__struct_fields__, *PlannedVdev.__struct_fields__}
