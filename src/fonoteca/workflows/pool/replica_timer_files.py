"""The timers that replicate and prove, as files of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fonoteca.ground.settings import read_settings
from fonoteca.pools.replica_timers import UNITS, write_units
from fonoteca.workflows.pool.configuration import ConfigurationFile, Source


def replica_timer_files(archive: Path, program: Sequence[str]) -> Source:
    """None where archive.toml names no replica to send to."""

    def files(_: Path) -> list[ConfigurationFile]:
        units = write_units(program, str(archive.resolve()), read_settings(archive).pool.replicas)
        return [ConfigurationFile(f"{UNITS}/{name}", text, _why(name)) for name, text in units.items()]

    return files


def _why(name: str) -> str:
    does = "reads the replicas back" if "prove" in name else "sends to the replicas"
    return f"{does}; to switch it on: systemctl enable --now {name}" if name.endswith(".timer") else does
