"""Imported before workers are forked, so that each of them has the compiled functions of an import loaded."""

from __future__ import annotations

from fonoteca.catalogue.bulk import has_bulk_extra, import_parts

__all__ = ["import_parts"]

if has_bulk_extra("numba"):
    from fonoteca.catalogue.bulk.import_plain import take_plain

    take_plain(b'{"title":"a","artists":["b"]}', 0, (1, 2))
