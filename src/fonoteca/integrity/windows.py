"""Hours of the day in which work may be done, local time; they may reach over midnight."""

from __future__ import annotations

import re
import time

import msgspec

from fonoteca.ground.errors import UsageError

_HOURS = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*[-–]\s*([01]?[0-9]|2[0-4]):([0-5][0-9])")
_DAY_MIN = 24 * 60


class Hours(msgspec.Struct, frozen=True):
    """From `start_min` to before `end_min`, minutes of the day; the end may be the smaller one. Equal ones are the whole day."""

    start_min: int
    end_min: int

    @classmethod
    def parse(cls, text: str) -> Hours | None:
        """The hours of "22:00-06:30"; None for an empty text: always. UsageError for what is neither."""
        if not text.strip():
            return None
        found = _HOURS.fullmatch(text.strip())
        if not found or (found[3] == "24" and found[4] != "00"):
            raise UsageError(f"no hours of a day: {text!r}", 'Write from and to, such as "22:00-06:30".')
        return cls(int(found[1]) * 60 + int(found[2]), (int(found[3]) * 60 + int(found[4])) % _DAY_MIN)

    @property
    def seconds_a_day(self) -> int:
        """How long they are."""
        return ((self.end_min - self.start_min - 1) % _DAY_MIN + 1) * 60

    def is_open(self, second: float) -> bool:
        """Whether this moment, in Unix seconds, lies in them."""
        since = (_minute_of(second) - self.start_min) % _DAY_MIN
        return since * 60 < self.seconds_a_day

    def seconds_until_open(self, second: float) -> float:
        """Seconds until they begin; 0 where it is time already."""
        if self.is_open(second):
            return 0.0
        return ((self.start_min - _minute_of(second)) % _DAY_MIN) * 60.0


def _minute_of(second: float) -> float:
    local = time.localtime(second)
    return local.tm_hour * 60 + local.tm_min + (local.tm_sec + second % 1) / 60
