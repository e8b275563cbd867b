"""Files for the programs that watch and snapshot a pool: ZED's settings and zedlet, sanoid's policy; shown, and written where asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fonoteca.ground.errors import translate_os_errors
from fonoteca.ground.files import write_atomically
from fonoteca.pools.zed import REPLACED, ZED_RC, ZEDLETS, mail_settings, render_zed_rc, render_zedlet, words_about_mail

ZEDLET_FOLDER = "etc/zfs/zed.d"


class ConfigurationFile(msgspec.Struct, frozen=True):
    """One file, its path below the root of the machine. No `text`: it is to be removed. `why` says what it is for."""

    path: str
    text: str | None
    why: str
    mode: int = 0o644


class ConfigurationReport(msgspec.Struct, kw_only=True):
    """What is to be written and removed, or was; `facts` are what is wrong with the rest."""

    root: str
    written: bool
    files: list[ConfigurationFile]
    facts: list[str] = []


Source = Callable[[Path], Sequence[ConfigurationFile]]
"""Gives the files of one program for the machine whose root is the argument."""


def zed_files(program: Sequence[str], archive: str | None, mail: str, machine: Path = Path("/")) -> Source:
    """ZED's: zed.rc as it is there with our lines, for the mailer and against the zedlets that this machine has."""

    def files(root: Path) -> list[ConfigurationFile]:
        text = render_zed_rc(_text_of(root / ZED_RC), mail, mail_settings(machine))
        found = [ConfigurationFile(ZED_RC, text, "who is written to, and about what", 0o600)]
        zedlet = render_zedlet(program, archive)
        found += [ConfigurationFile(f"{ZEDLET_FOLDER}/{name}", zedlet, "one mail in plain words", 0o755) for name in ZEDLETS]
        doubled = [name for name in REPLACED if os.path.lexists(machine / ZEDLET_FOLDER / name)]
        found += [ConfigurationFile(f"{ZEDLET_FOLDER}/{name}", None, "it would write a second mail about the same") for name in doubled]
        return found

    return files


def configure(sources: Sequence[Source], root: Path, *, present: Path, write: bool, machine: Path = Path("/")) -> ConfigurationReport:
    """Collect the files of all programs; `write` puts them below `root`. `present` is the root whose files are looked at.

    Files that are as they should be are left out, so that a second run has nothing to do. What is to be removed from the `machine`
    is a fact where something else is written to.
    """
    wanted = [one for source in sources for one in source(present)]
    files = [one for one in wanted if not _is_there(root, one)]
    removed = [one for one in wanted if one.text is None and one not in files]
    if write:
        with translate_os_errors(root):
            for one in files:
                _put(root, one)
    words = words_about_mail(root if write else present, machine)
    facts = [f"remove {machine / one.path} on the machine: {one.why}" for one in removed] + ([words] if words else [])
    return ConfigurationReport(root=str(root), written=write, files=files, facts=facts)


def _put(root: Path, file: ConfigurationFile) -> None:
    path = root / file.path
    if file.text is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.text.encode("utf-8", "surrogateescape"), is_ours=False)
    path.chmod(file.mode)


def _is_there(root: Path, file: ConfigurationFile) -> bool:
    path = root / file.path
    if file.text is None:
        return not os.path.lexists(path)
    return path.is_file() and _text_of(path) == file.text and path.stat().st_mode & 0o777 == file.mode


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
