"""`fonoteca catalogue …`: the commands that bring catalogues in and out."""

from __future__ import annotations

from cyclopts import App

from fonoteca.cli.commands import app

catalogue_app = App(
    name="catalogue", help="Bring catalogues in and out: import, tables, editions.", help_flags=["--help", "-h"], help_format="plaintext",
    version_flags=[], sort_key=7,
)  # fmt: skip
app.command(catalogue_app)
