"""Where a replica is, and the way there: OpenSSH's own client, asked nothing and trusting only hosts that it knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec

from fonoteca.ground.errors import FonotecaError, HostKeyError, TargetError, UsageError
from fonoteca.ground.programs import ProgramEnd

_REST = "[A-Za-z0-9_.: -]*"
DATASET = re.compile(rf"[A-Za-z]{_REST}(?:/(?!\.\.?(?:/|$))[A-Za-z0-9_.:]{_REST})*")
SNAPSHOT = re.compile(rf"[A-Za-z0-9_.:]{_REST}")
_WAY_OUT = "Write backup/fonoteca for this machine, ssh://user@host[:port]/backup/fonoteca for another."


class Place(msgspec.Struct, frozen=True):
    """A dataset here, or on another machine where `host` is given."""

    dataset: str
    host: str = ""
    user: str = ""
    port: int | None = None

    def __str__(self) -> str:
        if not self.host:
            return self.dataset
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{self.user + '@' if self.user else ''}{host}{f':{self.port}' if self.port else ''}/{self.dataset}"


class SshOptions(msgspec.Struct, frozen=True):
    """`is_first`: a host that was never met is believed and remembered; one that has changed never is."""

    key_file: str = ""
    is_first: bool = False
    config: str = ""


def parse_place(text: str) -> Place:
    """Where a text leads; UsageError where it leads nowhere."""
    if not text.startswith("ssh://"):
        return Place(check_dataset(text))
    match = re.fullmatch(r"ssh://(?:([^@/\s:]+)@)?(\[[0-9A-Fa-f:.%a-z]+\]|[^@/\s:\[\]]+)(?::([0-9]{1,5}))?/(.+)", text)
    if match is None or any(part and part.startswith("-") for part in match.groups()[:2]):
        raise UsageError(f"{text[:200]!r} is no address of a dataset", _WAY_OUT)
    port = int(match[3]) if match[3] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"{port} is no port", _WAY_OUT)
    return Place(check_dataset(unquote(match[4])), match[2].strip("[]"), match[1] or "", port)


def check_dataset(name: str) -> str:
    """A name that ZFS would take; UsageError for any other."""
    if len(name) > 255 or not DATASET.fullmatch(name) or name.endswith(" "):
        raise UsageError(
            f"{name[:200]!r} is no name of a dataset",
            "Names have letters, digits, '-', '_', '.', ':' and spaces, with '/' between datasets.",
        )
    return name


def ssh_command(place: Place, request: Sequence[str], options: SshOptions) -> list[str]:
    """The arguments that bring a request to the other machine, quoted for the shell that may stand there."""
    known = "accept-new" if options.is_first else "yes"
    command = ["ssh", "-T", "-o", "BatchMode=yes", "-o", f"StrictHostKeyChecking={known}", "-o", "ConnectTimeout=20"]
    command += ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes"]
    if options.config:
        command += ["-F", options.config]
    if options.key_file:
        command += ["-i", options.key_file, "-o", "IdentitiesOnly=yes"]
    if place.port:
        command += ["-p", str(place.port)]
    if place.user:
        command += ["-l", place.user]
    return [*command, "--", place.host, shlex.join(request)]


# What OpenSSH's client says, in sshconnect.c, readconf.c and clientloop.c; the first that is found counts.
_SSH_WORDS: tuple[tuple[str, type[TargetError], str, str], ...] = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", HostKeyError, "it shows another host key than before",
     "Ask whoever runs it whether its key was changed. Only if so: ssh-keygen -R {host}, then run this again with --first."),
    ("No .* host key is known for|authenticity of host .* can't be established|Host key verification failed", HostKeyError,
     "its host key is not known here", "Compare its fingerprint with whoever runs it, then run this once with --first."),
    ("Permission denied", TargetError, "it does not take our key",
     "Put the line that fonoteca pool replicate --setup prints into authorized_keys there; key_file names the key to use."),
    ("Could not resolve hostname", TargetError, "there is no such host", "Check its name and the network."),
    ("Connection refused", TargetError, "it does not take calls on that port", "Start sshd there, or give the port: ssh://user@host:port/…"),
    ("timed out|Timeout, server|No route to host|Network is unreachable|Connection to .* closed by remote|Connection (closed|reset)"
     "|Broken pipe|kex_exchange_identification|banner exchange", TargetError,
     "the connection cannot be made or was lost", "Check the network and that it runs; the same command goes on where it stopped."),
    ("Identity file .* not accessible|Load key .*(invalid|error|bad permissions)|UNPROTECTED PRIVATE KEY", TargetError,
     "our key file cannot be used", "Mend key_file; a key must be readable by its owner alone (chmod 600)."),
    ("command not found|fonoteca: not found|No such file or directory", TargetError, "fonoteca is not found there",
     "Install it there, or give its full path in the forced command in authorized_keys."),
)  # fmt: skip


def translate_ssh_error(end: ProgramEnd, place: Place) -> FonotecaError:
    """What went wrong on the way to the other machine, or there: an answer's own error comes as a last line of JSON."""
    if told := _answered_error(end.stderr):
        return told
    for pattern, kind, fact, way_out in _SSH_WORDS:
        if re.search(pattern, end.stderr):
            host = f"[{place.host}]:{place.port}" if place.port else place.host
            return kind(f"{place.host}: {fact}{_last_words(end.stderr)}", way_out.format(host=host))
    return TargetError(
        f"{place.host}: ssh ended with status {end.status}{_last_words(end.stderr)}",
        "Try by hand: ssh -v with the same address; the same command goes on where it stopped.",
    )


class ErrorAnswer(msgspec.Struct, frozen=True):
    """An error of the other side, as it travels."""

    code: str
    message: str
    hint: str = ""


def _answered_error(stderr: str) -> FonotecaError | None:
    """The error of the other side as if it had happened here."""
    for line in reversed(stderr.splitlines()):
        if line.startswith("{"):
            try:
                answer = msgspec.json.decode(line, type=ErrorAnswer)
            except msgspec.DecodeError:
                return None
            return _class_of(answer.code)(f"the other side: {answer.message}", answer.hint)
    return None


def _class_of(code: str, root: type[FonotecaError] = FonotecaError) -> type[FonotecaError]:
    kinds = [root]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if kind.code == code:
            return kind
    return TargetError


def _last_words(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip(" @\r")]
    return f" ({lines[-1][:200]})" if lines else ""
