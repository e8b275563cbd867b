"""Runs of sanoid with our configuration: it makes and prunes the snapshots."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fonoteca.ground.errors import AccessError, NoZfsError, ProgramError
from fonoteca.ground.programs import has_program, run_program
from fonoteca.pools.sanoid import SANOID_CONF
from fonoteca.pools.zfs import Zfs

TIME_LIMIT_S = 1800
_INSTALL = "On Debian: apt-get install sanoid. By hand it goes without: fonoteca pool snapshot NAME."


def run_sanoid(zfs: Zfs, configuration: str, *arguments: str) -> str:
    """What `sanoid --verbose …` prints. It lists snapshots anew; times are UTC as in Debian's units, and locks are shared with them."""
    if not has_program("zfs"):
        raise NoZfsError("this machine has no zfs", "On Debian: apt-get install zfsutils-linux zfs-dkms (component contrib).")
    if not has_program("sanoid"):
        raise ProgramError("sanoid is not installed", _INSTALL)
    with tempfile.TemporaryDirectory(prefix="fonoteca-sanoid-") as folder:
        Path(folder, "sanoid.conf").write_text(configuration, "utf-8")
        command = ["env", "TZ=UTC", "sanoid", f"--configdir={folder}", f"--cache-dir={folder}/cache", "--verbose", *arguments]
        try:
            return run_program([*zfs.prefix, *command], timeout_s=TIME_LIMIT_S).decode("utf-8", "surrogateescape")
        except ProgramError as error:
            if "Permission denied" in error.stderr:
                raise AccessError(f"sanoid may not do that as this user: {error.stderr.splitlines()[-1]}", "Run it as root.") from error
            raise


def refresh_sanoid_cache(zfs: Zfs, configuration: str) -> None:
    """Let the list that sanoid's timer goes by, which may be 15 minutes old, know of what was done just now. Without a timer: nothing."""
    if not Path("/", SANOID_CONF).exists():
        return
    with tempfile.TemporaryDirectory(prefix="fonoteca-sanoid-") as folder:
        Path(folder, "sanoid.conf").write_text(configuration, "utf-8")
        run_program([*zfs.prefix, "env", "TZ=UTC", "sanoid", f"--configdir={folder}", "--force-update"], timeout_s=TIME_LIMIT_S)
