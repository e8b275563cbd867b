"""The heavy parts of `identify` cut into jobs: keys of a range of tracks, and pairs compared; done here or in processes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from fonoteca.catalogue import Catalogue
from fonoteca.catalogue.pair_scratch import FOUND_PERHAPS, FOUND_SAME, FoundPair
from fonoteca.catalogue.same_recordings import RecordingStore
from fonoteca.ground.workers import Processes, count_cores, map_in_order
from fonoteca.identity import Sayings, block_keys, judge, place_in_block, place_of_pair

PROCESSES_FROM = 20_000  # tracks; below it starting processes takes longer than the work


class RangeJob(msgspec.Struct, frozen=True):
    """Tracks from row to row."""

    first: int
    last: int


class PairsJob(msgspec.Struct, frozen=True):
    """Pairs of rows to compare."""

    pairs: list[tuple[int, int]]


class Keys(msgspec.Struct, frozen=True):
    """How many tracks there were, and (key, place in block, row) of each key."""

    tracks: int
    keys: list[tuple[int, int, int]]


class Reader(msgspec.Struct, frozen=True):
    """What a job reads from: the recordings, and what people said of them."""

    store: RecordingStore
    sayings: Sayings


def find_keys(reader: Reader, job: RangeJob) -> Keys:
    """The keys of a range of tracks."""
    batch = reader.store.read_range(job.first, job.last)
    keys = [(key, place, one.row) for one in batch for place in [place_in_block(one)] for key in block_keys(one)]
    return Keys(len(batch), keys)


def compare_pairs(reader: Reader, job: PairsJob) -> list[FoundPair]:
    """Those of the pairs that are not apart."""
    known = {one.row: one for one in reader.store.read(row for pair in job.pairs for row in pair)}
    found: list[FoundPair] = []
    for one, other in job.pairs:
        judged = judge(known[one], known[other], reader.sayings)
        if judged.verdict != "apart":
            what = FOUND_SAME if judged.verdict == "same" else FOUND_PERHAPS
            found.append((one, other, what, judged.score, place_of_pair(known[one], known[other])))
    return found


class _Sent(msgspec.Struct, frozen=True):
    """A job for another process, with where its catalogue is."""

    path: str
    job: RangeJob | PairsJob


@functools.lru_cache(maxsize=1)
def _reader_of(path: str) -> Reader:
    store = RecordingStore(Catalogue.open(Path(path), read_only=True).statements)
    return Reader(store, store.sayings())


def _do_there(sent: _Sent) -> Keys | list[FoundPair]:
    return _do(_reader_of(sent.path), sent.job)


def _do(reader: Reader, job: RangeJob | PairsJob) -> Keys | list[FoundPair]:
    return find_keys(reader, job) if isinstance(job, RangeJob) else compare_pairs(reader, job)


class Jobs:
    """Does jobs, and gives their results in the order of the jobs."""

    def __init__(self, reader: Reader, path: Path, processes: Processes | None, ahead: int) -> None:
        self._reader = reader
        self._path = str(path)
        self._processes = processes
        self._ahead = ahead

    def find_keys(self, jobs: Iterable[RangeJob]) -> Iterator[Keys]:
        """The keys of each range."""
        for _, result in self._results(jobs):
            assert isinstance(result, Keys)
            yield result

    def compare(self, jobs: Iterable[PairsJob]) -> Iterator[tuple[int, list[FoundPair]]]:
        """Of each job how many pairs it had, and those that are not apart."""
        for job, result in self._results(jobs):
            assert isinstance(job, PairsJob)
            assert isinstance(result, list)
            yield len(job.pairs), result

    def _results(self, jobs: Iterable[RangeJob | PairsJob]) -> Iterator[tuple[RangeJob | PairsJob, Keys | list[FoundPair]]]:
        processes = self._processes
        if processes is None:
            yield from ((job, _do(self._reader, job)) for job in jobs)
            return
        sent = (_Sent(self._path, job) for job in jobs)
        for one, future in map_in_order(lambda job: processes.submit(_do_there, job), sent, self._ahead):
            yield one.job, processes.result_of(future, _do_there, one)


@contextmanager
def open_jobs(store: RecordingStore, path: Path, sayings: Sayings) -> Iterator[Jobs]:
    """Jobs over the catalogue at `path`, on every core where it is large."""
    cores = count_cores()
    reader = Reader(store, sayings)
    if cores == 1 or store.count() < PROCESSES_FROM:
        yield Jobs(reader, path, None, 1)
        return
    with Processes(cores, ("fonoteca.workflows.identify_jobs",)) as processes:
        yield Jobs(reader, path, processes, cores + 2)
