"""replicas.json: what is known of each replica, beside the settings of whoever runs the replication."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.ground.errors import ArchiveBusyError, DatabaseError, translate_os_errors
from fonoteca.ground.files import lock_folder, write_atomically
from fonoteca.pools.holds import hold_tag
from fonoteca.pools.proving_replica import FORMAT, ReplicaBook, ReplicaState
from fonoteca.pools.snapshots import Snapshot

BOOK = "replicas.json"
_TRIES, _PAUSE_S = 300, 0.1


def state_folder() -> Path:
    """Where state is kept of replicas that belong to no archive of this machine."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fonoteca"
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def book_folder(archive: Path) -> Path:
    """Beside archive.toml; of an archive on a file system that is read-only, with what belongs to no archive."""
    with translate_os_errors(archive):
        is_readonly = bool(os.statvfs(archive).f_flag & os.ST_RDONLY)
    return state_folder() if is_readonly else archive


def read_replica_states(folder: Path) -> list[ReplicaState]:
    """What replicas.json in the folder of an archive tells; nothing where there is none."""
    path = folder / BOOK
    with translate_os_errors(path):
        if not path.exists():
            return []
        told = path.read_bytes()
    try:
        book = msgspec.json.decode(told, type=ReplicaBook)
    except msgspec.DecodeError as error:
        raise DatabaseError(f"{path} cannot be read: {error}", "Move it away: the next replication writes it anew.") from error
    if book.format != FORMAT:
        raise DatabaseError(f"{path} has format {book.format}, this program reads {FORMAT}", "Update fonoteca.")
    return list(book.replicas)


def state_of(states: Iterable[ReplicaState], name: str, target: str) -> ReplicaState:
    """The state under a name; an empty one where it is not known or now leads elsewhere."""
    known = next((one for one in states if one.name == name and one.target == target), None)
    return known if known is not None else ReplicaState(name, target)


def change_replica_state(folder: Path, name: str, target: str, /, **changes: Any) -> ReplicaState:
    """Write what is new of one replica; the rest as it is by now, for other runs write here too."""
    with _alone(folder):
        states = read_replica_states(folder)
        state = msgspec.structs.replace(state_of(states, name, target), **changes)
        others = [one for one in states if one.name != name]
        book = ReplicaBook(replicas=tuple(sorted((*others, state), key=lambda one: one.name)))
        write_atomically(folder / BOOK, msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n")
        return state


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The lock for a moment; whoever has it has it for a moment too."""
    with ExitStack() as held:
        for rest in reversed(range(_TRIES)):
            try:
                held.enter_context(lock_folder(folder, "pool replicate", f".{BOOK}.lock"))
                break
            except ArchiveBusyError:
                if not rest:
                    raise
                time.sleep(_PAUSE_S)
        yield


def with_holds(states: Sequence[ReplicaState], names: Iterable[str], snapshots: Sequence[Snapshot]) -> list[ReplicaState]:
    """The states with what the holds of the source's snapshots tell: so a replica that fetches by itself is known too."""
    known = {state.name: state for state in states}
    for name in names:
        bases = _bases(snapshots, name)
        if bases:
            oldest = min(bases, key=lambda one: one.created_at)
            state = known.get(name, ReplicaState(name, "", "pull"))
            known[name] = msgspec.structs.replace(state, snapshot=oldest.name, snapshot_at=oldest.created_at)
    return list(known.values())


def _bases(snapshots: Sequence[Snapshot], name: str) -> list[Snapshot]:
    """Of each dataset the newest snapshot that the replica is known to have."""
    newest: dict[str, Snapshot] = {}
    for one in snapshots:
        if hold_tag(name) in one.holds and (one.dataset not in newest or one.createtxg > newest[one.dataset].createtxg):
            newest[one.dataset] = one
    return list(newest.values())
