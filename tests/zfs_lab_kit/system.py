"""The guest's Debian: a minimal system with OpenZFS's programs, sanoid, SSH and Python."""

from __future__ import annotations

import shutil
from pathlib import Path

from zfs_lab_kit.packages import SYSTEM_RELEASE, Packages, unpack
from zfs_lab_kit.parts import run_step

PACKAGES = (
    "udev", "kmod", "python3", "zfsutils-linux", "sanoid", "busybox-static", "iproute2", "procps", "openssh-server", "openssh-client",
    "smartmontools",  "systemd", "lsscsi", "zstd",
)  # fmt: skip
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/bash-completion/*")


def make_system(folder: Path, module: Path) -> None:
    """`root/`, the whole tree: Debian, the modules, ZED and zinject."""
    log = folder / "log"
    work = folder / "work"
    packages = Packages(work / "apt", log, (SYSTEM_RELEASE,))
    left_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    run_step(
        ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(PACKAGES)}", *left_out,
         '--aptopt=Apt::Install-Recommends "false"', SYSTEM_RELEASE, work / "root.tar", packages.sources], log,
    )  # fmt: skip
    root = folder / "root"
    root.mkdir()
    run_step(["tar", "-xf", work / "root.tar", "-C", root, "--exclude=./dev/*"], log)
    shutil.rmtree(work)
    _add_zfs(root, module, log)


def _add_zfs(root: Path, module: Path, log: Path) -> None:
    """Modules; ZED and zinject without the packages that theirs ask for. No zedlet is enabled: all of them are slow without KVM."""
    (root / "dev").mkdir(exist_ok=True)
    kernel = (module / "version").read_text().split()[0]
    shutil.copytree(module / "modules" / kernel, root / "usr" / "lib" / "modules" / kernel, symlinks=True)
    run_step(["chroot", root, "depmod", kernel], log)
    for file in sorted((module / "debs").glob("*.deb")):
        unpack(file, root, log, *(("*/sbin/zinject",) if file.name.startswith("zfs-test") else ()))
    shutil.rmtree(root / "var" / "cache" / "apt", ignore_errors=True)
    shutil.rmtree(root / "var" / "lib" / "apt" / "lists", ignore_errors=True)
