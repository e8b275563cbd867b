"""`fonoteca mirror …`: the commands of a mirror."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from fonoteca.cli.commands import app
from fonoteca.ground.mirror_settings import find_mirror

if TYPE_CHECKING:
    from fonoteca.workflows.mirror import Mirror

mirror_app = App(
    name="mirror", help="Hold a share of an archive: fetch, prove, seed, keep it alive.", help_flags=["--help", "-h"],
    help_format="plaintext", version_flags=[], sort_key=8,
)  # fmt: skip
app.command(mirror_app)

MirrorOption = Annotated[Path | None, Parameter(name="--mirror", help="The mirror; else the nearest one from here upwards.")]


@contextmanager
def opened_mirror(mirror: Path | None, *, read_only: bool = False) -> Iterator[Mirror]:
    """The mirror that a command works in: the one named, else the nearest from here upwards."""
    from fonoteca.workflows.mirror import open_mirror

    with open_mirror(mirror if mirror is not None else find_mirror(Path.cwd()), read_only=read_only) as opened:
        yield opened
