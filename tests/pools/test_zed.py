"""ZED's settings and our zedlet, with the shell functions that ZED brings."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.pools.zed import REPLACED, ZED_RC, ZEDLETS, mail_settings, read_zed_rc, render_zed_rc, render_zedlet, words_about_mail
from fonoteca.workflows.pool.configuration import configure, zed_files

# what of zed-functions.sh the zedlet uses, as simple as can be
FUNCTIONS = """zed_rate_limit() {
    if grep -qxF "$1" "${ZED_RUNDIR}/seen" 2>/dev/null; then return 1; fi
    echo "$1" >> "${ZED_RUNDIR}/seen"
}
zed_notify() { { echo "Subject: $1"; cat "$2"; echo "----"; } >> "${ZED_RUNDIR}/mail"; }
"""
TEXT = st.text(st.characters(codec="ascii", exclude_characters="\r\0"), max_size=80)


@given(TEXT)
def test_settings_are_written_once_and_win_over_what_was_there(present: str) -> None:
    once = render_zed_rc(present, "me@example.org")
    assert render_zed_rc(once, "me@example.org") == once
    assert render_zed_rc(render_zed_rc(present, "another"), "me@example.org") == once
    assert once.startswith(present)
    assert read_zed_rc(once)["ZED_EMAIL_ADDR"] == "me@example.org"


def test_shell_reads_the_settings_as_we_do(tmp_path: Path) -> None:
    rc = tmp_path / "zed.rc"
    rc.write_text(render_zed_rc('ZED_EMAIL_ADDR="root"\n', "a b's", [("ZED_EMAIL_OPTS", "@ADDRESS@")]))
    shell = subprocess.run(
        ["sh", "-c", '. "$0"; printf "%s|%s" "$ZED_EMAIL_ADDR" "$ZED_EMAIL_OPTS"', str(rc)], capture_output=True, text=True, check=True
    )
    assert shell.stdout == "a b's|@ADDRESS@" == "{ZED_EMAIL_ADDR}|{ZED_EMAIL_OPTS}".format(**read_zed_rc(rc.read_text()))


def put(root: Path, name: str, text: str = "") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_missing_mailer_is_told_and_another_way_to_be_told_counts(tmp_path: Path) -> None:
    assert words_about_mail(tmp_path) == "", "no ZED, nothing to say"
    put(tmp_path, ZED_RC, "ZED_EMAIL_ADDR=root\n")
    assert "not installed" in words_about_mail(tmp_path)
    put(tmp_path, "usr/sbin/sendmail")
    assert mail_settings(tmp_path) == [("ZED_EMAIL_PROG", "/usr/sbin/sendmail"), ("ZED_EMAIL_OPTS", "@ADDRESS@")]
    put(tmp_path, ZED_RC, render_zed_rc("", "root", mail_settings(tmp_path)))
    assert words_about_mail(tmp_path) == ""
    put(tmp_path, "usr/bin/mail")
    assert mail_settings(tmp_path) == []
    put(tmp_path, ZED_RC, "#ZED_EMAIL_ADDR=root\n")
    assert "not set" in words_about_mail(tmp_path)
    put(tmp_path, ZED_RC, "ZED_NTFY_TOPIC=store\n")
    assert words_about_mail(tmp_path) == ""


def test_configuration_is_shown_written_once_and_then_as_it_should_be(tmp_path: Path) -> None:
    put(tmp_path, ZED_RC, "# kept\n")
    for name in REPLACED:
        put(tmp_path, f"etc/zfs/zed.d/{name}")
    sources = [zed_files(("/usr/bin/fonoteca",), "/tank/archive", "root", tmp_path)]
    shown = configure(sources, tmp_path, present=tmp_path, write=False)
    assert not shown.written and len(shown.files) == 1 + len(ZEDLETS) + len(REPLACED)
    configure(sources, tmp_path, present=tmp_path, write=True, machine=tmp_path)
    names = {path.name for path in (tmp_path / "etc/zfs/zed.d").iterdir()}
    assert names == {"zed.rc", *ZEDLETS} and (tmp_path / ZED_RC).read_text().startswith("# kept\n")
    assert stat.S_IMODE((tmp_path / ZED_RC).stat().st_mode) == 0o600
    assert os.access(tmp_path / "etc/zfs/zed.d" / ZEDLETS[0], os.X_OK)
    assert configure(sources, tmp_path, present=tmp_path, write=True).files == []


def test_files_that_are_written_elsewhere_are_for_this_machine(tmp_path: Path) -> None:
    machine, folder = tmp_path / "machine", tmp_path / "elsewhere"
    put(machine, "usr/sbin/sendmail")
    put(machine, f"etc/zfs/zed.d/{REPLACED[0]}")
    sources = [zed_files(("/usr/bin/fonoteca",), None, "root", machine)]
    first = configure(sources, folder, present=machine, write=True, machine=machine)
    assert read_zed_rc((folder / ZED_RC).read_text())["ZED_EMAIL_PROG"] == "/usr/sbin/sendmail"
    second = configure(sources, folder, present=folder, write=True, machine=machine)
    assert second.files == []
    for report in (first, second):
        assert len(report.facts) == 1 and report.facts[0].startswith(f"remove {machine}/etc/zfs/zed.d/{REPLACED[0]} on the machine")
    assert (machine / "etc/zfs/zed.d" / REPLACED[0]).exists()


@pytest.fixture
def zedlet(tmp_path: Path) -> dict[str, str]:
    """The environment in which ZED starts it; `fonoteca` prints what is in `told` and ends with what is in `status`."""
    folder = tmp_path / "zed.d"
    folder.mkdir()
    program = tmp_path / "fonoteca here"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\ncat "{tmp_path}/told"\nexit $(cat "{tmp_path}/status")\n')
    program.chmod(stat.S_IRWXU)
    (folder / "zed-functions.sh").write_text(FUNCTIONS)
    (folder / "zedlet").write_text(render_zedlet((str(program),), "/tank/my archive"))
    (folder / "zedlet").chmod(stat.S_IRWXU)
    (tmp_path / "told").write_text("tank has lost 1 disk / and & no data.\n  1. Replace it\n")
    (tmp_path / "status").write_text("3")
    return {
        "PATH": "/usr/bin:/bin", "ZED_ZEDLET_DIR": str(folder), "ZED_RUNDIR": str(tmp_path), "ZEVENT_POOL": "tank",
        "ZEVENT_SUBCLASS": "statechange", "ZEVENT_VDEV_STATE_STR": "FAULTED", "ZEVENT_VDEV_PATH": "/dev/sda1",
        "FONOTECA_ZED_SETTLES": "0.2",
    }  # fmt: skip


def _calls(place: Path) -> int:
    return len((place / "calls").read_text().splitlines()) if (place / "calls").exists() else 0


def fire(environment: dict[str, str], times: int = 1) -> str:
    """The mails after so many events at once."""
    place = Path(environment["ZED_RUNDIR"])
    before = _calls(place)
    for _ in range(times):
        began = time.monotonic()
        subprocess.run([Path(environment["ZED_ZEDLET_DIR"]) / "zedlet"], env=environment, check=True, timeout=10)
        assert time.monotonic() - began < 5, "ZED must not be held up"
    with open(place / "fonoteca-zed.lock.waiting", "a"), open(place / "fonoteca-zed.lock", "a"):
        until = time.monotonic() + 20
        while _calls(place) == before and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        subprocess.run(["flock", str(place / "fonoteca-zed.lock"), "true"], check=True, timeout=20)
    return (place / "mail").read_text() if (place / "mail").exists() else ""


def test_zedlet_mails_what_pool_status_says_under_a_subject_that_sed_can_take(zedlet: dict[str, str]) -> None:
    mail = fire(zedlet)
    assert mail.startswith("Subject: tank has lost 1 disk  and  no data.\nWhat ZFS reported: statechange FAULTED /dev/sda1\n")
    assert "  1. Replace it" in mail
    assert (Path(zedlet["ZED_RUNDIR"]) / "calls").read_text() == "pool status tank --archive /tank/my archive\n"


def test_many_events_at_once_are_one_mail_and_the_same_state_is_not_mailed_again(zedlet: dict[str, str]) -> None:
    assert fire(zedlet, times=5).count("Subject:") == 1
    assert fire(zedlet).count("Subject:") == 1


def test_another_disk_that_dies_is_mailed_also_under_the_same_subject(zedlet: dict[str, str]) -> None:
    told = Path(zedlet["ZED_RUNDIR"]) / "told"
    told.write_text("tank has lost data in 2 files.\n\n  vdev raidz3-0: 4 of 10 disks gone\n  faulted: /dev/a (raidz3-0)\n  81 % full\n")
    assert fire(zedlet).count("Subject:") == 1
    told.write_text(told.read_text().replace("81 %", "82 %"))
    assert fire(zedlet).count("Subject:") == 1
    told.write_text(told.read_text() + "  removed: /dev/b (raidz3-0)\n")
    assert fire(zedlet).count("Subject:") == 2


def test_pool_that_is_well_again_sends_no_mail(zedlet: dict[str, str]) -> None:
    (Path(zedlet["ZED_RUNDIR"]) / "status").write_text("0")
    assert fire(zedlet) == ""


def test_zedlet_is_shell(tmp_path: Path) -> None:
    (tmp_path / "z.sh").write_text(render_zedlet(("/a b/fonoteca", "-m"), "it's here"))
    subprocess.run(["sh", "-n", str(tmp_path / "z.sh")], check=True)
