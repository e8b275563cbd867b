"""Editions of hundreds of millions of tracks: Arrow tables in, whole pages of SQLite out; needs the extra [bulk].

This module imports without the extra; the others of this folder do not.
"""

from __future__ import annotations

from importlib.util import find_spec

from fonoteca.ground.errors import UsageError

__all__ = ["has_bulk_extra", "require_bulk_extra"]


def has_bulk_extra(*modules: str) -> bool:
    """Whether `modules` (all that the page writer needs, unless given) are installed."""
    return all(find_spec(module) is not None for module in modules or ("numba", "pyarrow"))


def require_bulk_extra(what: str, *modules: str) -> None:
    """Raise UsageError naming the extra where `what` cannot be done without it."""
    if not has_bulk_extra(*modules):
        raise UsageError(f"{what} needs the extra [bulk]", "Install it with: pip install 'fonoteca[bulk]'")
