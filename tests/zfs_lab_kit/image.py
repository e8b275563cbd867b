"""The disk that the guest boots from, its kernel and its first steps."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from zfs_lab_kit.parts import KIT, run_step

FIRST_MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk")  # in this order


def make_image(folder: Path, module: Path, system: Path, wheels: Path) -> None:
    """`root.ext4`, `vmlinuz` and `initrd.gz`."""
    log = folder / "log"
    root = folder / "root"
    run_step(["cp", "-a", "--reflink=auto", system / "root", root], log)
    (root / "lab").mkdir()
    for file in (KIT / "guest").iterdir():
        if file.is_file():
            shutil.copy(file, root / "lab")
    (root / "usr" / "local" / "bin" / "fonoteca").symlink_to("/lab/fonoteca_client.py")
    for program in ("init", "first_init", "fonoteca_client.py"):
        (root / "lab" / program).chmod(0o755)
    shutil.copytree(wheels / "site", root / "opt" / "fonoteca" / "site", symlinks=True)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n10.77.0.1 guest1\n10.77.0.2 guest2\n")
    shutil.copy(module / "vmlinuz", folder)
    _write_initrd(folder, root, module, log)
    image = folder / "root.ext4"
    with image.open("wb") as handle:
        handle.truncate(2 << 30)
    run_step(["mkfs.ext4", "-q", "-O", "^has_journal", "-d", root, image], log)
    shutil.rmtree(root)


def _write_initrd(folder: Path, root: Path, module: Path, log: Path) -> None:
    """Busybox and the modules of a virtio disk: no more is needed to find the root file system."""
    tree = folder / "initrd"
    for made in ("bin", "modules", "dev", "new"):
        (tree / made).mkdir(parents=True)
    shutil.copy(root / "usr" / "bin" / "busybox", tree / "bin")
    for name in FIRST_MODULES:
        shutil.copy(next((module / "modules").rglob(f"{name}.ko")), tree / "modules")
    shutil.copy(KIT / "guest" / "first_init", tree / "init")
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))) + "\n"
    (folder / "initrd.gz").write_bytes(
        gzip.compress(run_step(["cpio", "-o", "-H", "newc", "--quiet"], log, cwd=tree, stdin=names.encode()), 1)
    )
    shutil.rmtree(tree)
