"""`fonoteca pool replicate` and, for the other side of it, `fonoteca pool answer`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption
from fonoteca.cli.output import emit, on_one_line, storable, table
from fonoteca.cli.pool_app import pool_app
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import FonotecaError, UsageError
from fonoteca.ground.findings import counts_as_damage
from fonoteca.ground.quantities import format_bytes, format_count, format_duration, parse_bytes
from fonoteca.ground.settings import find_archive

if TYPE_CHECKING:
    from fonoteca.ground.findings import Finding
    from fonoteca.pools.proving_replica import ReplicaState
    from fonoteca.workflows.pool.replicas import Replica, ReplicaReport
    from fonoteca.workflows.pool.replicate import SentStep


@pool_app.command(name="replicate", sort_key=6)
def pool_replicate(
    target: Annotated[
        str | None, Parameter(help="A name of [[pool.replicas]], a dataset, or ssh://user@host[:port]/dataset; else all that are sent to.")
    ] = None,
    /,
    *,
    source: Annotated[str | None, Parameter(name="--from", help="Fetch instead: from this ssh:// address or dataset …")] = None,
    into: Annotated[str | None, Parameter(help="… into this dataset of this machine.")] = None,
    name: Annotated[str, Parameter(help="With --from: what the replica is called where its state is kept.")] = "",
    limit: Annotated[str | None, Parameter(help='Bytes a second at most: "50MB".')] = None,
    newest_only: Annotated[bool, Parameter(negative=(), help="Send only the newest snapshot, not all since the last.")] = False,
    forget_partial: Annotated[bool, Parameter(negative=(), help="Drop what arrived by halves, and send it anew.")] = False,
    check_stream: Annotated[bool, Parameter(negative=(), help="Have zstream read along, and refuse what it finds damaged.")] = False,
    prove: Annotated[bool, Parameter(negative=(), help="Then read the replica's release back and compare it with its SHA256SUMS.")] = False,
    read: Annotated[str | None, Parameter(help='With --prove: read so much, elsewhere each time: "500GB". Else all of it.')] = None,
    key: Annotated[Path | None, Parameter(help="The SSH key to use.")] = None,
    first: Annotated[bool, Parameter(negative=(), help="Believe and remember the host key of a host that is not known yet.")] = False,
    setup: Annotated[bool, Parameter(negative=(), help="Print what has to be typed on both machines, and stop.")] = False,
    status: Annotated[bool, Parameter(negative=(), help="Show how old and how proved the replicas are, and stop.")] = False,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Copy the store to another pool: incremental, resumable, each snapshot proved by its guid; never with force.

    A conflict is named with the way out and changes nothing. Stopped anywhere, the same command goes on. Exit status 3: done, but a
    replica is late, unproved or not the same.
    """
    from fonoteca.pools import Zfs
    from fonoteca.workflows.pool.replicas import Proving, run_replicas
    from fonoteca.workflows.pool.replicate import ReplicationOptions

    if status:
        return _status(archive, json)
    replicas = _replicas(target, source, into, name, archive, key, first, setup)
    if setup:
        return _setup(replicas, json)
    options = ReplicationOptions(not newest_only, forget_partial, check_stream, parse_bytes(limit) if limit else None, is_dry_run=dry_run)
    proving = Proving(parse_bytes(read) if read else None) if prove else None
    reports, errors = run_replicas(replicas, Zfs(), options, open_progress(), int(time.time()), proving)
    return _tell(reports, errors, json)


def _replicas(
    target: str | None, source: str | None, into: str | None, name: str, archive: Path | None, key: Path | None, first: bool, setup: bool
) -> list[Replica]:
    from fonoteca.pools import Zfs
    from fonoteca.workflows.pool.replica_book import state_folder
    from fonoteca.workflows.pool.replicas import fetching, replicas_of

    if (source is None) != (into is None) or (source is not None and target is not None):
        raise UsageError("--from and --into go together, without a target", "fonoteca pool replicate --from ssh://… --into backup/fonoteca")
    if source is not None and into is not None:
        return [fetching(source, into, archive or state_folder(), name=name, key=key, is_first=first)]
    place = archive if archive is not None else find_archive(Path.cwd())
    return replicas_of(place, Zfs(), target, key=key, is_first=first, is_setup=setup)


def _tell(reports: list[ReplicaReport], errors: list[FonotecaError], json: bool) -> int:
    if len(reports) > len(errors):
        emit(reports[0] if len(reports) == 1 else reports, storable("\n".join(_words(one) for one in reports)), json)
    if errors:
        raise errors[0]
    for conflict in (conflict for report in reports for conflict in report.conflicts):
        raise conflict.error()
    return 3 if any(counts_as_damage(finding) for report in reports for finding in report.findings) else 0


def _words(report: ReplicaReport) -> str:
    done = report.replication
    if report.failure:
        return f"{on_one_line(done.target)}: {on_one_line(report.failure)}"
    lines = []
    if done.sent:
        rows: list[tuple[str, ...]] = [("snapshot", "to", "how", "bytes")]
        lines.append(table(rows + [_row(one) for one in done.sent], frozenset({3})))
    lines += [f"{on_one_line(one.target)} cannot go on: {on_one_line(one.fact)}\n  {on_one_line(one.way_out)}" for one in done.conflicts]
    would = "would send" if done.is_dry_run else "sent"
    lines.append(
        f"{on_one_line(done.target)}: {would} {format_count(len(done.sent), 'snapshot')}, {format_bytes(done.sent_bytes)}; "
        f"{format_count(len(done.up_to_date), 'dataset')} up to date"
    )
    return "\n".join([*lines, *_proof(report), *_findings(report.findings)])


def _row(one: SentStep) -> tuple[str, ...]:
    step = one.step
    start = f" from {on_one_line(step.base)}" if step.base else ""
    size = format_bytes(one.bytes) if one.bytes is not None else "?"
    return f"{on_one_line(step.dataset)}@{on_one_line(step.snapshot)}", on_one_line(step.target), f"{step.kind}{start}", size


def _proof(report: ReplicaReport) -> list[str]:
    proof = report.proof
    if proof is None:
        return []
    if report.mismatch:
        return [f"not the same: {on_one_line(report.mismatch)}"]
    scrub = (
        f"its pool was scrubbed {format_duration(max(0, time.time() - proof.scrubbed_at))} ago" if proof.scrubbed_at else "never scrubbed"
    )
    return [
        f"proved: @{on_one_line(proof.snapshot)} has the same guid and the same SHA256SUMS; {format_count(proof.files_read, 'file')} of "
        f"{proof.files_listed:,} read back, {format_bytes(proof.bytes_read)}; {scrub}"
    ]


def _findings(findings: list[Finding]) -> list[str]:
    return [f"{one.code}: {on_one_line(one.path)}: {on_one_line(one.fact)}\n  {one.way_out}" for one in findings]


def _status(archive: Path | None, json: bool) -> int:
    from fonoteca.ground.settings import read_settings
    from fonoteca.pools import Zfs
    from fonoteca.pools.proving_replica import judge_replicas
    from fonoteca.workflows.pool.replicas import replica_states

    folder = archive if archive is not None else find_archive(Path.cwd())
    now = int(time.time())
    states = replica_states(folder, Zfs())
    findings = judge_replicas(read_settings(folder).pool.replicas, states, now)
    emit({"replicas": states, "findings": findings}, storable("\n".join([_state_rows(states, now), *_findings(findings)])), json)
    return 3 if findings else 0


def _state_rows(states: list[ReplicaState], now: int) -> str:
    if not states:
        return "nothing was replicated yet; name a target, or write [[pool.replicas]] into archive.toml"
    rows: list[tuple[str, ...]] = [("replica", "where", "newest snapshot", "age", "proved")]
    for one in states:
        age = format_duration(max(0, now - one.snapshot_at)) if one.snapshot_at else "-"
        proved = f"{format_duration(max(0, now - one.proved_at))} ago" if one.proved_at else "-"
        rows.append((on_one_line(one.name), on_one_line(one.target) or one.mode, on_one_line(one.snapshot) or "-", age, proved))
    return table(rows)


def _setup(replicas: list[Replica], json: bool) -> int:
    from fonoteca.workflows.pool.replica_setup import setup_steps

    steps = [step for one in replicas for step in setup_steps(one)]
    words = [f"on {step.machine}: {step.purpose}\n" + "\n".join(f"  {line}" for line in step.lines) for step in steps]
    emit(steps, storable("\n".join(words)), json)
    return 0


@pool_app.command(name="answer", sort_key=20)
def pool_answer(
    *request: Annotated[str, Parameter(help="What is asked, where no forced command stands before it.", allow_leading_hyphen=True)],
    dataset: Annotated[str, Parameter(help="Nothing outside of this dataset is touched.")],
    may: Annotated[Literal["receive", "send"], Parameter(help="Take streams in, or hand them out.")],
    replica: Annotated[str, Parameter(help="Whose holds the caller sets.")] = "",
) -> int:
    """Answer another machine's `pool replicate`; a forced command in authorized_keys. Knows a few words, and none that destroys.

    With SSH_ORIGINAL_COMMAND in the environment, that is the request.
    """
    from fonoteca.pools import Zfs
    from fonoteca.pools.remote_answers import Rules, parse_request, split_request
    from fonoteca.workflows.pool.answer import answer_request

    try:
        rules = Rules(dataset, may, replica)
        asked = os.environ.get("SSH_ORIGINAL_COMMAND")
        wanted = parse_request(split_request(asked) if asked is not None else request, rules)
        told = answer_request(Zfs(), wanted, rules, sys.stdin.buffer, sys.stdout.buffer)
    except FonotecaError as error:
        answer = {"code": error.code, "message": storable(error.message), "hint": storable(error.hint)}
        print(msgspec.json.encode(answer).decode(), file=sys.stderr)
        return error.exit_status
    if told is not None:
        print(msgspec.json.encode(told).decode())
    return 0
