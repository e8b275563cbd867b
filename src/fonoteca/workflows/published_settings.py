"""The settings that a release tells, so that an archive which is made again from it goes on by the same rules."""

from __future__ import annotations

from typing import Any

import msgspec

from fonoteca.ground.settings import FORMAT, Settings

_TOLD = ("popularity", "tiers", "covers", "containers", "publish", "rights")
"""Tables of archive.toml that hold nothing private: where keys and scratch folders lie is nobody else's matter."""


def settings_to_tell(settings: Settings) -> dict[str, Any]:
    """The tables of archive.toml that decide what containers and torrents are made, as they stand in release.json."""
    return {name: msgspec.to_builtins(getattr(settings, name)) for name in _TOLD}


def render_settings(name: str, institution: str, told: dict[str, Any]) -> str:
    """An archive.toml of what a release tells; msgspec.ValidationError where it is none."""
    known = {table: told[table] for table in _TOLD if table in told}
    settings = msgspec.convert({"format": FORMAT, "name": name, "institution": institution, **known}, Settings)
    lines = [
        "# Made again from a release. Every key is explained in docs/settings.md.",
        *_pairs({"format": FORMAT, "name": name, "institution": institution}),
    ]
    for table, values in settings_to_tell(settings).items():
        for one in values if isinstance(values, (list, tuple)) else [values]:
            lines += ["", f"[[{table}]]" if isinstance(values, (list, tuple)) else f"[{table}]", *_pairs(one)]
    return "\n".join(lines) + "\n"


def _pairs(values: dict[str, Any]) -> list[str]:
    """Texts, numbers, truths and lists of texts are the same in JSON and TOML."""
    return [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in values.items() if value is not None]
