"""What this machine does for another one that replicates to it or from it: one request, one answer on standard output."""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from fonoteca.ground.errors import NotFoundError, PoolError, SnapshotConflictError, StreamError
from fonoteca.ground.programs import run_pipeline
from fonoteca.pools.dataset_states import read_state, read_states
from fonoteca.pools.proving_replica import ReadRequest, SnapshotProof
from fonoteca.pools.remote_answers import (
    ForgetRequest,
    KeepRequest,
    ListRequest,
    ReceiveRequest,
    Request,
    Rules,
    SendRequest,
)
from fonoteca.pools.replica_sides import LocalSide, translate_stream_error
from fonoteca.pools.replication import DatasetState, Step
from fonoteca.pools.streams import HEAD_BYTES, check_head, receive_arguments, send_arguments
from fonoteca.pools.transport import Place
from fonoteca.pools.zfs import Zfs


def answer_request(zfs: Zfs, request: Request, rules: Rules, incoming: BinaryIO, outgoing: BinaryIO) -> Any:
    """What to print as JSON; None for a stream, which went out by `outgoing`."""
    side = LocalSide(zfs, Place(rules.dataset), rules.replica, _read)
    match request:
        case ListRequest():
            return read_states(zfs, rules.dataset)
        case ReceiveRequest():
            return _receive(zfs, request, incoming)
        case ForgetRequest(dataset):
            side.forget(dataset)
        case SendRequest(step, only_size):
            step = _checked(zfs, step)
            return {"bytes": side.size(step)} if only_size else _send(zfs, step, outgoing)
        case KeepRequest(dataset, snapshot, has_arrived):
            side.keep(dataset, snapshot, has_arrived=has_arrived)
        case ReadRequest():
            return side.read(request)
    return {}


def _read(zfs: Zfs, request: ReadRequest) -> SnapshotProof:
    from fonoteca.workflows.pool.prove_replica import read_snapshot  # and with it all of the integrity room, which no other answer needs

    return read_snapshot(zfs, request)


def _receive(zfs: Zfs, request: ReceiveRequest, incoming: BinaryIO) -> DatasetState:
    """The dataset after a plain stream of just the snapshot that was announced; a new dataset is read-only."""
    before = read_state(zfs, request.dataset)
    if before is not None and not before.snapshots and not before.token:
        raise SnapshotConflictError(
            f"{request.dataset} exists and has no snapshot, so it was not made by replication", "Name a dataset that does not exist yet."
        )
    is_new = before is None or not before.snapshots
    taking = receive_arguments(request.dataset, is_new=is_new, is_volume=request.is_volume)
    end = run_pipeline(
        incoming, [*zfs.prefix, "zfs", *taking], head_bytes=HEAD_BYTES, check_head=lambda head: _admit(head, request)
    )  # fmt: skip
    if end.consumer is None:
        raise StreamError(f"the stream ended after {end.moved_bytes} bytes", "Run it again; it begins anew.")
    if end.consumer.status:
        raise translate_stream_error(end.consumer)
    state = read_state(zfs, request.dataset)
    if state is None:
        raise PoolError(f"{request.dataset} is not there after it was received", "Look at zpool history -il.")
    return state


def _admit(head: bytes, request: ReceiveRequest) -> None:
    check_head(head, request.guid, request.base_guid, is_volume=request.is_volume)


def _checked(zfs: Zfs, step: Step) -> Step:
    """The step as this machine sees it: the snapshot is still the one that is meant; what is encrypted goes out raw."""
    state = read_state(zfs, step.dataset)
    if state is None or all((one.name, one.guid) != (step.snapshot, step.guid) for one in state.snapshots):
        raise NotFoundError(f"there is no snapshot {step.dataset}@{step.snapshot} with that guid any more", "Run it again.")
    return msgspec.structs.replace(step, is_raw=state.is_encrypted)


def _send(zfs: Zfs, step: Step, outgoing: BinaryIO) -> None:
    end = run_pipeline([*zfs.prefix, "zfs", *send_arguments(step)], outgoing)
    if end.producer is not None and end.producer.status:
        raise translate_stream_error(end.producer)
