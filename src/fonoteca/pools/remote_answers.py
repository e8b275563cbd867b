"""The few words that another machine may say to this one about a replica; everything else is refused.

A request is `fonoteca pool answer … -- VERB ARGUMENT…`. A forced command in authorized_keys decides which dataset and which verbs; what
the caller writes before `--` then counts for nothing. No verb destroys, rolls back, renames, sets properties or receives with -F.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from fonoteca.ground.errors import AccessError, PoolOutputError, UsageError
from fonoteca.pools.proving_replica import ReadRequest
from fonoteca.pools.replication import Step
from fonoteca.pools.resume_token import read_token
from fonoteca.pools.transport import SNAPSHOT, check_dataset

May = Literal["receive", "send"]
_LONGEST = 128 * 1024


class Rules(msgspec.Struct, frozen=True):
    """What a caller may do: below which dataset, and receive there or have it sent. `replica` names the caller's holds."""

    dataset: str
    may: May
    replica: str = ""


class ListRequest(msgspec.Struct, frozen=True):
    """`list`: every dataset with its snapshots, bookmarks and token."""


class ReceiveRequest(msgspec.Struct, frozen=True):
    """`receive DATASET GUID BASE_GUID filesystem|volume`: a plain stream of that snapshot comes on standard input."""

    dataset: str
    guid: int
    base_guid: int
    is_volume: bool = False


class ForgetRequest(msgspec.Struct, frozen=True):
    """`forget DATASET`: drop what arrived by halves."""

    dataset: str


class SendRequest(msgspec.Struct, frozen=True):
    """`send` or `size KIND DATASET SNAPSHOT GUID BASE TOKEN`: the stream on standard output, or how long it would be."""

    step: Step
    only_size: bool = False


class KeepRequest(msgspec.Struct, frozen=True):
    """`hold DATASET SNAPSHOT` while it is sent, `pin DATASET SNAPSHOT` once it has arrived: under the caller's own name."""

    dataset: str
    snapshot: str
    has_arrived: bool


Request = ListRequest | ReceiveRequest | ForgetRequest | SendRequest | KeepRequest | ReadRequest


def write_request(request: Request, rules: Rules, program: Sequence[str] = ("fonoteca",)) -> list[str]:
    """The words of a request, ready to be quoted."""
    head = [*program, "pool", "answer", "--dataset", rules.dataset, "--may", rules.may]
    return [*head, *(("--replica", rules.replica) if rules.replica else ()), "--", *_words(request)]


def _words(request: Request) -> list[str]:
    match request:
        case ListRequest():
            return ["list"]
        case ReceiveRequest(dataset, guid, base_guid, is_volume):
            return ["receive", dataset, str(guid), str(base_guid), "volume" if is_volume else "filesystem"]
        case ForgetRequest(dataset):
            return ["forget", dataset]
        case SendRequest(step, only_size):
            words = [step.kind, step.dataset, step.snapshot, str(step.guid), step.base or "-", step.token or "-"]
            return ["size" if only_size else "send", *words]
        case KeepRequest(dataset, snapshot, has_arrived):
            return ["pin" if has_arrived else "hold", dataset, snapshot]
        case ReadRequest(dataset, snapshot, guid, release, read_bytes, seed):
            amount = "all" if read_bytes is None else str(read_bytes)
            return ["read", dataset, snapshot, str(guid), release, amount, str(seed)]


def split_request(text: str) -> list[str]:
    """The words after `--` of what a caller wrote (SSH_ORIGINAL_COMMAND)."""
    if len(text) > _LONGEST or "\0" in text:
        raise _refused("a request that is too long, or no text")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _refused(f"a request that cannot be read ({error})") from error
    if "--" not in words:
        raise _refused(text[:100] or "an empty request; this key opens no shell")
    return words[words.index("--") + 1 :]


def parse_request(words: Sequence[str], rules: Rules) -> Request:
    """The request, checked against the rules; AccessError for everything that they do not allow."""
    verb, arguments = (words[0], list(words[1:])) if words else ("", [])
    known = _VERBS.get(verb)
    if known is None:
        raise _refused(f"{verb[:40]!r} is none of {', '.join(_VERBS)}")
    may, count, read = known
    if rules.may not in may:
        raise _refused(f"{verb} is not for one who may only {'send to' if rules.may == 'receive' else 'fetch from'} {rules.dataset}")
    if len(arguments) != count:
        raise _refused(f"{verb} takes {count} words, not {len(arguments)}")
    return read(arguments, rules)


def _read_receive(words: list[str], rules: Rules) -> Request:
    if words[3] not in ("filesystem", "volume"):
        raise _refused(f"{words[3][:40]!r} cannot be received")
    return ReceiveRequest(_inside(words[0], rules), _number(words[1]), _number(words[2]), words[3] == "volume")


def _read_keep(words: list[str], rules: Rules, *, has_arrived: bool) -> Request:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", rules.replica):
        raise _refused("the forced command does not name the caller with --replica, so nothing can be held for it")
    return KeepRequest(_inside(words[0], rules), _snapshot(words[1]), has_arrived)


def _read_send(words: list[str], rules: Rules, *, only_size: bool) -> Request:
    kind, dataset, snapshot, guid, base, token = words
    if kind not in ("full", "incremental", "bookmark", "resume"):
        raise _refused(f"there is no stream {kind[:40]!r}")
    step = Step(kind, _inside(dataset, rules), "", _snapshot(snapshot), _number(guid))  # type: ignore[arg-type]
    if kind == "resume":
        return SendRequest(msgspec.structs.replace(step, token=_token(token, step)), only_size)
    return SendRequest(step if kind == "full" else msgspec.structs.replace(step, base=_snapshot(base)), only_size)


def _token(text: str, step: Step) -> str:
    """A token names what is sent, so it must name what was asked for."""
    try:
        token = read_token(text)
    except PoolOutputError as error:
        raise _refused("a resume token that cannot be read") from error
    if (token.to_name, token.to_guid) != (f"{step.dataset}@{step.snapshot}", step.guid):
        raise _refused(f"a resume token of {token.to_name[:100]}, not of {step.dataset}@{step.snapshot}")
    return text


def _read_read(words: list[str], rules: Rules) -> Request:
    dataset, snapshot, guid, release, amount, seed = words
    if release != "." and any(part in ("", ".", "..") for part in release.split("/")):
        raise _refused(f"the folder {release[:100]!r} leads out of the dataset")
    read_bytes = None if amount == "all" else _number(amount)
    return ReadRequest(_inside(dataset, rules), _snapshot(snapshot), _number(guid), release, read_bytes, _number(seed))


_VERBS: dict[str, tuple[tuple[May, ...], int, Callable[[list[str], Rules], Request]]] = {
    "list": (("receive", "send"), 0, lambda _words, _rules: ListRequest()),
    "receive": (("receive",), 4, _read_receive),
    "forget": (("receive",), 1, lambda words, rules: ForgetRequest(_inside(words[0], rules))),
    "read": (("receive", "send"), 6, _read_read),
    "send": (("send",), 6, lambda words, rules: _read_send(words, rules, only_size=False)),
    "size": (("send",), 6, lambda words, rules: _read_send(words, rules, only_size=True)),
    "hold": (("send",), 2, lambda words, rules: _read_keep(words, rules, has_arrived=False)),
    "pin": (("send",), 2, lambda words, rules: _read_keep(words, rules, has_arrived=True)),
}


def _inside(dataset: str, rules: Rules) -> str:
    try:
        check_dataset(dataset)
    except UsageError as error:
        raise _refused(error.message) from error
    if dataset != rules.dataset and not dataset.startswith(rules.dataset + "/"):
        raise _refused(f"{dataset} is not {rules.dataset} nor below it")
    return dataset


def _snapshot(name: str) -> str:
    if not SNAPSHOT.fullmatch(name):
        raise _refused(f"{name[:100]!r} is no name of a snapshot")
    return name


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise _refused(f"{text[:40]!r} is no number")
    return int(text)


def _refused(fact: str) -> AccessError:
    return AccessError(f"refused: {fact}", "This key may only do what its line in authorized_keys says.")
