"""A run of replication: conflicts of one dataset stop nobody else, a cut names its cause, and a run that is killed is gone on with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from test_streams import make_head

from fonoteca.cli.run import run
from fonoteca.ground.errors import DiskFullError, FonotecaError, NotFoundError, StreamError, TargetError
from fonoteca.ground.programs import PipelineEnd, ProgramEnd
from fonoteca.ground.progress import Silent
from fonoteca.pools.proving_replica import ReadRequest, SnapshotProof
from fonoteca.pools.replica_sides import RemoteSide, translate_stream_error
from fonoteca.pools.replication import DatasetState, Step
from fonoteca.pools.transport import Place, SshOptions, translate_ssh_error
from fonoteca.workflows.pool.replicate import ReplicationOptions, ReplicationReport, judge_pipeline, replicate
from zfs_model import ModelDataset, ModelTarget

FAR = RemoteSide(Place("backup/f", "attic"), "receive", "", SshOptions())


class ModelSide:
    """A side whose datasets are models; a stream is a file with a true head, and `fails` are the words that a receive ends with."""

    def __init__(self, folder: Path, root: str, *datasets: ModelDataset) -> None:
        self.place, self.folder = Place(root), folder
        self.datasets = {one.name: one for one in datasets}
        self.kept: list[tuple[str, str, bool]] = []
        self.fails, self.holds_fail, self.source = "", False, self.datasets

    def states(self) -> list[DatasetState]:
        return [self.datasets[name].state() for name in sorted(self.datasets)]

    def size(self, step: Step) -> int | None:
        return 100_312

    def send_command(self, step: Step) -> list[str]:
        path = self.folder / f"{step.guid}.stream"
        path.write_bytes(make_head(step.guid, step.base_guid) + b"x" * 100_000)
        return ["cat", str(path)]

    def receive_command(self, step: Step, *, is_new: bool) -> list[str]:
        assert is_new == (step.target not in self.datasets or not self.datasets[step.target].points)
        return ["sh", "-c", f"cat > /dev/null; echo '{self.fails}' >&2; exit {1 if self.fails else 0}", "zfs", "receive"]

    def received(self, step: Step, end: PipelineEnd) -> DatasetState | None:
        model = ModelTarget(step.target)
        model.dataset = self.datasets.get(step.target)
        model.receive(self.source[step.dataset], step, is_cut=False)
        assert model.dataset is not None
        self.datasets[step.target] = model.dataset
        return model.dataset.state()

    def failure(self, end: ProgramEnd) -> FonotecaError:
        return translate_stream_error(end)

    def forget(self, dataset: str) -> None:
        raise AssertionError("not asked for")

    def keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        if self.holds_fail:
            raise TargetError("no holds here", "")
        self.kept.append((dataset, snapshot, has_arrived))

    def read(self, request: ReadRequest) -> SnapshotProof:
        raise NotFoundError("nothing to read", "")


def make_sides(tmp_path: Path, *names: str) -> tuple[ModelSide, ModelSide]:
    datasets = []
    for name in names:
        dataset = ModelDataset(name)
        for snapshot in ("a", "b"):
            dataset.write(1)
            dataset.snapshot(snapshot)
        datasets.append(dataset)
    source, target = ModelSide(tmp_path, "tank/f", *datasets), ModelSide(tmp_path, "backup/f")
    target.source = source.datasets
    return source, target


def go(source: ModelSide, target: ModelSide, **options: bool) -> ReplicationReport:
    return replicate(source, target, msgspec.convert(options, ReplicationOptions), Silent())


def test_every_dataset_is_sent_parents_first_and_its_base_is_held(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f", "tank/f/x", "tank/f/x/y z")
    report = go(source, target)
    assert [(one.step.target, one.step.snapshot) for one in report.sent] == [
        (f"backup/f{below}", snapshot) for below in ("", "/x", "/x/y z") for snapshot in ("a", "b")
    ]
    assert source.kept[:3] == [("tank/f", "a", False), ("tank/f", "a", True), ("tank/f", "b", False)]
    assert report.sent_bytes == 6 * 100_312 and len(report.up_to_date) == 3 and not report.findings


def test_dry_run_foresees_the_same_and_touches_nothing(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f", "tank/f/x")
    foreseen = go(source, target, is_dry_run=True)
    assert not target.datasets and not source.kept
    assert [one.step for one in foreseen.sent] == [one.step for one in go(source, target).sent]


def test_conflict_of_one_dataset_lets_the_others_go_on_but_not_those_below_it(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f", "tank/f/bare", "tank/f/bare/below", "tank/f/else")
    source.datasets["tank/f/bare"].points.clear()
    report = go(source, target)
    assert [(one.dataset, one.code) for one in report.conflicts] == [("tank/f/bare", "no-snapshots"), ("tank/f/bare/below", "no-parent")]
    assert {one.target for one in report.up_to_date} == {"backup/f", "backup/f/else"}


def test_base_that_cannot_be_held_is_worth_a_finding_and_stops_nothing(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f")
    source.holds_fail = True
    report = go(source, target)
    assert len(report.sent) == 2
    assert [(one.code, one.path) for one in report.findings] == [("base-not-held", "tank/f@b")]  # once, of the base that counts


def test_run_that_failed_is_gone_on_with(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f")
    target.fails = "cannot receive new filesystem stream: out of space"
    with pytest.raises(DiskFullError):
        go(source, target)
    target.fails = ""
    assert len(go(source, target).sent) == 2 and not go(source, target).sent


def test_stream_of_something_else_is_never_received(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f")
    source.send_command = lambda step: ["printf", "rubbish"]  # type: ignore[method-assign]
    with pytest.raises(StreamError, match="ended after 7 bytes"):
        go(source, target)
    source.send_command = lambda step: ["head", "-c", "400", "/dev/zero"]  # type: ignore[method-assign]
    with pytest.raises(StreamError, match="no send stream"):
        go(source, target)
    assert not target.datasets


def test_source_that_tells_lies_in_a_circle_is_left(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f")
    target.received = lambda step, end: DatasetState("backup/f")  # type: ignore[method-assign]
    with pytest.raises(StreamError, match="not there after it was received"):
        go(source, target)


def test_snapshot_pruned_during_a_long_run_is_passed_over(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f", "tank/f/x")
    send = source.send_command

    def prune(step: Step) -> list[str]:
        if step.snapshot == "a" and "a" in source.datasets[step.dataset].points:
            source.datasets[step.dataset].destroy("a")
            return ["sh", "-c", "echo \"cannot open 'tank/f@a': dataset does not exist\" >&2; exit 1", "zfs", "send"]
        return send(step)

    source.send_command = prune  # type: ignore[method-assign]
    assert [one.step.snapshot for one in go(source, target).sent] == ["b", "b"]


def test_source_that_offers_what_is_not_there_is_left(tmp_path: Path) -> None:
    source, target = make_sides(tmp_path, "tank/f")
    words = "echo \"cannot open 'tank/f@a': dataset does not exist\" >&2; exit 1"
    source.send_command = lambda step: ["sh", "-c", words, "zfs", "send"]  # type: ignore[method-assign]
    with pytest.raises(NotFoundError):
        go(source, target)


def test_size_that_cannot_be_told_stops_nothing(tmp_path: Path) -> None:
    def size(step: Step) -> int | None:
        raise NotFoundError("no such snapshot", "")

    source, target = make_sides(tmp_path, "tank/f")
    source.size = size  # type: ignore[method-assign]
    assert [one.bytes for one in go(source, target, is_dry_run=True).sent] == [None, None] and len(go(source, target).sent) == 2


def ends(sent: ProgramEnd, taken: ProgramEnd | None) -> PipelineEnd:
    return PipelineEnd(100, sent, taken, None, b"", b"")


def test_cut_names_the_side_that_began_it(tmp_path: Path) -> None:
    near = ModelSide(tmp_path, "tank/f")
    gone = ProgramEnd(("zfs", "send"), 1, "cannot open 'tank/f@b': dataset does not exist")
    incomplete = ProgramEnd(("zfs", "receive"), 1, "cannot receive: checksum mismatch or incomplete stream.\nPartially received")
    full, broken = ProgramEnd(("zfs", "receive"), 1, "cannot receive: out of space"), ProgramEnd(("zfs", "send"), -13, "")
    lost = ProgramEnd(("ssh",), 255, "client_loop: send disconnect: Broken pipe")
    well = ProgramEnd(("zfs", "send"), 0, "")
    for unread in (-13, -15, 141, 143):
        with pytest.raises(StreamError, match=r"zfs receive.*checksum mismatch"):
            judge_pipeline(ends(ProgramEnd(("sh",), unread, ""), incomplete), near, near)
    with pytest.raises(StreamError, match="checksum mismatch"):
        judge_pipeline(ends(ProgramEnd(("ssh",), 255, "Broken pipe"), incomplete)._replace(is_refused=True), FAR, near)
    for sent, taken, target, kind in (
        (gone, incomplete, near, NotFoundError), (gone, None, near, NotFoundError), (broken, full, near, DiskFullError),
        (well, incomplete, near, StreamError), (broken, lost, FAR, TargetError), (well, None, near, StreamError),
    ):  # fmt: skip
        with pytest.raises(kind):
            judge_pipeline(ends(sent, taken), near, target)
    judge_pipeline(ends(well, ProgramEnd(("zfs", "receive"), 0, "")), near, near)
    assert isinstance(translate_ssh_error(lost, FAR.place), TargetError)


@pytest.mark.parametrize(("words", "status", "said"), [
    (["--from", "tank/f"], 2, "--from and --into go together"),
    (["--from", "tank/f", "--into", "ssh://attic/backup/f"], 2, "dataset of this machine"),
    (["--from", "tank/f", "--into", "tank/f/copy"], 2, "lies within"),
    (["--from", "ssh://attic", "--into", "backup/f"], 2, "no address"),
    (["--from", "tank/f", "--into", "backup/f", "--limit", "fast"], 2, "not a size"),
])  # fmt: skip
def test_command_line_that_cannot_be_is_refused(
    words: list[str], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run(["pool", "replicate", *words]) == status and said in capsys.readouterr().err


def test_machine_without_zfs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("fonoteca.ground.programs._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["pool", "replicate", "--from", "tank/f", "--into", "backup/f", "--json"]) == 1
    assert '"code":"no-zfs"' in capsys.readouterr().err
