"""The archive's one Ed25519 key: where it is kept, and how its public half is shown to strangers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
import struct
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fonoteca.ground.errors import SignatureError, translate_os_errors
from fonoteca.ground.files import sync_folder

_SSH_TYPE = b"ssh-ed25519"
_PLAIN_WORD = re.compile(r"[A-Za-z0-9._+@-]+")


class PublicKey(msgspec.Struct, frozen=True):
    """An Ed25519 public key of 32 bytes, with the 8-byte number by which minisign tells keys apart."""

    raw: bytes
    minisign_id: bytes

    @property
    def ssh_blob(self) -> bytes:
        """As in RFC 8709, section 4."""
        return pack_string(_SSH_TYPE) + pack_string(self.raw)

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: the short text to publish elsewhere and to compare."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.ssh_blob).digest()).decode().rstrip("=")

    @property
    def minisign_text(self) -> str:
        """What `minisign -P` takes: the second line of minisign.pub."""
        return base64.b64encode(b"Ed" + self.minisign_id + self.raw).decode()

    @property
    def minisign_file(self) -> str:
        """The content of minisign.pub. minisign shows the number backwards, without leading zeros."""
        number = int.from_bytes(self.minisign_id, "little")
        return f"untrusted comment: minisign public key {number:X}\n{self.minisign_text}\n"

    @property
    def ssh_text(self) -> str:
        """One line as in an OpenSSH .pub file."""
        return f"{_SSH_TYPE.decode()} {base64.b64encode(self.ssh_blob).decode()}"

    def allowed_signers(self, principal: str, namespace: str) -> str:
        """The content of an allowed_signers file for `ssh-keygen -Y verify -I principal -n namespace`; by habit, principals are
        addresses. SignatureError where the file would be read otherwise."""
        if not _PLAIN_WORD.fullmatch(principal) or not _PLAIN_WORD.fullmatch(namespace):
            raise SignatureError(f"{principal!r} cannot name a signer", "Take letters, digits and . _ + @ - only, say archive@example.org.")
        return f'{principal} namespaces="{namespace}" {self.ssh_text}\n'

    def check(self, signature: bytes, message: bytes, what: str) -> None:
        """SignatureError unless `signature` over `message` is by this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(
                f"the signature of {what} does not fit key {self.fingerprint}", "Do not trust it; fetch it again."
            ) from error


class SigningKey:
    """The private key. Nothing shows it: not repr, not an error, not a log."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = make_public_key(private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not handed to other processes")

    def sign(self, message: bytes) -> bytes:
        """64 bytes; the same message always gives the same (RFC 8032)."""
        return self._private.sign(message)


def make_public_key(raw: bytes) -> PublicKey:
    """The public key of 32 raw bytes; its minisign number is derived from them, so that one file keeps the whole key."""
    return PublicKey(raw, hashlib.sha256(b"fonoteca minisign key number\0" + raw).digest()[:8])


def create_key(path: Path) -> SigningKey:
    """A new key in a new file that only its owner can read (0600), in OpenSSH's format; SignatureError if `path` is there already."""
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )  # fmt: skip
    partial = path.with_name(f".fonoteca-{secrets.token_hex(8)}.partial")
    with translate_os_errors(path):
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, path)  # unlike a rename, it never replaces a key
        except FileExistsError as error:
            raise SignatureError(f"there is a key at {path} already", "Keep it: without it no release can follow the old ones.") from error
        finally:
            partial.unlink()
        sync_folder(path.parent)
    return SigningKey(private)


def load_key(path: Path) -> SigningKey:
    """The key in an OpenSSH private key file without a passphrase; SignatureError where others may read it, or it is none."""
    with translate_os_errors(path), open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise SignatureError(f"{path} may be read by others (mode {stat.S_IMODE(mode):04o})", f"Run: chmod 600 {path}")
        text = file.read(1 << 16)
    try:
        private = serialization.load_ssh_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        hint = f"A key with a passphrase cannot be used unattended: ssh-keygen -p -f {path} takes it off."
        raise SignatureError(f"{path} holds no OpenSSH private key that can be used", hint) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SignatureError(f"{path} holds a key of another kind", "Make one with ssh-keygen -t ed25519, or let fonoteca make it.")
    return SigningKey(private)


def read_public_key(text: str) -> PublicKey:
    """A public key as minisign.pub, its second line, an OpenSSH .pub line or an allowed_signers line give it."""
    for line in text.splitlines():
        words = line.split()
        if line.startswith(("untrusted comment:", "#")) or not words:
            continue
        if _SSH_TYPE.decode() in words[:-1]:
            return _read_ssh_blob(_decode(words[words.index(_SSH_TYPE.decode()) + 1]))
        blob = _decode(words[0])
        if len(blob) == 42 and blob[:2] == b"Ed":
            return PublicKey(blob[10:], blob[2:10])
    raise SignatureError("no Ed25519 public key in the text", "Give the file minisign.pub or allowed_signers of the release.")


def _read_ssh_blob(blob: bytes) -> PublicKey:
    kind, rest = unpack_string(blob)
    raw, rest = unpack_string(rest)
    if kind != _SSH_TYPE or len(raw) != 32 or rest:
        raise SignatureError("the SSH public key is damaged", "Fetch it again.")
    return make_public_key(raw)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def pack_string(data: bytes) -> bytes:
    """An SSH string (RFC 4251, section 5): its length as u32, then the bytes."""
    return struct.pack(">I", len(data)) + data


def unpack_string(data: bytes) -> tuple[bytes, bytes]:
    """The SSH string at the start and what follows; SignatureError where it is cut."""
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise SignatureError(f"a field needs {4 + length} bytes, has {len(data)}", "Fetch the signature or key again.")
    return data[4 : 4 + length], data[4 + length :]
