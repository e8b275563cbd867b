"""Replication: dataset by dataset and snapshot by snapshot, each stream proved by its guid before the base is moved on.

Killed anywhere, the next run goes on: what arrived by halves is resumed, what arrived whole is found there.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import msgspec

from fonoteca.ground.errors import FonotecaError, NotFoundError, StreamError, TargetError
from fonoteca.ground.findings import Finding
from fonoteca.ground.programs import PipelineEnd, has_program, run_pipeline
from fonoteca.ground.progress import Progress
from fonoteca.pools.replica_sides import Side
from fonoteca.pools.replication import Conflict, DatasetState, Forget, Step, UpToDate, decide, with_step
from fonoteca.pools.streams import HEAD_BYTES, check_head, parse_stream_dump

_UNREAD = (-signal.SIGPIPE, -signal.SIGTERM, 128 + signal.SIGPIPE, 128 + signal.SIGTERM)


class ReplicationOptions(msgspec.Struct, frozen=True):
    """How to replicate. `sends_all`: every snapshot, not only the newest; `checks_stream`: zstream reads along."""

    sends_all: bool = True
    forgets_partial: bool = False
    checks_stream: bool = False
    bytes_per_second: float | None = None
    is_dry_run: bool = False


class SentStep(msgspec.Struct, frozen=True):
    """A stream that arrived whole, or in a dry run one that would be sent; `bytes` are expected then."""

    step: Step
    bytes: int | None


class ReplicationReport(msgspec.Struct):
    """What came of a replication."""

    source: str
    target: str
    is_dry_run: bool = False
    sent: list[SentStep] = []
    up_to_date: list[UpToDate] = []
    conflicts: list[Conflict] = []
    forgotten: list[str] = []
    findings: list[Finding] = []

    @property
    def sent_bytes(self) -> int:
        """Bytes of all streams."""
        return sum(one.bytes or 0 for one in self.sent)


def replicate(source: Side, target: Side, options: ReplicationOptions, progress: Progress) -> ReplicationReport:
    """Bring the target to the newest snapshots of the source; conflicts are reported, and the other datasets go on."""
    report = ReplicationReport(str(source.place), str(target.place), options.is_dry_run)
    states = source.states()
    if not states:
        raise NotFoundError(f"there is no dataset {source.place}", "zfs list shows those that are there.")
    run = _Run(source, target, options, progress, report)
    run.theirs = {state.name: state for state in target.states()}
    for state in states:
        run.bring(state)
    return report


class _Run:
    def __init__(self, source: Side, target: Side, options: ReplicationOptions, progress: Progress, report: ReplicationReport) -> None:
        self.source, self.target, self.options, self.progress, self.report = source, target, options, progress, report
        self.theirs: dict[str, DatasetState] = {}
        self.ours, self.room = DatasetState(source.place.dataset), 0

    def bring(self, ours: DatasetState) -> None:
        """One dataset, until it is up to date or in conflict."""
        name = self.target.place.dataset + ours.name.removeprefix(self.source.place.dataset)
        if name != self.target.place.dataset and name.rpartition("/")[0] not in self.theirs:
            self.report.conflicts.append(_orphan(ours.name, name))
            return
        self.ours, self.room = ours, _room(ours)
        for decision in self._decisions(name):
            match decision:
                case Forget():
                    self._forget(name)
                case Step():
                    self._send_or_look_anew(decision)
                case UpToDate():
                    self.report.up_to_date.append(decision)
                    self._keep(decision.dataset, decision.snapshot, has_arrived=True)
                case Conflict():
                    self.report.conflicts.append(decision)

    def _decisions(self, name: str) -> Iterator[Step | Forget | UpToDate | Conflict]:
        """Each is carried out before the next one is made. More than the snapshots allow means that the target does not keep its word."""
        while self.room > 0:
            self.room -= 1
            decision = decide(
                self.ours, self.theirs.get(name), name, sends_all=self.options.sends_all, forgets_partial=self.options.forgets_partial
            )
            yield decision
            if isinstance(decision, UpToDate | Conflict):
                return
        raise TargetError(f"{name} does not come to the end of its snapshots", "Look there what happens: zpool history -il.")

    def _send_or_look_anew(self, step: Step) -> None:
        """A run may take days, and what it was to send be pruned meanwhile: then it is decided anew."""
        try:
            self._send(step)
        except NotFoundError:
            now = next((one for one in self.source.states() if one.name == step.dataset), None)
            if now is None or _offers(now, step):
                raise
            self.ours, self.room = now, self.room + _room(now)

    def _size(self, step: Step) -> int | None:
        """For the progress alone: why it cannot be told, the sending tells better."""
        try:
            return self.source.size(step)
        except FonotecaError:
            return None

    def _forget(self, name: str) -> None:
        self.report.forgotten.append(name)
        if not self.options.is_dry_run:
            self.target.forget(name)
        self._know(name, _without_partial(self.theirs[name]))

    def _know(self, name: str, state: DatasetState | None) -> None:
        if state is None:
            self.theirs.pop(name, None)
        else:
            self.theirs[name] = state

    def _send(self, step: Step) -> None:
        theirs = self.theirs.get(step.target)
        size = self._size(step)
        if self.options.is_dry_run:
            self.report.sent.append(SentStep(step, size))
            self._know(step.target, with_step(theirs, step))
            return
        self._keep(step.dataset, step.snapshot, has_arrived=False)
        self.progress.start(f"{step.dataset}@{step.snapshot}", size, "bytes")
        moved, state = self._stream(step, is_new=theirs is None or not theirs.snapshots)
        self.progress.finish()
        if state is None or all(one.guid != step.guid for one in state.snapshots):
            raise StreamError(
                f"{step.target}@{step.snapshot} is not there after it was received", "Run it again; look at zpool history -il."
            )
        self._know(step.target, state)
        self.report.sent.append(SentStep(step, moved))
        self._keep(step.dataset, step.snapshot, has_arrived=True)

    def _stream(self, step: Step, *, is_new: bool) -> tuple[int, DatasetState | None]:
        tap = ["zstream", "dump"] if self.options.checks_stream and has_program("zstream") else None
        end = run_pipeline(
            self.source.send_command(step), self.target.receive_command(step, is_new=is_new), tap=tap, head_bytes=HEAD_BYTES,
            check_head=lambda head: _check(head, step), bytes_per_second=self.options.bytes_per_second, on_bytes=self.progress.advance,
        )  # fmt: skip
        judge_pipeline(end, self.source, self.target)
        self._judge_tap(end, step)
        return end.moved_bytes, self.target.received(step, end)

    def _judge_tap(self, end: PipelineEnd, step: Step) -> None:
        if end.tap is None:
            if self.options.checks_stream:
                self.report.findings.append(Finding("stream-not-checked", step.dataset, "zstream is not installed here"))
            return
        told = parse_stream_dump(end.tap_output.decode("utf-8", "replace") + "\n" + end.tap.stderr)
        if told.faults:
            raise StreamError(
                f"the stream of {step.dataset}@{step.snapshot} is damaged: {'; '.join(told.faults[:3])}",
                f"Look whether {step.target}@{step.snapshot} is there; scrub both pools before it is trusted.",
            )

    def _keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        """Without holds the next send may find its base pruned: worth knowing once for each dataset, no reason to stop."""
        if self.options.is_dry_run or not snapshot:
            return
        try:
            self.source.keep(dataset, snapshot, has_arrived=has_arrived)
        except FonotecaError as error:
            if has_arrived:
                others = [one for one in self.report.findings if one.code != "base-not-held" or one.path.partition("@")[0] != dataset]
                self.report.findings = [*others, Finding("base-not-held", f"{dataset}@{snapshot}", error.message)]


def _check(head: bytes, step: Step) -> None:
    check_head(head, step.guid, step.base_guid, is_volume=step.volume)


def _room(state: DatasetState) -> int:
    """How many decisions a dataset takes at most."""
    return 2 * len(state.snapshots) + 3


def _offers(state: DatasetState, step: Step) -> bool:
    """Whether the source still has both ends of a step."""
    points = {one.guid for one in state.snapshots}
    bases = points | {one.guid for one in state.bookmarks} if step.kind in ("bookmark", "resume") else points
    return step.guid in points and (not step.base_guid or step.base_guid in bases)


def _orphan(dataset: str, target: str) -> Conflict:
    return Conflict("no-parent", dataset, target, "the dataset above it is not there", "Mend what is said of that one; then run it again.")


def _without_partial(state: DatasetState) -> DatasetState | None:
    return msgspec.structs.replace(state, token="") if state.snapshots else None


def judge_pipeline(end: PipelineEnd, source: Side, target: Side) -> None:
    """Raise the error of the side that began it: a target that sees a cut stream only tells of what befell the source."""
    sent, taken = end.producer, end.consumer
    failure = target.failure(taken) if taken is not None and taken.status else None
    if failure is not None and not (isinstance(failure, StreamError) and _failed(end)):
        raise failure
    if sent is not None and sent.status:
        raise source.failure(sent)
    if taken is None:
        raise StreamError(f"the stream ended after {end.moved_bytes} bytes", "Run it again; look whether the source is well.")


def _failed(end: PipelineEnd) -> bool:
    """Whether the producer failed by itself, not because nobody took its bytes any more."""
    return end.producer is not None and end.producer.status not in (0, *_UNREAD) and not end.is_refused
