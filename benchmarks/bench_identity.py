"""Identity measured: precision and recall on tracks of known recordings, by threshold, and time and memory as the catalogue grows."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

from fonoteca.catalogue import Catalogue, TrackRecord
from fonoteca.catalogue.pair_scratch import open_pair_scratch
from fonoteca.catalogue.same_recordings import RecordingStore
from fonoteca.ground.progress import Silent
from fonoteca.ground.recordings import Recording
from fonoteca.identity import block_keys, judge, pairs_in_order, place_in_block
from fonoteca.workflows.archive import init_archive, open_archive
from fonoteca.workflows.identify import identify
from harness import RESULTS, measure
from labelled_recordings import labelled_recordings

SONGS = int(os.environ.get("FONOTECA_BENCH_SONGS", "6000"))
THRESHOLDS = (0.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0)


class Agreement:
    """Pairs joined against pairs that are one recording."""

    def __init__(self, truth: dict[str, int], groups: dict[str, str]) -> None:
        by_truth, by_group = defaultdict[int, list[str]](list), defaultdict[str, list[str]](list)
        for id, number in truth.items():
            by_truth[number].append(id)
            by_group[groups.get(id, id)].append(id)
        self.true_pairs = sum(len(ids) * (len(ids) - 1) // 2 for ids in by_truth.values())
        joined = [pair for ids in by_group.values() for pair in combinations(ids, 2)]
        self.joined = len(joined)
        self.right = sum(truth[one] == truth[other] for one, other in joined)

    @property
    def precision(self) -> float:
        """Share of the pairs joined that are right."""
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were joined."""
        return self.right / self.true_pairs if self.true_pairs else 1.0


def fill(catalogue: Catalogue, records: list[TrackRecord]) -> None:
    """Put all of them in one transaction."""
    with catalogue.transaction():
        for record in records:
            catalogue.put_track(record)


def measure_agreement(folder: Path) -> Agreement:
    """The workflow as it is, over tracks of known recordings."""
    labelled = list(labelled_recordings(SONGS))
    archive = init_archive(folder / "labelled")
    with open_archive(archive, "benchmark") as opened:
        fill(opened.catalogue, [record for record, _ in labelled])
        report = identify(opened, Silent())
        leaders = """SELECT t.id, l.id FROM same_recordings s JOIN tracks t USING (track) JOIN tracks l ON l.track = s.leader"""
        groups = dict(opened.catalogue.statements.rows(leaders))
        agreement = Agreement({record.id: number for record, number in labelled}, groups)
        print(f"\n{len(labelled):,} tracks of {len({number for _, number in labelled}):,} recordings, {agreement.true_pairs:,} true pairs; "
              f"{report.compared:,} compared, {report.suggested:,} suggested")  # fmt: skip
        print(f"joined in groups: precision {agreement.precision:.4f}, recall {agreement.recall:.4f}")
        _print_thresholds(opened.catalogue, {record.id: number for record, number in labelled})
    return agreement


def _print_thresholds(catalogue: Catalogue, truth: dict[str, int]) -> None:
    """Pairs by score, each judged alone; vetoes count as apart."""
    store = RecordingStore(catalogue.statements)
    known: dict[int, Recording] = {one.row: one for first, last in store.ranges() for one in store.read_range(first, last)}
    with open_pair_scratch(None) as scratch:
        scratch.add_keys([(key, place_in_block(one), one.row) for one in known.values() for key in block_keys(one)])
        pairs = set(pairs_in_order(scratch.members()))
    right, wrong = Counter[float](), Counter[float]()
    for one, other in pairs:
        judged = judge(known[one], known[other])
        if not judged.is_vetoed:
            (right if truth[known[one].id] == truth[known[other].id] else wrong)[judged.score] += 1
    true_pairs = sum(count * (count - 1) // 2 for count in Counter(truth.values()).values())
    print(f"{'from bits':>9} {'right':>8} {'wrong':>7} {'precision':>10} {'recall':>8}")
    for threshold in THRESHOLDS:
        good, bad = (sum(n for score, n in found.items() if score >= threshold) for found in (right, wrong))
        print(f"{threshold:9.1f} {good:8,} {bad:7,} {good / max(1, good + bad):10.4f} {good / true_pairs:8.4f}")


def measure_growth(folder: Path) -> None:
    """Seconds and memory at one, two and four times the size, in one process, since the CPU time of others is not counted."""
    os.environ["FONOTECA_JOBS"] = "1"
    print(f"\n{'tracks':>9} {'CPU s':>7} {'tracks/CPU s':>13} {'pairs':>9} {'memory MiB':>11}")
    for times in (1, 2, 4):
        archive = init_archive(folder / f"grown {times}")
        with open_archive(archive, "benchmark") as opened:
            fill(opened.catalogue, [record for record, _ in labelled_recordings(SONGS * times, seed=7)])
            reports = []
            timing = measure(lambda: reports.append(identify(opened, Silent())))  # noqa: B023 run at once
            report = reports[0]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{report.tracks:9,} {timing.cpu_s:7.1f} {report.tracks / timing.cpu_s:13,.0f} {report.compared:9,} {memory:11,.0f}", flush=True
        )


def main() -> None:
    """All of it in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        agreement = measure_agreement(Path(name))
        measure_growth(Path(name))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"title": "identity", "at": at, "precision": agreement.precision, "recall": agreement.recall}) + "\n")
    if agreement.precision < 0.99 or agreement.recall < 0.70:
        sys.exit("precision or recall fell below what docs/formats/identity.md promises")


if __name__ == "__main__":
    main()
