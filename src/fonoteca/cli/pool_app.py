"""`fonoteca pool …`: the commands of a store on ZFS."""

from __future__ import annotations

from cyclopts import App

from fonoteca.cli.commands import app

pool_app = App(
    name="pool", help="Plan, make, watch, copy and mend a store on ZFS.", help_flags=["--help", "-h"],
    help_format="plaintext", version_flags=[], sort_key=10,
)  # fmt: skip
app.command(pool_app)
