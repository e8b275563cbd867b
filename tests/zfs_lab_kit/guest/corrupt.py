"""Overwrites every used extent of a sparse file vdev with noise, outside of its labels; prints how many bytes."""

import os
import sys

LABELS_IN_FRONT = 4 << 20  # two labels, the boot block
LABELS_BEHIND = 512 << 10


def corrupt(path):
    fd = os.open(path, os.O_RDWR)
    size = os.fstat(fd).st_size
    at, end, count = LABELS_IN_FRONT, size - size % (256 << 10) - LABELS_BEHIND, 0
    while at < end:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        while start < at:
            count += (written := os.pwrite(fd, os.urandom(min(1 << 20, at - start)), start))
            start += written
    return count


sys.stdout.write(f"{sum(corrupt(path) for path in sys.argv[1:])}\n")
