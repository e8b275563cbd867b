"""The two sides of a replication behind one face: ZFS of this machine, or of another one that is asked over SSH."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from fonoteca.ground.errors import FonotecaError, ProgramError, SnapshotConflictError, TargetError
from fonoteca.ground.programs import PipelineEnd, ProgramEnd, run_program
from fonoteca.pools.dataset_states import read_state, read_states
from fonoteca.pools.holds import hold_sending, pin_base
from fonoteca.pools.proving_replica import ReadRequest, SnapshotProof
from fonoteca.pools.remote_answers import (
    ForgetRequest,
    KeepRequest,
    ListRequest,
    May,
    ReceiveRequest,
    Request,
    Rules,
    SendRequest,
    write_request,
)  # fmt: skip
from fonoteca.pools.replication import DatasetState, Step
from fonoteca.pools.streams import parse_estimate, receive_arguments, send_arguments
from fonoteca.pools.transport import SNAPSHOT, Place, SshOptions, check_dataset, ssh_command, translate_ssh_error
from fonoteca.pools.zfs import Zfs, translate_zfs_error

Answer = TypeVar("Answer")
_ANSWER_TIMEOUT_S = 600
_READ_TIMEOUT_S = 20 * 86_400  # poll(2) takes no more than 24 days


class Side(Protocol):
    """Source or target of a replication; a target need not be able to send, nor a source to receive."""

    place: Place

    def states(self) -> list[DatasetState]:
        """Every dataset at and below the place, parents first; nothing where there is none."""

    def size(self, step: Step) -> int | None:
        """Bytes that the stream of a step will have, about; None where that cannot be told."""

    def send_command(self, step: Step) -> list[str]:
        """The command that writes the stream."""

    def receive_command(self, step: Step, *, is_new: bool) -> list[str]:
        """The command that takes the stream in."""

    def received(self, step: Step, end: PipelineEnd) -> DatasetState | None:
        """The target as it is after a stream."""

    def failure(self, end: ProgramEnd) -> FonotecaError:
        """What a command of this side that failed has to say."""

    def forget(self, dataset: str) -> None:
        """Drop what arrived by halves."""

    def keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        """Hold a snapshot that is under way to the replica, or make it the base of the next send."""

    def read(self, request: ReadRequest) -> SnapshotProof:
        """Read a snapshot back and say what it holds."""


class LocalSide:
    """Datasets of this machine. `reader` is who reads a snapshot back."""

    def __init__(self, zfs: Zfs, place: Place, replica: str, reader: Callable[[Zfs, ReadRequest], SnapshotProof]) -> None:
        self.zfs, self.place, self.replica, self._reader = zfs, place, replica, reader

    def states(self) -> list[DatasetState]:
        """From `zfs list`."""
        return read_states(self.zfs, self.place.dataset)

    def size(self, step: Step) -> int | None:
        """From `zfs send -nP`."""
        verb, *rest = send_arguments(step)
        return parse_estimate(self.zfs.zfs(verb, "-n", "-P", *rest))

    def send_command(self, step: Step) -> list[str]:
        """`zfs send`."""
        return [*self.zfs.prefix, "zfs", *send_arguments(step)]

    def receive_command(self, step: Step, *, is_new: bool) -> list[str]:
        """`zfs receive`."""
        return [*self.zfs.prefix, "zfs", *receive_arguments(step.target, is_new=is_new, is_volume=step.volume)]

    def received(self, step: Step, end: PipelineEnd) -> DatasetState | None:
        """Read anew."""
        return read_state(self.zfs, step.target)

    def failure(self, end: ProgramEnd) -> FonotecaError:
        """In our words."""
        return translate_stream_error(end)

    def forget(self, dataset: str) -> None:
        """`zfs receive -A`."""
        self.zfs.zfs("receive", "-A", dataset)

    def keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        """Holds and bookmarks."""
        (pin_base if has_arrived else hold_sending)(self.zfs, dataset, snapshot, self.replica)

    def read(self, request: ReadRequest) -> SnapshotProof:
        """Here."""
        return self._reader(self.zfs, request)


class RemoteSide:
    """Datasets of another machine, where `fonoteca pool answer` does what this one asks, within its own rules."""

    def __init__(self, place: Place, may: May, replica: str, options: SshOptions) -> None:
        self.place, self._options = place, options
        self._rules = Rules(place.dataset, may, replica)

    def _command(self, request: Request) -> list[str]:
        return ssh_command(self.place, write_request(request, self._rules), self._options)

    def _ask(self, request: Request, kind: type[Answer], timeout_s: float = _ANSWER_TIMEOUT_S) -> Answer:
        try:
            told = run_program(self._command(request), timeout_s=timeout_s)
        except ProgramError as error:
            if error.status is None:
                raise
            raise translate_ssh_error(ProgramEnd(("ssh",), error.status, error.stderr), self.place) from error
        return self._decode(told, kind)

    def _decode(self, told: bytes, kind: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(told, type=kind)
        except msgspec.DecodeError as error:
            raise TargetError(
                f"{self.place.host} answers something else than was asked: {told[:80].decode('utf-8', 'replace')!r}",
                "Is fonoteca there of the same version? Its shell must print nothing of its own (.bashrc).",
            ) from error

    def states(self) -> list[DatasetState]:
        """As it tells them; names that lie elsewhere are refused."""
        states = self._ask(ListRequest(), list[DatasetState])
        for state in states:
            check_dataset(state.name)
            if state.name != self.place.dataset and not state.name.startswith(self.place.dataset + "/"):
                raise TargetError(f"{self.place.host} tells of {state.name}, which is not below {self.place.dataset}", "Do not trust it.")
            points = [*((one.dataset, one.name) for one in state.snapshots), *((one.dataset, one.name) for one in state.bookmarks)]
            for dataset, name in points:
                if dataset != state.name or not SNAPSHOT.fullmatch(name):
                    raise TargetError(f"{self.place.host} tells of a snapshot {name[:100]!r} of {state.name}", "Do not trust it.")
        return states

    def size(self, step: Step) -> int | None:
        """As it reckons."""
        return self._ask(SendRequest(step, only_size=True), dict[str, int | None]).get("bytes")

    def send_command(self, step: Step) -> list[str]:
        """ssh, asking for the stream."""
        return self._command(SendRequest(step))

    def receive_command(self, step: Step, *, is_new: bool) -> list[str]:
        """ssh, announcing the stream; the other side finds out itself whether the dataset is new."""
        return self._command(ReceiveRequest(step.target, step.guid, step.base_guid, step.volume))

    def received(self, step: Step, end: PipelineEnd) -> DatasetState | None:
        """It answers a stream with how the dataset is now."""
        return self._decode(end.output, DatasetState)

    def failure(self, end: ProgramEnd) -> FonotecaError:
        """Its own error where it told one, else what ssh says."""
        return translate_ssh_error(end, self.place)

    def forget(self, dataset: str) -> None:
        """Asked for."""
        self._ask(ForgetRequest(dataset), dict[str, Any])

    def keep(self, dataset: str, snapshot: str, *, has_arrived: bool) -> None:
        """Asked for; under the name that its forced command gives us."""
        self._ask(KeepRequest(dataset, snapshot, has_arrived), dict[str, Any])

    def read(self, request: ReadRequest) -> SnapshotProof:
        """Read there, which takes as long as the disks do."""
        return self._ask(request, SnapshotProof, _READ_TIMEOUT_S)


_LOOK = "Nothing was changed there. fonoteca pool replicate --dry-run tells what the two sides have."


_CONFLICTS = re.compile(
    r"destination .* exists|has been modified|does not\s+match incremental source|IV set guid|must specify -F|partially-complete state"
)


def translate_stream_error(end: ProgramEnd) -> FonotecaError:
    """What `zfs send` or `zfs receive` said, as an error of ours."""
    what = " ".join(part for part in end.arguments if part in ("zfs", "send", "receive"))
    if _CONFLICTS.search(end.stderr):
        fact = " / ".join(line for line in end.stderr.splitlines()[-2:] if "-F" not in line)
        return SnapshotConflictError(f"{what}: {fact}", _LOOK)
    return translate_zfs_error(ProgramError(f"{what} ended with status {end.status}", _LOOK, status=end.status, stderr=end.stderr), what)
