"""What has to be typed on two machines so that one may replicate to the other and can destroy nothing there."""

from __future__ import annotations

import json
import shlex

import msgspec

from fonoteca.pools.policy import replica_policy
from fonoteca.pools.sanoid import SANOID_CONF, write_sanoid_conf
from fonoteca.pools.transport import Place
from fonoteca.workflows.pool.replicas import Replica

_KEY = "ssh-ed25519 AAAA… (the public key of the other side)"

_OWN_KEY = "~/.ssh/fonoteca_replica"


class SetupStep(msgspec.Struct, frozen=True):
    """Where, what for, and the lines."""

    machine: str
    purpose: str
    lines: tuple[str, ...]


def setup_steps(replica: Replica) -> list[SetupStep]:
    """In the order in which they are done."""
    source, target = replica.source, replica.target
    steps = [_parent(target)] if target.dataset.count("/") > 1 else []
    key = replica.ssh.key_file or _OWN_KEY
    if target.host:
        steps += [_make_key(_host(source), target, key), _forced(target, "receive", "", "sends")]
        steps.append(_allow_receive(target))
    if source.host:
        steps += [_make_key(_host(target), source, key), _forced(source, "send", replica.settings.name, "fetches"), _allow_send(source)]
    if target.host or source.host:
        steps += [_prune(replica), _first_run(replica, key)]
    return steps


def _host(place: Place) -> str:
    return place.host or "this machine"


def _parent(target: Place) -> SetupStep:
    """Received datasets inherit from it; the target itself must not exist yet."""
    parent = target.dataset.rpartition("/")[0]
    lines = (f"zfs create -p -o readonly=on -o canmount=off -o mountpoint=none {shlex.quote(parent)}",)
    return SetupStep(_host(target), f"a place for {target.dataset}, which replication makes itself", lines)


def _prune(replica: Replica) -> SetupStep:
    """On one machine with the source, `pool configure` sees to it."""
    text = write_sanoid_conf([replica_policy(replica.settings, replica.target.dataset)], [])
    purpose = f"in /{SANOID_CONF}, where apt-get install sanoid was done: how many of the received snapshots stay; none are taken there"
    return SetupStep(_host(replica.target), purpose, tuple(line for line in text.splitlines() if line))


def _first_run(replica: Replica, key: str) -> SetupStep:
    """ssh by itself does not offer a key of this name."""
    given = f"--key {key if key == _OWN_KEY else shlex.quote(key)}"
    if replica.settings.mode == "pull":
        words = ["--from", str(replica.source), "--into", str(replica.target), "--name", replica.settings.name]
        return SetupStep("this machine", "fetch", (f"fonoteca pool replicate {shlex.join(words)} {given}",))
    lines = (f"fonoteca pool replicate {shlex.quote(str(replica.target))} {given}", f"key_file = {json.dumps(key, ensure_ascii=False)}")
    return SetupStep("this machine", "send; the second line stands for --key in archive.toml, under [[pool.replicas]]", lines)


def _make_key(machine: str, other: Place, key: str) -> SetupStep:
    host = f"-p {other.port} {other.host}" if other.port else other.host
    return SetupStep(
        machine, "a key for this and nothing else, and the other's host key: compare its fingerprint",
        (
            f"ssh-keygen -t ed25519 -N '' -f {key if key == _OWN_KEY else shlex.quote(key)}",
            f"ssh-keyscan -t ed25519 {host} | tee -a ~/.ssh/known_hosts | ssh-keygen -lf -",
        ),
    )  # fmt: skip


def _forced(place: Place, may: str, name: str, does: str) -> SetupStep:
    """The quotes within stand in a quoted option of authorized_keys."""
    words = ["fonoteca", "pool", "answer", "--dataset", place.dataset, "--may", may, *(["--replica", name] if name else [])]
    command = shlex.join(words).replace('"', '\\"')
    user = place.user or "root"
    return SetupStep(
        place.host, f"in ~{user}/.ssh/authorized_keys, on one line: who {does} may do this and nothing else",
        (f'command="{command}",restrict {_KEY}',),
    )  # fmt: skip


def _allow_receive(place: Place) -> SetupStep:
    parent = shlex.quote(place.dataset.rpartition("/")[0] or place.dataset)
    user = shlex.quote(place.user or "USER")
    return SetupStep(
        place.host, "only where that user is not root; from OpenZFS 2.4 on write receive:append for receive, which alone cannot force",
        (f"zfs allow -u {user} receive,create,mount {parent}",),
    )  # fmt: skip


def _allow_send(place: Place) -> SetupStep:
    return SetupStep(
        place.host, "only where that user is not root",
        (f"zfs allow -u {shlex.quote(place.user or 'USER')} send,hold,release,bookmark {shlex.quote(place.dataset)}",),
    )  # fmt: skip
