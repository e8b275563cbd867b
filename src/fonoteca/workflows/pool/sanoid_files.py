"""What sanoid's timer needs on this machine: our policy as sanoid.conf, and holds set before each pruning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fonoteca.ground.errors import NotFoundError, NoZfsError
from fonoteca.ground.settings import read_settings
from fonoteca.pools.sanoid import HEADING, PRUNE_DROP_IN, SANOID_CONF, write_prune_drop_in
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.pool.configuration import ConfigurationFile, Source
from fonoteca.workflows.pool.snapshot import find_store, sanoid_conf_of


def sanoid_files(zfs: Zfs, archive: Path, program: Sequence[str]) -> Source:
    """sanoid's: none where the archive lies on no ZFS. A sanoid.conf that somebody else wrote is kept beside under another name."""

    def files(root: Path) -> list[ConfigurationFile]:
        try:
            store = find_store(zfs, archive)
            text = sanoid_conf_of(zfs, store)
        except NoZfsError:
            return []
        except NotFoundError:
            if read_settings(archive).pool.dataset:
                raise
            return []  # the archive lies on other file systems
        command = [*program, "pool", "prune", "--holds-only", "--archive", str(archive.resolve())]
        return [
            *_kept_aside(root),
            ConfigurationFile(SANOID_CONF, text, "which snapshots are made and pruned"),
            ConfigurationFile(
                PRUNE_DROP_IN, write_prune_drop_in(command), "holds are set before sanoid prunes; where that fails, nothing is pruned"
            ),
        ]

    return files


def _kept_aside(root: Path) -> list[ConfigurationFile]:
    try:
        text = (root / SANOID_CONF).read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    if not text.strip() or text.startswith(HEADING):
        return []
    return [ConfigurationFile(f"{SANOID_CONF}.before-fonoteca", text, "the sanoid.conf that is replaced; what other pools need, move over")]
