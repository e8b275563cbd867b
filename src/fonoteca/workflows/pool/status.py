"""`pool status`: what ZFS says, joined with disks and bays, scrubs, snapshots, replicas, and what the archive knows of damaged files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from fonoteca.ground.errors import FonotecaError, NotFoundError
from fonoteca.ground.findings import Finding, counts_as_damage
from fonoteca.ground.pool_settings import PoolSettings
from fonoteca.pools.advice import advise
from fonoteca.pools.diagnosis import Diagnosis, Verdict, count_by_name, diagnose
from fonoteca.pools.disk_sources import DiskSources, read_disks
from fonoteca.pools.disks import Disk
from fonoteca.pools.events import Event, count_troubles, parse_events
from fonoteca.pools.health import PoolHealth
from fonoteca.pools.listing import DatasetRow, choose_dataset_of, read_dataset_properties, read_datasets
from fonoteca.pools.pool_facts import DiskHealth, GroupHealth, PoolFacts
from fonoteca.pools.proving_replica import ReplicaState, judge_replicas
from fonoteca.pools.redundancy import answers_to, without_partition
from fonoteca.pools.scrubbing import PERIODIC, find_scrub_sources, read_last_scrub, words_about_scrubbers
from fonoteca.pools.snapshots import read_snapshots
from fonoteca.pools.status import read_health, suspended_pools, within
from fonoteca.pools.zed import words_about_mail
from fonoteca.pools.zfs import Zfs
from fonoteca.workflows.archive import Archive, open_archive
from fonoteca.workflows.pool.copies_age import CopiesAge, age_of_copies, replica_bases
from fonoteca.workflows.pool.damage import DamagedThing, count_damage, find_damage, record_damage
from fonoteca.workflows.pool.replicas import replica_states

Result = TypeVar("Result")
_ASK_S = 30.0
_LOOK_UP_S = 300.0


class PoolReport(msgspec.Struct, kw_only=True):
    """One pool. `steps` say what to do next; `facts` what else is to be known."""

    pool: str
    verdict: Verdict
    headline: str
    groups: tuple[GroupHealth, ...]
    disks: tuple[DiskHealth, ...]
    used_bytes: int | None
    available_bytes: int | None
    fill_percent: float | None
    fill_limit: float
    scan: str
    seconds_left: int | None
    scrub: str
    copies: CopiesAge | None
    damaged: list[DamagedThing]
    findings: list[Finding]
    steps: list[str]
    facts: list[str]
    recorded: int = 0

    @property
    def is_bad(self) -> bool:
        """Whether anything makes the exit status 3."""
        return any(map(counts_as_damage, self.findings))


class StatusReport(msgspec.Struct, kw_only=True):
    """All pools that were asked for."""

    pools: list[PoolReport]


def read_status(
    zfs: Zfs, pool: str | None, place: Path | None, *, now: int, record: bool = False, limit_s: float = 60.0, root: Path = Path("/")
) -> StatusReport:
    """How the imported pools are, or the one named; `place` is the archive, if any.

    The archive is not locked, so that a running build does not hold up the news, and one that cannot be opened is only a fact.
    `record`: its damaged files go into the queue of heal.
    """
    healths = read_health(zfs, pool, limit_s=limit_s)
    if not healths:
        raise NotFoundError("no pool is imported on this machine", "zpool import lists those that could be; then: zpool import NAME.")
    with ExitStack() as stack:
        archive, fact = _open(stack, place, healths) if place is not None else (None, "")
        asker = _Asker(zfs, archive, archive.settings.pool if archive else PoolSettings(), now, root, fact)
        return StatusReport(pools=[asker.report(health, record) for health in healths])


def _open(stack: ExitStack, place: Path, healths: Sequence[PoolHealth]) -> tuple[Archive | None, str]:
    """The archive, or why not. Files of a pool that has stopped may be waited for without end, so then none is touched."""
    stopped = sorted({*suspended_pools(), *(one.name for one in healths if one.state == "SUSPENDED")})
    if stopped:
        return None, f"the archive was not looked at, since {', '.join(stopped)} has stopped"
    try:
        return within(_ASK_S, lambda: stack.enter_context(open_archive(place, "pool status", read_only=True))), ""
    except TimeoutError:
        return None, f"the archive could not be opened within {_ASK_S:.0f} s"
    except (FonotecaError, OSError, apsw.Error) as error:
        return None, f"the archive could not be opened: {getattr(error, 'message', error)}"


class _Asker:
    """Asks what is asked once for all pools; what cannot be asked is a fact, not the end."""

    def __init__(self, zfs: Zfs, archive: Archive | None, settings: PoolSettings, now: int, root: Path, fact: str) -> None:
        self._zfs, self._archive, self._settings, self._now, self._root = zfs, archive, settings, now, root
        self._fact = fact
        self._facts: list[str] = []
        self._disks: list[Disk] | None = None
        self._events: list[Event] | None = None

    def report(self, health: PoolHealth, record: bool) -> PoolReport:
        self._facts = [self._fact] if self._fact else []
        answers = health.state != "SUSPENDED"  # else whatever is asked of its datasets may wait for ever
        datasets = (self._ask(lambda: read_datasets(self._zfs, health.name), "its datasets") if answers else None) or []
        facts = self._pool_facts(health, datasets, answers)
        store = self._store(datasets)
        states = self._replicas() if store is not None else []
        copies = self._copies(store, states) if store is not None else None
        things, recorded = self._damage(health, datasets, states, record and answers)
        diagnosis = diagnose(health, facts, count_damage(things) if things else None)
        findings = [*diagnosis.findings, *(copies.findings if copies else ()), *self._findings_of(things), *self._of_mail(health)]
        if answers:
            self._facts += self._about_scrubs(health.name)
        return self._put_together(health, facts, diagnosis, copies, things, findings, recorded)

    def _put_together(
        self, health: PoolHealth, facts: PoolFacts, diagnosis: Diagnosis, copies: CopiesAge | None, things: list[DamagedThing],
        findings: list[Finding], recorded: int,
    ) -> PoolReport:  # fmt: skip
        counts = count_damage(things) if things else count_by_name(health)
        return PoolReport(
            pool=health.name, verdict=diagnosis.verdict, headline=diagnosis.headline, groups=diagnosis.groups, disks=diagnosis.disks,
            used_bytes=facts.used_bytes, available_bytes=facts.available_bytes, fill_percent=diagnosis.fill_percent,
            fill_limit=facts.fill_limit, scan=diagnosis.scan, seconds_left=diagnosis.seconds_left, scrub=diagnosis.scrub, copies=copies,
            damaged=things, findings=findings, facts=self._facts, recorded=recorded,
            steps=advise(health, diagnosis, counts, str(self._archive.path) if self._archive else None),
        )  # fmt: skip

    def _pool_facts(self, health: PoolHealth, datasets: Sequence[DatasetRow], answers: bool) -> PoolFacts:
        top = next((one for one in datasets if one.name == health.name), None)
        if self._events is None:
            self._events = (
                self._ask(lambda: parse_events(self._zfs.zpool("events", "-vH", timeout_s=_ASK_S)), "what the kernel reported") or []
            )
        made_at = self._ask(lambda: int(self._property(health.name, "creation")), "when it was made") if answers else None
        return PoolFacts(
            now=self._now, used_bytes=top.used if top else None, available_bytes=top.available if top else None,
            fill_limit=self._settings.fill_limit, scrub_days=self._settings.scrub_days, scrubbed_at=self._last_scrub(health, answers),
            made_at=made_at, troubles=tuple(count_troubles(self._events, health.name, self._now)), disks=self._disks_of(health),
        )  # fmt: skip

    def _last_scrub(self, health: PoolHealth, answers: bool) -> int | None:
        """`zpool status` may tell a later resilver in its place; then the history of the pool is read."""
        last = read_last_scrub(health.scan)
        if last is not None or health.scan is None or not answers:
            return last
        history = self._ask(lambda: self._zfs.zpool("history", "-i", health.name, timeout_s=_ASK_S), "when it was scrubbed") or ""
        return read_last_scrub(None, history)

    def _property(self, dataset: str, name: str) -> str:
        return read_dataset_properties(self._zfs, dataset, [name]).get(name, "-")

    def _disks_of(self, health: PoolHealth) -> Mapping[str, Disk]:
        """By the name of the leaf; which disk that is, its links tell."""
        if self._disks is None:
            found = self._ask(lambda: read_disks(DiskSources(self._root), self._zfs, with_smart=False), "disks and bays")
            self._disks = found or []
        by_name = {name: disk for disk in self._disks for name in (disk.path, *disk.by_id)}
        known = {}
        for leaf in health.leaves():
            name = leaf.path or leaf.former_path or leaf.name
            disk = by_name.get(without_partition(name)) or by_name.get(name)
            if disk is None:
                disk = next((one for one in self._disks if any(answers_to(leaf, link) for link in (one.path, *one.by_id))), None)
            if disk is not None:
                known[name] = disk
        return known

    def _store(self, datasets: Sequence[DatasetRow]) -> str | None:
        """The dataset that the store lies in; None where it is in another pool, or nowhere."""
        store = self._settings.dataset or (self._dataset_of_archive(datasets) if self._archive else None)
        return store if store in {one.name for one in datasets} else None

    def _replicas(self) -> list[ReplicaState]:
        if self._archive is None or not self._settings.replicas:
            return []
        place = self._archive.path
        return self._ask(lambda: replica_states(place, self._zfs), "the replicas") or []

    def _copies(self, store: str, states: Sequence[ReplicaState]) -> CopiesAge | None:
        snapshots = self._ask(lambda: read_snapshots(self._zfs, store), "its snapshots")
        if snapshots is None:
            return None
        findings = judge_replicas(self._settings.replicas, states, self._now) if self._archive else []
        return age_of_copies(store, snapshots, self._settings, states, findings, self._now)

    def _dataset_of_archive(self, datasets: Sequence[DatasetRow]) -> str | None:
        assert self._archive is not None
        try:
            return choose_dataset_of(datasets, self._archive.path).name
        except NotFoundError:
            return None

    def _damage(
        self, health: PoolHealth, datasets: Sequence[DatasetRow], states: Sequence[ReplicaState], record: bool
    ) -> tuple[list[DamagedThing], int]:
        if not health.damaged:
            return [], 0
        bases = replica_bases(states)
        try:
            things = within(_LOOK_UP_S, lambda: find_damage(health.damaged, datasets, self._archive, bases))
        except (FonotecaError, apsw.Error, OSError) as error:  # TimeoutError too
            self._facts.append(f"what the archive knows of the damaged files could not be read: {str(error) or 'no answer'}")
            return find_damage(health.damaged, datasets, None), 0
        if not record or self._archive is None:
            return things, 0
        try:
            archive = self._archive
            return things, within(_LOOK_UP_S, lambda: record_damage(archive, things))
        except (FonotecaError, apsw.Error, OSError) as error:
            self._facts.append(f"the damaged files could not be noted for fonoteca heal: {str(error) or 'no answer'}")
            return things, 0

    def _findings_of(self, things: Sequence[DamagedThing]) -> list[Finding]:
        """Metadata was told once for the pool."""
        return [thing.finding() for thing in things if thing.kind != "metadata"]

    def _of_mail(self, health: PoolHealth) -> list[Finding]:
        words = words_about_mail(self._root)
        return [Finding("no-mailer", health.name, words)] if words else []

    def _about_scrubs(self, pool: str) -> list[str]:
        periodic = self._ask(lambda: self._property(pool, PERIODIC), "who scrubs it")
        return words_about_scrubbers(pool, periodic or "-", find_scrub_sources(self._root)) if periodic is not None else []

    def _ask(self, question: Callable[[], Result], what: str) -> Result | None:
        try:
            return within(_ASK_S, question)
        except TimeoutError:
            self._facts.append(f"{what} could not be asked: no answer within {_ASK_S:.0f} s")
        except (FonotecaError, OSError, ValueError) as error:
            self._facts.append(f"{what} could not be asked: {getattr(error, 'message', error)}")
        return None
