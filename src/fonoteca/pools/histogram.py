"""How large the files of an archive are: counted in its ledger, or the reference workload's shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

GRAIN = 4096
"""Sizes are counted in steps of this many bytes: a sector, so that allocation is exact with sectors up to 4 KiB."""

FILES_IN_A_FOLDER = 60_000

# Tracks by whole minute, 0 to 9 and longer, of 256 M; they stand for held files of both tiers.
_MINUTES = (5_222_971, 29_241_486, 69_899_290, 81_089_251, 34_950_147, 15_331_038, 8_806_545, 4_846_275, 2_329_997, 1_219_446, 3_102_561)
_LONGER = range(600, 1200)
_TIERS = ((47_000_000, 4_000_000), (39_000_000, 1_770_000))
"""Files and mean bytes of the tiers original and tail."""

_WHOLE, _MEAN = 86_000_000, 300_000_000_000_000 / 86_000_000


class SizeHistogram(msgspec.Struct, frozen=True):
    """Files by size: (bytes, how many) in order of size. Where it comes from stands in `source`."""

    sizes: tuple[tuple[int, float], ...]
    folders: float
    source: str

    @property
    def files(self) -> float:
        """How many files."""
        return sum(count for _, count in self.sizes)

    @property
    def bytes(self) -> int:
        """Their bytes together."""
        return round(sum(size * count for size, count in self.sizes))

    def above(self, least: int) -> SizeHistogram:
        """Only the files of more bytes."""
        return SizeHistogram(tuple(one for one in self.sizes if one[0] > least), self.folders, self.source)

    def up_to(self, most: int) -> SizeHistogram:
        """Only the files of so many bytes or fewer."""
        return SizeHistogram(tuple(one for one in self.sizes if one[0] <= most), self.folders, self.source)

    def grown_to(self, whole: int) -> SizeHistogram:
        """As many more files of the same sizes as make so many bytes."""
        times = whole / max(1, self.bytes)
        sizes = tuple((size, count * times) for size, count in self.sizes)
        return SizeHistogram(sizes, max(1.0, self.folders * times), self.source)


def workload_histogram(holds: int) -> SizeHistogram:
    """The reference workload of 86 M files in 300 TB, scaled to `holds` bytes by the number of files.

    Each second of duration is one size; two tiers of their published means, both enlarged alike (tags, covers) to the mean of 3.49 MB.
    """
    seconds = list(_durations())
    mean_s = sum(second * share for second, share in seconds)
    enlarged = _MEAN * _WHOLE / sum(files * mean for files, mean in _TIERS)
    sizes: dict[int, float] = {}
    for files, mean in _TIERS:
        for second, share in seconds:
            size = round(second / mean_s * mean * enlarged)
            sizes[size] = sizes.get(size, 0.0) + files * share
    whole = SizeHistogram(tuple(sorted(sizes.items())), _WHOLE / FILES_IN_A_FOLDER, "the reference workload: 86 M files in 300 TB")
    return whole.grown_to(holds)


def counted_histogram(counts: Iterable[tuple[int, int, int]], folders: int, source: str) -> SizeHistogram:
    """Sizes from rows (grain number, files, their bytes); each grain is told by its mean size, so that the sum is kept."""
    sizes = tuple(sorted((max(1, round(size / files)), float(files)) for _, files, size in counts if files))
    return SizeHistogram(sizes, float(folders), source)


def _durations() -> Iterator[tuple[float, float]]:
    """Seconds and the share of all tracks; even within a minute."""
    whole = sum(_MINUTES)
    for minute, tracks in enumerate(_MINUTES[:-1]):
        yield from ((60 * minute + second + 0.5, tracks / whole / 60) for second in range(60))
    yield from ((second + 0.5, _MINUTES[-1] / whole / len(_LONGER)) for second in _LONGER)
