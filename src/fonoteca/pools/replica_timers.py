"""Timers of systemd for the replicas that this machine sends to: one run an hour, and a proof often enough for prove_days."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fonoteca.ground.pool_settings import ReplicaSettings

UNITS = "etc/systemd/system"
_HEADING = "# Written by fonoteca pool configure.\n"


def write_units(program: Sequence[str], archive: str, replicas: Sequence[ReplicaSettings]) -> dict[str, str]:
    """The units by file name; none where this machine sends to no replica."""
    days = [one.prove_days for one in replicas if one.mode == "push"]
    if not days:
        return {}
    command = [*program, "pool", "replicate", "--archive", archive]
    after = "After=fonoteca-replicate.service\n"  # it waits for a run that goes on
    return {
        "fonoteca-replicate.service": _service("Replication of the store", command, ""),
        "fonoteca-replicate.timer": _timer("Replication of the store", "hourly", "5min"),
        "fonoteca-prove-replicas.service": _service("Proof of the replicas", [*command, "--prove"], after),
        "fonoteca-prove-replicas.timer": _timer("Proof of the replicas", _calendar(min(days)), "1h"),
    }


def _calendar(days: float) -> str:
    """Often enough: months have up to 31 days, and a proof takes days."""
    return "monthly" if days >= 32 else "weekly" if days >= 8 else "daily"


def _service(what: str, command: Sequence[str], after: str) -> str:
    return f"""{_HEADING}[Unit]
Description={what}
After=zfs.target network-online.target
Wants=network-online.target
{after}
[Service]
Type=oneshot
ExecStart={" ".join(map(_quoted, command))}
"""


def _timer(what: str, calendar: str, delay: str) -> str:
    return f"""{_HEADING}[Unit]
Description={what}

[Timer]
OnCalendar={calendar}
Persistent=true
RandomizedDelaySec={delay}

[Install]
WantedBy=timers.target
"""


def _quoted(text: str) -> str:
    """One word of a command of a unit."""
    if re.fullmatch(r"[A-Za-z0-9_./:-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
