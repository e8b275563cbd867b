"""Names inside a store: relative, without tricks, the same on every file system."""

from __future__ import annotations

import re

from fonoteca.ground.errors import ContainerFormatError

MAXIMUM_PART_BYTES = 255
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029\ud800-\udfff]")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def check_name(name: str) -> str:
    """Give `name` back if it is safe: parts joined by `/`, none of them empty, `.`, `..`, a device or over 255 bytes.

    ContainerFormatError with the reason otherwise.
    """
    reason = _find_trick(name)
    if reason:
        raise ContainerFormatError(f"the name {name[:120]!r} is not used: {reason}", "A name may only lead to a place inside its store.")
    return name


def _find_trick(name: str) -> str | None:
    if _UNSAFE.search(name):
        return "it holds a control character or a backslash"
    for part in name.split("/"):
        if not part:
            return "it is absolute, or a part of it is empty"
        if part in (".", ".."):
            return f"it steps aside with {part!r}"
        if _DEVICE.fullmatch(part):
            return f"{part!r} is a device"
        if len(part.encode()) > MAXIMUM_PART_BYTES:
            return f"a part of it has {len(part.encode())} bytes, over {MAXIMUM_PART_BYTES}"
    return None
