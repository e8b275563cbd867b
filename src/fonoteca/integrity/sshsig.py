"""OpenSSH's signature files (PROTOCOL.sshsig): `ssh-keygen -Y verify -f allowed_signers -I PRINCIPAL -n NAMESPACE -s FILE.sig < FILE`."""

from __future__ import annotations

import base64
import binascii
import textwrap

from fonoteca.ground.errors import SignatureError
from fonoteca.integrity.keys import PublicKey, SigningKey, pack_string, unpack_string

_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_HASH = b"sha512"
_KIND = b"ssh-ed25519"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HINT = "Fetch the .sig again."


def sign_ssh(key: SigningKey, sha512: bytes, namespace: str) -> str:
    """The .sig for a file by its SHA-512."""
    signature = pack_string(_KIND) + pack_string(key.sign(_signed(namespace.encode(), sha512)))
    blob = _MAGIC + _VERSION + pack_string(key.public.ssh_blob) + pack_string(namespace.encode()) + pack_string(b"")
    armoured = base64.b64encode(blob + pack_string(_HASH) + pack_string(signature)).decode()
    return "\n".join([_BEGIN, *textwrap.wrap(armoured, 70), _END, ""])


def verify_ssh(public: PublicKey, sha512: bytes, namespace: str, text: str) -> None:
    """SignatureError unless `text` is a .sig by `public`, in this namespace, over a file with this SHA-512."""
    blob, found_namespace, hash_name, signature = _read(text)
    if blob != public.ssh_blob:
        raise SignatureError(
            f"signed by another key than {public.fingerprint}",
            "Use the key of this publisher; if it was replaced, follow docs/signing.md.",
        )
    if found_namespace != namespace.encode():
        raise SignatureError(f"the signature is for {found_namespace!r:.60}, not for {namespace!r}", "It was made for something else.")
    if hash_name != _HASH:
        raise SignatureError(f"the signature uses the hash {hash_name!r:.40}", f"Only {_HASH.decode()} is read here; use ssh-keygen.")
    kind, rest = unpack_string(signature)
    raw, rest = unpack_string(rest)
    if kind != _KIND or rest:
        raise SignatureError("the SSH signature is of another kind", _HINT)
    public.check(raw, _signed(found_namespace, sha512), "the file")


def _signed(namespace: bytes, sha512: bytes) -> bytes:
    return _MAGIC + pack_string(namespace) + pack_string(b"") + pack_string(_HASH) + pack_string(sha512)


def _read(text: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Key, namespace, hash name and signature."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise SignatureError("this is no SSH signature", _HINT)
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the SSH signature is no base64", _HINT) from error
    if blob[:10] != _MAGIC + _VERSION:
        raise SignatureError("the SSH signature is of an unknown version", _HINT)
    key, rest = unpack_string(blob[10:])
    namespace, rest = unpack_string(rest)
    _reserved, rest = unpack_string(rest)
    hash_name, rest = unpack_string(rest)
    signature, rest = unpack_string(rest)
    if rest:
        raise SignatureError(f"{len(rest)} bytes follow the SSH signature", _HINT)
    return key, namespace, hash_name, signature
