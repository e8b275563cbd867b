"""Signing a release: one key, two signature files that strangers' own programs check, a serial number, and rotation of the key."""

from __future__ import annotations

import hashlib
import mmap
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fonoteca.ground.errors import SignatureError, translate_os_errors
from fonoteca.ground.files import write_atomically
from fonoteca.integrity.keys import PublicKey, SigningKey, read_public_key
from fonoteca.integrity.minisign import sign_minisign, verify_minisign
from fonoteca.integrity.sshsig import sign_ssh, verify_ssh

RELEASE_NAMESPACE = "fonoteca-release"
ROTATION_NAMESPACE = "fonoteca-rotation"

_SERIAL = re.compile(r"(?:^|\s)serial:([0-9]{1,18})(?:\s|$)")
_ROTATION_HEAD = "fonoteca-key-rotation 1"


class SignedDigest:
    """The two hashes that signatures are made over, taken from the bytes as they pass."""

    def __init__(self) -> None:
        self._blake2b = hashlib.blake2b()
        self._sha512 = hashlib.sha512()

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take the next bytes."""
        self._blake2b.update(data)
        self._sha512.update(data)

    @property
    def blake2b(self) -> bytes:
        """What minisign signs."""
        return self._blake2b.digest()

    @property
    def sha512(self) -> bytes:
        """What ssh-keygen signs."""
        return self._sha512.digest()


class Signatures(msgspec.Struct, frozen=True):
    """The texts of FILE.minisig and FILE.sig."""

    minisig: str
    sig: str


def digest_file(path: Path) -> SignedDigest:
    """One read of the file, of any size, in constant memory."""
    digest = SignedDigest()
    view = memoryview(mmap.mmap(-1, 1 << 20))
    with translate_os_errors(path), open(path, "rb", buffering=0) as file:
        while count := file.readinto(view):
            digest.update(view[:count])
    return digest


def sign_digest(key: SigningKey, digest: SignedDigest, *, serial: int, name: str, namespace: str = RELEASE_NAMESPACE) -> Signatures:
    """Both signatures. The trusted comment that minisign shows is `serial:N file:NAME`. The same input gives the same text."""
    comment = f"serial:{serial} file:{name}"
    return Signatures(sign_minisign(key, digest.blake2b, comment), sign_ssh(key, digest.sha512, namespace))


def sign_file(key: SigningKey, path: Path, *, serial: int, namespace: str = RELEASE_NAMESPACE) -> Signatures:
    """Put FILE.minisig and FILE.sig beside the file."""
    signatures = sign_digest(key, digest_file(path), serial=serial, name=path.name, namespace=namespace)
    write_atomically(path.with_name(path.name + ".minisig"), signatures.minisig)
    write_atomically(path.with_name(path.name + ".sig"), signatures.sig)
    return signatures


def verify_file(public: PublicKey, path: Path, namespace: str = RELEASE_NAMESPACE) -> int:
    """The serial number of a file whose two signatures beside it are both by `public`; SignatureError otherwise."""
    digest = digest_file(path)
    serial = read_serial(verify_minisign(public, digest.blake2b, _read_text(path.with_name(path.name + ".minisig"))), path.name)
    verify_ssh(public, digest.sha512, namespace, _read_text(path.with_name(path.name + ".sig")))
    return serial


def read_serial(trusted_comment: str, name: str | None = None) -> int:
    """The number after `serial:`; with `name`, the comment must also say that it was made for that file."""
    found = _SERIAL.search(trusted_comment)
    if found is None:
        raise SignatureError(f"no serial number in the trusted comment {trusted_comment!r:.80}", "Ask the publisher to sign it again.")
    if name is not None and f"file:{name}" not in trusted_comment.split(" "):
        raise SignatureError(f"the signature was made for another file: {trusted_comment!r:.80}", "Do not trust it; fetch it again.")
    return int(found[1])


def check_serial(serial: int, last_seen: int | None) -> int:
    """`serial` itself; SignatureError where a newer release was seen already, so that an old one cannot pass for it."""
    if last_seen is not None and serial < last_seen:
        raise SignatureError(f"release {serial} is older than {last_seen}, which was seen before", "Fetch the present release.")
    return serial


def write_rotation(old: SigningKey, new: PublicKey, *, first_serial: int, folder: Path) -> Path:
    """A statement, signed by the old key, that releases from `first_serial` on are signed by `new`; gives its path in `folder`."""
    path = folder / f"key-rotation-{first_serial}.txt"
    text = f"{_ROTATION_HEAD}\nold: {old.public.ssh_text}\nnew: {new.ssh_text}\nnew-minisign: {new.minisign_text}\nserial: {first_serial}\n"
    write_atomically(path, text)
    sign_file(old, path, serial=first_serial, namespace=ROTATION_NAMESPACE)
    return path


def follow_rotations(trusted: PublicKey, statements: Iterable[Path]) -> PublicKey:
    """The key that is good now, from the one that is trusted through statements each signed by the key before it, in any order.

    Statements by keys that are not on the way are passed over; SignatureError where one on the way does not fit its signature.
    """
    by_old_key: dict[bytes, tuple[int, Path, PublicKey]] = {}
    for path in statements:
        old, new, serial = _read_rotation(path)
        if old.raw not in by_old_key or serial < by_old_key[old.raw][0]:
            by_old_key[old.raw] = (serial, path, new)
    while trusted.raw in by_old_key:
        serial, path, new = by_old_key.pop(trusted.raw)
        if verify_file(trusted, path, ROTATION_NAMESPACE) != serial:
            raise SignatureError(f"{path} was signed for another serial number", "Do not trust it; fetch it again.")
        trusted = new
    return trusted


def _read_rotation(path: Path) -> tuple[PublicKey, PublicKey, int]:
    lines = _read_text(path).splitlines()
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    if lines[:1] != [_ROTATION_HEAD] or not fields.keys() >= {"old", "new", "serial"} or not fields["serial"].isdecimal():
        raise SignatureError(f"{path} is no statement of a new key", "Fetch it again.")
    return read_public_key(fields["old"]), read_public_key(fields["new"]), int(fields["serial"])


def _read_text(path: Path) -> str:
    with translate_os_errors(path), open(path, "rb") as file:
        return file.read(1 << 16).decode("utf-8", "replace")
