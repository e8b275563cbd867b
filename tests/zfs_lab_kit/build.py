"""Builds the lab: about ten minutes from nothing, nothing where it is there. The registries are asked only for parts that are missing."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from zfs_lab_kit.image import make_image
from zfs_lab_kit.module import make_module
from zfs_lab_kit.parts import KIT, LabError, choose_lab_cache, hash_of, keep_part
from zfs_lab_kit.system import make_system
from zfs_lab_kit.wheels import make_wheels, read_requirements

PROJECT = KIT.parent.parent / "pyproject.toml"


def can_build() -> str:
    """Why the lab cannot be built on this machine; empty where it can."""
    if platform.machine() != "x86_64":
        return f"the lab's guest is made for x86_64, this is {platform.machine()}"
    if not Path("/etc/debian_version").exists():
        return "the lab is built from Debian's packages, and this is not Debian"
    return "" if os.geteuid() == 0 else "the lab is built by root only"


def build_lab(cache: Path | None = None) -> tuple[Path, Path]:
    """The folders of the image and of the guest's system, which are there after this; LabError says what went wrong."""
    if reason := can_build():
        raise LabError(reason)
    cache = cache or choose_lab_cache()
    common = (KIT / "parts.py", KIT / "packages.py")
    module = keep_part(cache, "module", hash_of(*common, KIT / "module.py"), make_module)
    system = keep_part(cache, "system", hash_of(module.name, *common, KIT / "system.py"), lambda folder: make_system(folder, module))
    wanted = "\n".join(read_requirements(PROJECT))
    wheels = keep_part(
        cache, "wheels", hash_of(wanted, system.name, KIT / "wheels.py"), lambda folder: make_wheels(folder, PROJECT, system)
    )
    key = hash_of(module.name, system.name, wheels.name, KIT / "image.py", KIT / "guest")
    image = keep_part(cache, "image", key, lambda folder: make_image(folder, module, system, wheels))
    return image, system
