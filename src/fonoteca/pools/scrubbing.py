"""Who scrubs a pool, and whether anybody should beside them: a pure function of files and properties. Never two scrubs a month."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from fonoteca.ground.errors import UsageError
from fonoteca.pools.health import Scan
from fonoteca.pools.scan_text import parse_local_time

Who = Literal["debian", "monthly", "weekly", "ours"]

PERIODIC = "org.debian:periodic-scrub"
CRON_FILE = "etc/cron.d/zfsutils-linux"
DEBIAN_SCRIPT = "usr/lib/zfs-linux/scrub"
_GENERATOR = "lib/systemd/system-generators/systemd-crontab-generator"
# anacron is none of these: it does not read /etc/cron.d
_CRONS = ("usr/sbin/cron", "usr/sbin/crond", f"usr/{_GENERATOR}", _GENERATOR)
_SYSTEMD = ("run/systemd/system", "usr/lib/systemd/systemd", "lib/systemd/systemd")
_TIMERS = "etc/systemd/system/timers.target.wants"
_SCANS = re.compile(r"\[txg:[0-9]+\] scan (setup func=(?P<function>[0-9]+) mintxg=(?P<first>[0-9]+)|done)")
_LINE = re.compile(r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})\.(?P<time>[0-9:]{8})")
_SCRUB = "1"  # POOL_SCAN_SCRUB of sys/fs/zfs.h


class ScrubSources(msgspec.Struct, frozen=True):
    """What was found on this machine. `timers`: names of timer units that are switched on."""

    has_debian_cron: bool = False
    has_cron: bool = False
    timers: tuple[str, ...] = ()
    has_systemd: bool = True


class Scrubber(msgspec.Struct, frozen=True):
    """Somebody who scrubs a pool, how often a month, and what is to be known of it."""

    who: Who
    times_a_month: float
    words: str


def find_scrub_sources(root: Path = Path("/")) -> ScrubSources:
    """Look at what is there below `root`."""
    timers = root / _TIMERS
    names = sorted(entry.name for entry in timers.iterdir()) if timers.is_dir() else []
    return ScrubSources(
        has_debian_cron=(root / CRON_FILE).is_file() and (root / DEBIAN_SCRIPT).exists(),
        has_cron=any((root / place).exists() for place in _CRONS), timers=tuple(names),
        has_systemd=any((root / place).exists() for place in _SYSTEMD),
    )  # fmt: skip


def who_scrubs(pool: str, periodic: str, sources: ScrubSources) -> list[Scrubber]:
    """Everybody who scrubs this pool; `periodic` is the property org.debian:periodic-scrub of its root dataset."""
    found = []
    if sources.has_debian_cron and sources.has_cron and periodic in ("-", "auto", "enable", ""):
        words = "Debian's cron job, on the second Sunday of each month; it passes over a pool that is not exactly ONLINE"
        found.append(Scrubber("debian", 1, words))
    name = escape_unit(pool)
    for timer, who, times in ((f"zfs-scrub-monthly@{name}.timer", "monthly", 1), (f"zfs-scrub-weekly@{name}.timer", "weekly", 4.3)):
        if timer in sources.timers:
            found.append(Scrubber(who, times, f"the timer {timer} of zfsutils"))  # type: ignore[arg-type]
    if f"{unit_name(pool)}.timer" in sources.timers:
        found.append(Scrubber("ours", 1, f"the timer {unit_name(pool)}.timer of Fonoteca"))
    return found


def words_about_scrubbers(pool: str, periodic: str, sources: ScrubSources) -> list[str]:
    """Who scrubs, and what is wrong with that."""
    found = who_scrubs(pool, periodic, sources)
    words = [f"scrubbed by {one.words}" for one in found]
    if not found:
        words.append(f"nobody scrubs {pool}{_why_nobody(periodic, sources)}; fonoteca pool scrub {pool} --schedule makes a timer")
    if sum(one.times_a_month for one in found) > 1 and len(found) > 1:
        words.append(f"that is more than once a month; leave one: zfs set {PERIODIC}=disable {pool}, or switch off the timers")
    return words


def _why_nobody(periodic: str, sources: ScrubSources) -> str:
    if sources.has_debian_cron and periodic == "disable":
        return f" ({PERIODIC} is disable)"
    if sources.has_debian_cron and not sources.has_cron:
        return " (Debian's cron job is there, but no cron is installed)"
    return ""


def plan_schedule(pool: str, periodic: str, sources: ScrubSources, program: Sequence[str], scrub_days: int) -> dict[str, str]:
    """The units that scrub this pool, by file name; UsageError with the reason where they are not needed, or cannot work."""
    found = [one for one in who_scrubs(pool, periodic, sources) if one.who != "ours"]
    if found:
        raise UsageError(
            f"{pool} is scrubbed already: {'; '.join(one.words for one in found)}",
            f"Nothing to do. To have Fonoteca do it instead: zfs set {PERIODIC}=disable {pool}, or switch off the timer named.",
        )
    if not sources.has_systemd:
        raise UsageError(
            "there is no systemd here, whose timers these would be",
            f"Let cron do it, once a month: {shlex.join(program)} pool scrub {pool}",
        )
    return {f"{unit_name(pool)}.service": _service(pool, program), f"{unit_name(pool)}.timer": _timer(pool, scrub_days)}


def unit_name(pool: str) -> str:
    """What our units for a pool are called."""
    return f"fonoteca-scrub-{escape_unit(pool)}"


def escape_unit(text: str) -> str:
    """A name as systemd-escape writes it."""
    return "".join(
        one if re.fullmatch(r"[A-Za-z0-9:_.]", one) and not (at == 0 and one == ".") else "-" if one == "/" else f"\\x{ord(one):02x}"
        for at, one in enumerate(text)
    )


def read_last_scrub(scan: Scan | None, history: str = "") -> int | None:
    """When the last whole scrub ended: from the last scan where that was one, else from `zpool history -i`."""
    if scan is not None and scan.function == "scrub" and scan.state == "finished":
        return scan.ended_at
    last, is_scrub = None, False
    for line in history.split("\n"):
        found = _SCANS.search(line)
        if found is None:
            continue
        if found["function"] is not None:
            is_scrub = found["function"] == _SCRUB and found["first"] == "0"
        elif is_scrub and "errors=" in line:
            last, is_scrub = _second_of(line) or last, False
    return last


def refuse_scrub(scan: Scan | None, *, errors: bool) -> str | None:
    """Why none can start now; None where one can. A scrub that is paused goes on by starting it."""
    if scan is None or scan.state not in ("scanning", "paused"):
        return None
    if scan.function in ("resilver", "rebuild"):
        return "a resilver is running, and reads what matters most; start the scrub when it is done"
    if scan.function == "scrub" and scan.state == "scanning":
        return "a scrub is running already" + ("; one of damaged files only must wait for it" if errors else "")
    return None


def _second_of(line: str) -> int | None:
    found = _LINE.match(line)
    return parse_local_time(f"{found['date']} {found['time']}", "%Y-%m-%d %H:%M:%S") if found else None


def _calendar(scrub_days: int) -> str:
    """Often enough: months have up to 31 days, and a scrub takes days."""
    return "monthly" if scrub_days >= 32 else "weekly" if scrub_days >= 8 else "daily"


def _service(pool: str, program: Sequence[str]) -> str:
    return f"""# Written by fonoteca pool scrub --schedule.
[Unit]
Description=Scrub of the ZFS pool {_percent(pool)}
Documentation=man:zpool-scrub(8)
After=zfs.target
ConditionPathIsDirectory=/sys/module/zfs

[Service]
Type=oneshot
ExecStart={" ".join(map(_quoted, program))} pool scrub {_quoted(pool)}
"""


def _timer(pool: str, scrub_days: int) -> str:
    return f"""# Written by fonoteca pool scrub --schedule.
[Unit]
Description=Scrub of the ZFS pool {_percent(pool)}, so that every block is read within {scrub_days} days
Documentation=man:zpool-scrub(8)

[Timer]
OnCalendar={_calendar(scrub_days)}
Persistent=true
RandomizedDelaySec=1h

[Install]
WantedBy=timers.target
"""


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word of a command of a unit."""
    if re.fullmatch(r"[A-Za-z0-9_./:-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def commands_to_schedule(pool: str, folder: str, files: Sequence[str]) -> list[str]:
    """What switches the timer on, once its files are in `folder`."""
    timer = next(name for name in files if name.endswith(".timer"))
    return [f"# in {folder}: {', '.join(files)}", "systemctl daemon-reload", f"systemctl enable --now '{timer}'"]
