"""Numbers and strings inside a patch: unsigned LEB128, and bytes behind their length."""

from __future__ import annotations

from fonoteca.ground.errors import PatchError


def write_number(number: int) -> bytes:
    """Seven bits a byte, least significant first; bit 7 is set where another byte follows."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def write_bytes(content: bytes) -> bytes:
    """The length as a number, then the bytes."""
    return write_number(len(content)) + content


class FieldReader:
    """Reads fields one after the other. Raises PatchError where one goes beyond the end."""

    def __init__(self, plain: bytes) -> None:
        self._plain = plain
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether every byte was read."""
        return self._position == len(self._plain)

    def number(self) -> int:
        """A number of at most 70 bits."""
        number, shift = 0, 0
        while shift < 70:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
        raise PatchError("a number in the patch has no end")

    def string(self) -> bytes:
        """Bytes behind their length."""
        return self.take(self.number())

    def take(self, count: int) -> bytes:
        """So many bytes."""
        end = self._position + count
        if end > len(self._plain):
            raise PatchError(f"a field of the patch claims {count} bytes, {len(self._plain) - self._position} are left")
        self._position, taken = end, self._plain[self._position : end]
        return taken
