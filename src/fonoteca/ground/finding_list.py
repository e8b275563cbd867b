"""Findings without number in a bounded amount of memory: above a megabyte they lie in a temporary file."""

from __future__ import annotations

import msgspec

from fonoteca.ground.findings import Finding
from fonoteca.ground.spooled_list import SpooledList


class FindingList(SpooledList[Finding]):
    """Findings in the order in which they came; may be read again and again, and grow in between."""

    def __init__(self) -> None:
        super().__init__(Finding)

    def append(self, item: Finding) -> None:
        """One more; what is no UTF-8 of its path and fact is told by its bytes."""
        try:
            super().append(item)
        except UnicodeEncodeError:
            path, fact = (text.encode("utf-8", "backslashreplace").decode() for text in (item.path, item.fact))
            super().append(msgspec.structs.replace(item, path=path, fact=fact))
