"""How much a mirror may hold: what it was told, or what the disk has."""

from __future__ import annotations

import shutil

from fonoteca.workflows.mirror import Mirror

SPARE_SHARE = 0.05
"""Of the disk, kept free where no budget is set."""


def budget_of(mirror: Mirror) -> int:
    """Bytes: the setting, or what is held and what else fits on the disk, less a spare share of it."""
    told = mirror.settings.budget_bytes
    if told is not None:
        return told
    disk = shutil.disk_usage(mirror.path)
    held = sum(size for _, size in mirror.ledger.counts_of_files().values()) - mirror.ledger.counts_of_files().get("absent", (0, 0))[1]
    return max(0, held + disk.free - round(disk.total * SPARE_SHARE))
