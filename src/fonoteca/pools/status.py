"""How the pools of this machine are: asked as JSON where OpenZFS has it, else as text; never longer than a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from fonoteca.ground.errors import FonotecaError, PoolError, PoolOutputError, PoolSuspendedError, ProgramError
from fonoteca.pools.health import PoolHealth, Vdev
from fonoteca.pools.status_json import parse_status_json
from fonoteca.pools.status_text import parse_status_text
from fonoteca.pools.zfs import Zfs

Result = TypeVar("Result")
LIMIT_S = 60.0
KSTAT = Path("/proc/spl/kstat/zfs")


def read_health(
    zfs: Zfs, pool: str | None = None, *, limit_s: float = LIMIT_S, kstat: Path = KSTAT, with_names: bool = True
) -> list[PoolHealth]:
    """Every imported pool, or the one that is named; `with_names`: with the names of damaged files.

    Many names may take minutes, so the last third of `limit_s` is left to ask without them; only their count is known then.
    A pool that is suspended may hold up `zpool status` for ever: then PoolSuspendedError after `limit_s`, by what the kernel tells
    without asking the pool.
    """
    named = [pool] if pool else []
    tries = [(["-v"], limit_s * 2 / 3), (list[str](), limit_s / 3)] if with_names else [(list[str](), limit_s)]
    for flags, seconds in tries:
        with suppress(TimeoutError):
            return within(seconds, partial(_read, zfs, [*flags, *named], seconds))
    raise _held_up(limit_s, suspended_pools(kstat))


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` gives; TimeoutError after `seconds`. A process that waits in the kernel cannot be ended, only left behind."""
    results: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError
    return results[0]


def suspended_pools(kstat: Path = KSTAT) -> list[str]:
    """Pools that the kernel says have stopped; this asks no pool, so it never waits."""
    found = []
    for file in sorted(kstat.glob("*/state")):
        try:
            if file.read_text("utf-8", "replace").strip() == "SUSPENDED":
                found.append(file.parent.name)
        except OSError:
            continue
    return found


def _read(zfs: Zfs, words: Sequence[str], limit_s: float) -> list[PoolHealth]:
    """As text where there is no JSON, and where a name that is no UTF-8 has broken it."""
    try:
        return parse_status_json(_ask(zfs, ["-j", "--json-int", "-Ps", *words], limit_s).encode("utf-8", "surrogateescape"))
    except PoolOutputError:
        pass
    except PoolError as error:
        if not _is_unknown_option(error):
            raise
    return _read_text(zfs, words, limit_s)


def _ask(zfs: Zfs, words: Sequence[str], limit_s: float) -> str:
    """What it prints; TimeoutError where that takes too long."""
    try:
        return zfs.zpool("status", *words, timeout_s=limit_s)
    except PoolError as error:
        cause = error.__cause__
        if isinstance(cause, ProgramError) and "did not finish within" in cause.message:
            raise TimeoutError from error
        raise


def _read_text(zfs: Zfs, words: Sequence[str], limit_s: float) -> list[PoolHealth]:
    pools = parse_status_text(_ask(zfs, ["-Pps", *words], limit_s))
    try:
        guids = parse_status_text(_ask(zfs, ["-gps", *(word for word in words if word != "-v")], limit_s))
    except (FonotecaError, TimeoutError):
        return pools
    by_name = {one.name: one for one in guids}
    return [_with_guids(pool, by_name.get(pool.name)) for pool in pools]


def _is_unknown_option(error: PoolError) -> bool:
    return type(error) is PoolError and ("invalid option" in error.message or "usage:" in error.message)


def _with_guids(pool: PoolHealth, guids: PoolHealth | None) -> PoolHealth:
    """The text names a vdev by path or by guid, never both: two answers, laid over each other where they have the same shape."""
    if guids is None:
        return pool
    pairs = list(zip(_all(pool), _all(guids), strict=False))
    if len(_all(pool)) != len(_all(guids)) or any(len(one.children) != len(other.children) for one, other in pairs):
        return pool
    numbers = iter([int(other.name) if other.name.isdigit() else 0 for _, other in pairs])
    return msgspec.structs.replace(pool, vdevs=tuple(_numbered(vdev, numbers) for vdev in pool.vdevs))


def _all(pool: PoolHealth) -> list[Vdev]:
    return [vdev for root in pool.vdevs for vdev in root.walk()]


def _numbered(vdev: Vdev, numbers: object) -> Vdev:
    guid = next(numbers)  # type: ignore[call-overload]
    return msgspec.structs.replace(vdev, guid=guid, children=tuple(_numbered(child, numbers) for child in vdev.children))


def _held_up(seconds: float, suspended: Sequence[str]) -> FonotecaError:
    if suspended:
        return PoolSuspendedError(
            f"zpool status did not answer within {seconds:.0f} s; suspended: {', '.join(suspended)}",
            f"Too many disks are gone. Bring them back (power, cables, controller), then: zpool clear {suspended[0]}. "
            "Where that waits too: reboot with the disks in place.",
        )
    return PoolError(
        f"zpool status did not answer within {seconds:.0f} s",
        "A disk or a controller may hang: dmesg tells. Look at power and cables; if nothing moves, reboot.",
    )
