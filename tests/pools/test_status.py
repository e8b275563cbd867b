"""What `zpool status` prints, of OpenZFS 2.1 to 2.3: every state is understood, and nothing else is taken for one."""

from __future__ import annotations

import random
import stat
import string
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fonoteca.ground.errors import AccessError, NotFoundError, NoZfsError, PoolError, PoolOutputError, PoolSuspendedError
from fonoteca.pools import PoolHealth, Vdev, Zfs
from fonoteca.pools.damaged_names import is_metadata, parse_damaged
from fonoteca.pools.status import read_health, suspended_pools, within
from fonoteca.pools.status_json import parse_status_json
from fonoteca.pools.status_text import kind_of, parse_status_text

OUTPUT = Path(__file__).parent / "output"
ALIKE = [
    f"2.3-{name}"
    for name in (
        "replacing", "spare-in-use", "draid-rebuilt", "expanding", "expanded", "unavail-log-missing", "stripe-errors", "scrub-running",
        "blueprint-scrub-paused",
    )
]  # fmt: skip
PAIRS = sorted(path.stem for path in OUTPUT.glob("2.3-*.json") if path.with_suffix(".txt").exists())


def read_text(name: str) -> PoolHealth:
    pools = parse_status_text((OUTPUT / f"{name}.txt").read_text("utf-8", "surrogateescape"))
    assert len(pools) == 1
    return pools[0]


def read_json(name: str) -> PoolHealth:
    pools = parse_status_json((OUTPUT / f"{name}.json").read_bytes())
    assert len(pools) == 1
    return pools[0]


def vdev(health: PoolHealth, ending: str) -> Vdev:
    return next(one for root in health.vdevs for one in root.walk() if one.name.endswith(ending))


# ---- text of 2.1 and 2.2


def test_gone_faulted_offline_and_unavailable_disks_are_told_apart() -> None:
    health = read_text("2.1-degraded-by-source")
    assert health.state == "DEGRADED" and health.message_id == "ZFS-8000-2Q"
    gone = vdev(health, "9223372036854775808")
    assert gone.state == "UNAVAIL" and gone.path is None and gone.former_path is not None and gone.former_path.endswith("004-part1")
    assert vdev(health, "005-part1").state == "OFFLINE" and vdev(health, "007-part1").state == "REMOVED"
    faulted = vdev(health, "006-part1")
    assert (faulted.state, faulted.read_errors, faulted.write_errors, faulted.note) == ("FAULTED", 12, 1229, "too many errors")
    assert vdev(health, "008-part1").checksum_errors == 17
    assert [(root.role, len(root.leaves())) for root in health.vdevs] == [("data", 8), ("spare", 1)]
    assert vdev(health, "raidz3-1").parity == 3


def test_last_scrub_tells_when_it_began_and_ended() -> None:
    scan = read_text("2.1-degraded-by-source").scan
    assert scan is not None and (scan.function, scan.state, scan.errors, scan.repaired_bytes) == ("scrub", "finished", 0, 0)
    assert scan.ended_at == int(time.mktime((2026, 11, 8, 7, 27, 2, 0, 0, -1)))
    assert scan.started_at == scan.ended_at - (3 * 86400 + 7 * 3600 + 2 * 60 + 41)


def test_disk_being_replaced_and_spare_standing_in_are_seen_while_resilvering() -> None:
    health = read_text("2.1-resilvering-by-source")
    assert health.scan is not None and (health.scan.function, health.scan.state) == ("resilver", "scanning")
    assert health.scan.seconds_left == 6 * 86400 + 3 * 3600 + 12 * 60 + 44
    assert health.scan.total_bytes == 210 * 2**40 and health.scan.issued_rate == 389 * 2**20
    assert [child.note for child in vdev(health, "replacing-1").children] == ["", "resilvering"]
    assert vdev(health, "spare-2").kind == "spare" and vdev(health, "004-part1").note == "awaiting resilver"
    spare = health.vdevs[1].children[0]
    assert (spare.state, spare.note) == ("INUSE", "currently in use")


@pytest.mark.parametrize(("version", "rate", "left"), [("2.1", 10 * 2**20, None), ("2.2", int(17.1 * 2**20), 19)])
def test_running_scrub_is_read_in_the_old_form_and_the_new(version: str, rate: int, left: int | None) -> None:
    scan = read_text(f"{version}-scrub-running-by-source").scan
    assert scan is not None and (scan.function, scan.state) == ("scrub", "scanning")
    assert (scan.total_bytes, scan.scanned_bytes, scan.issued_rate, scan.seconds_left) == (405 * 2**20, 403 * 2**20, rate, left)


def test_paused_canceled_and_missing_scrubs_are_told_apart() -> None:
    paused = read_text("2.1-scrub-paused-by-source").scan
    assert paused is not None and paused.state == "paused"
    assert paused.paused_at is not None and paused.started_at is not None and paused.paused_at - paused.started_at == 10 * 3600
    canceled = read_text("2.1-scrub-canceled-by-source").scan
    assert canceled is not None and canceled.state == "canceled" and canceled.ended_at is not None
    assert read_text("2.1-never-scrubbed-by-source").scan is None


def test_rebuild_of_draid_counts_before_the_scrub_that_ended() -> None:
    health = read_text("2.1-draid-rebuild-by-source")
    assert health.scan is not None and (health.scan.function, health.scan.state) == ("rebuild", "scanning")
    assert health.scan.total_bytes == int(2.20 * 2**40) and health.scan.seconds_left == 931
    assert vdev(health, "draid2:4d:8c:1s-0").parity == 2 and vdev(health, "draid2-0-0").kind == "disk"


def test_permanent_errors_keep_spaces_line_ends_and_bytes_that_are_no_text() -> None:
    health = read_text("2.1-permanent-errors-by-source")
    assert health.state == "ONLINE" and health.message_id == "ZFS-8000-8A" and health.error_count == 12
    paths = [one.path for one in health.damaged if one.dataset is None and one.path]
    assert paths[1:4] == ["/tank/two words/a  b", "/tank/line\nend", "/tank/not \udce4 text"]
    assert [one.text for one in health.damaged if is_metadata(one)] == ["tank/a:<0x0>", "<metadata>:<0x3>"]
    in_snapshot = [one for one in health.damaged if one.snapshot == "monday"]
    assert [(one.path, one.object_id) for one in in_snapshot] == [("/f", None), (None, 0x1A3)]
    lost_name = next(one for one in health.damaged if one.dataset == "<0x3c>")
    assert lost_name.object_id == 0x1A2


def test_damage_counts_where_its_names_are_not_for_this_user() -> None:
    assert read_text("2.2-errors-unavailable-by-source").error_count == 1
    assert read_text("2.1-without-v-by-source").error_count == 3


def test_missing_log_cache_and_special_vdevs_have_their_roles() -> None:
    health = read_text("2.1-missing-log-by-source")
    assert [root.role for root in health.vdevs] == ["data", "special", "log", "cache"]
    log = health.vdevs[2]
    assert log.state == "DEGRADED" and log.children[0].former_path == "/dev/nvme2n1p1"


def test_suspended_pool_removal_and_unknown_configuration_are_read() -> None:
    suspended = read_text("2.1-suspended-by-source")
    assert suspended.state == "SUSPENDED" and suspended.error_count == 2
    assert "copied out of" in (read_text("2.1-removal-by-source").removal or "")
    assert read_text("2.1-no-configuration-by-source").vdevs == ()


def test_several_pools_and_names_with_spaces() -> None:
    pools = parse_status_text((OUTPUT / "2.1-two-pools-by-source.txt").read_text())
    assert [pool.name for pool in pools] == ["tank", "back up"]
    assert pools[1].vdevs[0].name == "back up"
    assert parse_status_text("no pools available\n") == []


# ---- 2.3: both forms of the same moment, captured


@pytest.mark.parametrize("name", ALIKE)
def test_text_and_json_of_one_moment_tell_the_same(name: str) -> None:
    """Captured with the same options, while nothing moved."""
    told, read = read_json(name), read_text(name)
    for field in ("name", "state", "message_id", "status", "action", "error_count", "damaged"):
        assert getattr(told, field) == getattr(read, field), field
    assert [_shape(vdev) for vdev in told.vdevs] == [_shape(vdev) for vdev in read.vdevs]
    assert (told.scan is None) == (read.scan is None)
    if told.scan is not None and read.scan is not None:
        assert (told.scan.function, told.scan.state, told.scan.ended_at) == (read.scan.function, read.scan.state, read.scan.ended_at)


@pytest.mark.parametrize("name", PAIRS)
def test_text_and_json_have_the_same_vdevs_in_the_same_states(name: str) -> None:
    """Also where the two were captured with different options: full paths or none, names of damaged files or their count."""
    told = parse_status_json((OUTPUT / f"{name}.json").read_bytes())
    read = parse_status_text((OUTPUT / f"{name}.txt").read_text("utf-8", "surrogateescape"))
    assert [(one.name, one.state, one.message_id) for one in told] == [(one.name, one.state, one.message_id) for one in read]
    for first, second in zip(told, read, strict=True):
        assert [_standing(root) for root in first.vdevs] == [_standing(root) for root in second.vdevs]
        assert not second.damaged or first.error_count


def _standing(root: Vdev) -> object:
    return [(one.kind, one.role, one.state, one.parity, len(one.children)) for one in root.walk()]


def _shape(vdev: Vdev) -> object:
    plain = msgspec.structs.replace(vdev, guid=0, children=(), slow_ios=None, name="" if vdev.kind == "root" else vdev.name)
    return plain, [_shape(child) for child in vdev.children]


def test_there_are_captures_of_both_forms() -> None:
    assert set(ALIKE) <= set(PAIRS)


# ---- hostile text


@given(st.text(max_size=300))
@example('{"pools": {"t": {"name": "t", "state": "ONLINE", "vdevs": [1]}}}')
@example('{"pools": {"t": {"name": "t", "state": "ONLINE", "scan_stats": 7}}}')
@example("[" * 100_000)
def test_any_text_is_read_as_json_or_refused(text: str) -> None:
    for content in (text, text.encode("utf-8", "surrogatepass")):
        try:
            parse_status_json(content)
        except PoolOutputError:
            continue


_STATES = [path.read_text("utf-8", "surrogateescape") for path in sorted(OUTPUT.glob("*.txt")) if path.read_bytes().startswith(b"  pool:")]


@given(st.integers(0, 2**32))
def test_damaged_output_is_read_or_refused_but_never_crashes(seed: int) -> None:
    chance = random.Random(seed)
    text = list(chance.choice(_STATES))
    for _ in range(chance.randrange(1, 30)):
        at = chance.randrange(len(text))
        text[at : at + chance.randrange(3)] = chance.choice(["", "\n", "\t", "  ", "(", "9", "<0x", ":", "K", "\udc80", "DEGRADED"])
    try:
        parse_status_text("".join(text))
    except PoolOutputError:
        pass


_KEYS = ("name", "state", "vdevs", "scan_stats", "function", "errlist", "spares", "guid", "was", "aux", "class")


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.dictionaries(st.sampled_from(_KEYS), inner | st.lists(inner, max_size=2), max_size=5)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=8), _nested))
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        parse_status_json(msgspec.json.encode({"pools": {"tank": value}}))
    except PoolOutputError:
        pass


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_every_name_of_a_damaged_file_is_kept_as_it_is(name: str) -> None:
    assert parse_damaged(f"/tank/{name}").path == f"/tank/{name}"
    assert parse_damaged(name).text == name
    told = parse_damaged(f"tank/a b@snap:/{name}")
    assert (told.dataset, told.snapshot, told.path) == ("tank/a b", "snap", f"/{name}")


_NAMES = st.text(string.ascii_letters + "/ .-_", min_size=1, max_size=20).map(lambda text: "/" + text)


@given(st.lists(_NAMES, min_size=1, max_size=6, unique=True))
def test_names_that_are_printed_are_read_again(names: list[str]) -> None:
    text = (OUTPUT / "2.1-permanent-errors-by-source.txt").read_text("utf-8", "surrogateescape")
    head = text[: text.index("        /tank")]
    health = parse_status_text(head + "".join(f"        {name}\n" for name in names))[0]
    assert [one.text for one in health.damaged] == names


@pytest.mark.parametrize(
    ("name", "kind"),
    [("raidz3-0", ("raidz", 3)), ("draid2:8d:21c:1s-0", ("draid", 2)), ("draid2-0-0", ("disk", 0)), ("mirror-12", ("mirror", 0)),
     ("/dev/sda1", ("disk", 0)), ("/tmp/raidz1-0", ("file", 0)), ("1234567890123456789", ("missing", 0))],
)  # fmt: skip
def test_kind_of_a_vdev_is_in_its_name(name: str, kind: tuple[str, int]) -> None:
    assert kind_of(name) == kind


# ---- asking


def _put_program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH: what is put into it stands for zpool and zfs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_without_json_the_text_is_read_with_guids(programs: Path) -> None:
    text = OUTPUT / "2.1-never-scrubbed-by-source.txt"
    _put_program(programs, "zpool", f"""case "$*" in
        *-j*) echo "invalid option 'j'" >&2; echo usage: >&2; exit 2;;
        *-g*) sed 's,/tmp/v/d01 ,77777777777,; s,^\\ttank,\\t5555,' {text};;
        *) cat {text};; esac""")  # fmt: skip
    health = read_health(Zfs())[0]
    assert health.vdevs[0].guid == 5555 and health.vdevs[0].children[0].guid == 77777777777


def test_json_that_a_name_has_broken_is_asked_for_as_text(programs: Path) -> None:
    """In the C locale libnvpair stops at the first byte that is no ASCII."""
    text = OUTPUT / "2.1-permanent-errors-by-source.txt"
    _put_program(
        programs, "zpool", f"""case "$*" in *-j*) printf '{{"pools":{{"tank":{{"name":"tank","errlist":["/tank/';; *) cat {text};; esac"""
    )
    assert read_health(Zfs())[0].error_count == 12


def test_machine_without_zfs_is_told_how_to_get_it(programs: Path) -> None:
    with pytest.raises(NoZfsError) as error:
        read_health(Zfs())
    assert "zfsutils-linux" in error.value.hint


def test_status_that_hangs_is_given_up_and_the_suspended_pool_named(programs: Path, tmp_path: Path) -> None:
    _put_program(programs, "zpool", "exec sleep 30")
    kstat = tmp_path / "kstat"
    for pool, state in (("tank", "SUSPENDED"), ("other", "ONLINE")):
        (kstat / pool).mkdir(parents=True)
        (kstat / pool / "state").write_text(f"{state}\n")
    began = time.monotonic()
    with pytest.raises(PoolSuspendedError) as error:
        read_health(Zfs(), limit_s=0.3, kstat=kstat)
    assert time.monotonic() - began < 10
    assert "tank" in error.value.message and "zpool clear tank" in error.value.hint and suspended_pools(kstat) == ["tank"]


def test_status_whose_names_take_too_long_is_told_without_them(programs: Path) -> None:
    text = OUTPUT / "2.1-without-v-by-source.txt"
    _put_program(
        programs, "zpool", f"""case "$*" in *-j*) echo "invalid option 'j'" >&2; exit 2;; *-v*) exec sleep 30;; *) cat {text};; esac"""
    )
    began = time.monotonic()
    health = read_health(Zfs(), limit_s=3)[0]
    assert health.error_count == 3 and not health.damaged and time.monotonic() - began < 10
    began = time.monotonic()
    assert read_health(Zfs(), limit_s=30, with_names=False)[0].error_count == 3 and time.monotonic() - began < 5


def test_errors_within_a_time_limit_come_through() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    assert within(5, lambda: 7) == 7


def test_what_zpool_refuses_is_told_with_the_way_out(programs: Path) -> None:
    for words, kind in (
        ("cannot open 'nowhere': no such pool", NotFoundError),
        ("Permission denied the ZFS utilities must be run as root.", AccessError),
        ("The ZFS modules are not loaded.\nTry running '/sbin/modprobe zfs' as root to load them.", NoZfsError),
        ("internal error: out of memory", PoolError),
    ):
        _put_program(programs, "zpool", f'echo "{words}" >&2; exit 1')
        with pytest.raises(kind) as error:
            read_health(Zfs(), "nowhere")
        assert error.value.hint


def test_old_zpool_says_usage_in_its_last_lines(programs: Path) -> None:
    """Only the last three lines of an error are kept."""
    text = OUTPUT / "2.1-never-scrubbed-by-source.txt"
    _put_program(programs, "zpool", f"""case "$*" in
        *-j*) printf 'invalid option j\\nusage:\\n\\tstatus [-igLpPstvxD] [pool] ... \\n\\t    [interval [count]]\\n' >&2; exit 2;;
        *) cat {text};; esac""")  # fmt: skip
    assert read_health(Zfs())[0].name == "tank"
