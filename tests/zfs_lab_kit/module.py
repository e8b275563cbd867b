"""The guest's kernel, and zfs.ko for it, made from Debian's zfs-dkms by plain configure and make."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from zfs_lab_kit.packages import KERNEL_RELEASE, SYSTEM_RELEASE, Packages
from zfs_lab_kit.parts import run_step


def make_module(folder: Path) -> None:
    """`vmlinuz`, `modules/VERSION/…` with zfs.ko in `updates/`, `version`, and the .deb files of the same OpenZFS that `system` takes."""
    log = folder / "log"
    work = folder / "work"
    packages = Packages(work / "apt", log)
    kernel, zfs = _fetch(packages, work)
    tree = work / "tree"
    tree.mkdir()
    for file in sorted((work / "debs").glob("*.deb")):
        if file.name.startswith(("linux-", "zfs-dkms")):
            run_step(["dpkg-deb", "-x", file, tree], log)
    source = _build(tree, kernel, log)
    _install(source, tree, kernel, folder, log)
    (folder / "version").write_text(f"{kernel} {zfs}\n")
    (folder / "debs").mkdir()
    for file in sorted((work / "debs").glob("zfs-[zt]e*.deb")):
        shutil.move(file, folder / "debs")
    shutil.rmtree(work)


def _fetch(packages: Packages, work: Path) -> tuple[str, str]:
    """Everything to build with, in `work/debs`; the versions of the kernel and of OpenZFS."""
    image = packages.find_dependency("linux-image-cloud-amd64", KERNEL_RELEASE)
    kernel = image.removeprefix("linux-image-")
    version = packages.find_version(image, KERNEL_RELEASE)
    plain = kernel.removesuffix("-cloud-amd64")
    zfs = packages.find_version("zfs-dkms", SYSTEM_RELEASE)
    parts = (image, f"linux-headers-{kernel}", f"linux-headers-{plain}-common", f"linux-kbuild-{'.'.join(plain.split('.')[:2])}")
    packages.download(
        work / "debs", *(f"{part}={version}" for part in parts), *(f"{part}={zfs}" for part in ("zfs-dkms", "zfs-zed", "zfs-test"))
    )
    return kernel, zfs


def _build(tree: Path, kernel: str, log: Path) -> Path:
    """The source of OpenZFS with its modules made."""
    sources = tree / "usr" / "src"
    makefile = sources / f"linux-headers-{kernel}" / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src", str(sources)))
    source = next(sources.glob("zfs-[0-9]*"))
    common = sources / f"linux-headers-{kernel.removesuffix('-cloud-amd64')}-common"
    options = ["--disable-dependency-tracking", "--prefix=/usr", "--with-config=kernel"]
    run_step(["./configure", *options, f"--with-linux={common}", f"--with-linux-obj={makefile.parent}"], log, cwd=source)
    run_step(["make", "-s", f"-j{os.cpu_count() or 1}"], log, cwd=source)
    return source


def _install(source: Path, tree: Path, kernel: str, folder: Path, log: Path) -> None:
    modules = folder / "modules" / kernel
    shutil.copytree(tree / "lib" / "modules" / kernel, modules, symlinks=True)
    for link in ("build", "source"):
        (modules / link).unlink(missing_ok=True)
    (modules / "updates").mkdir()
    for name in ("spl.ko", "zfs.ko"):
        run_step(["strip", "-g", "-o", modules / "updates" / name, source / "module" / name], log)
    shutil.copy(tree / "boot" / f"vmlinuz-{kernel}", folder / "vmlinuz")
