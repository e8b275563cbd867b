"""A small mutation engine: broken neighbours of good files, the same for the same seed."""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutate(seed: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """`seed` after one to eight changes: flips, cuts, repeats, numbers, pieces of other seeds."""
    content = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        chance.choice(_CHANGES)(content, chance.choice(others), chance)
    return bytes(content)


def _flip(content: bytearray, other: bytes, chance: random.Random) -> None:
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _replace(content: bytearray, other: bytes, chance: random.Random) -> None:
    at = chance.randint(0, len(content))
    content[at : at + chance.randint(0, 8)] = chance.randbytes(chance.randint(0, 8))


def _cut(content: bytearray, other: bytes, chance: random.Random) -> None:
    del content[chance.randint(0, len(content)) :]


def _remove(content: bytearray, other: bytes, chance: random.Random) -> None:
    at = chance.randint(0, len(content))
    del content[at : at + chance.randint(1, 64)]


def _repeat(content: bytearray, other: bytes, chance: random.Random) -> None:
    at = chance.randint(0, len(content))
    piece = bytes(content[at : at + chance.randint(1, 200)])
    content[at:at] = piece * chance.randint(1, 3)


def _splice(content: bytearray, other: bytes, chance: random.Random) -> None:
    at, begin = chance.randint(0, len(content)), chance.randint(0, len(other))
    content[at:at] = other[begin : begin + chance.randint(1, 400)]


def _number(content: bytearray, other: bytes, chance: random.Random) -> None:
    size = chance.choice((1, 2, 4))
    number = chance.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    at = chance.randint(0, max(0, len(content) - size))
    content[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))


_CHANGES: tuple[Callable[[bytearray, bytes, random.Random], None], ...] = (_flip, _flip, _replace, _cut, _remove, _repeat, _splice, _number)


def run(what: str, seeds: Sequence[bytes], check: Callable[[bytes], None], memory_bytes: int = 1 << 30) -> int:
    """Feed mutated seeds to `check` for --seconds; exit status 1 and the input kept as a file if it raises or uses too much memory."""
    parser = argparse.ArgumentParser(description=f"Fuzz {what}.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes + _address_space(), resource.RLIM_INFINITY))
    chance, count, end = random.Random(options.seed), 0, time.monotonic() + options.seconds
    slowest = 0.0
    while time.monotonic() < end:
        content = mutate(chance.choice(seeds), seeds, chance)
        begun = time.monotonic()
        try:
            check(content)
        except BaseException:
            kept = Path(f"crash-{what.replace(' ', '-')}-{options.seed}-{count}")
            kept.write_bytes(content)
            print(f"{what}: failed on input {count}, kept as {kept}", file=sys.stderr)
            raise
        slowest = max(slowest, time.monotonic() - begun)
        count += 1
    print(f"{what}: {count:,} inputs, the slowest took {slowest:.3f} s, nothing found")
    return 0


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
