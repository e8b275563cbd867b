"""A rate in bytes a second that holds over any length of time, shared by any number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fonoteca.ground.errors import UsageError
from fonoteca.ground.quantities import parse_bytes

BURST_S = 0.25


def parse_rate(text: str | int) -> int | None:
    """Bytes a second of "100MB/s" or "100MB"; None for an empty text: no limit. UsageError below one, with which nothing would end."""
    words = str(text).strip()
    if not words:
        return None
    rate = parse_bytes(words.removesuffix("/s"))
    if rate < 1:
        raise UsageError(f"a rate of {text} is less than one byte a second", 'Give more, such as "10MB/s", or leave it out: no limit.')
    return rate


class TokenBucket:
    """Holds its users to `rate` bytes a second: whoever takes more than there is waits until it has come in.

    After a rest there is at most a quarter of a second's worth. `clock` and `sleep` come in as arguments, so that tests need no time.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep) -> None:
        if rate <= 0:
            raise ValueError(f"a rate of {rate} bytes a second cannot be")
        self.rate = rate
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._room = self._most = rate * BURST_S
        self._at = clock()

    def take(self, count: int) -> None:
        """Take `count` bytes now, and wait until they were due."""
        with self._lock:
            now = self._clock()
            self._room = min(self._most, self._room + (now - self._at) * self.rate) - count
            self._at = now
            wait = -self._room / self.rate
        if wait > 0:
            self._sleep(wait)
