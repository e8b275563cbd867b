"""minisign's signature files, prehashed kind: `minisign -V -p minisign.pub -m FILE` checks them."""

from __future__ import annotations

import base64
import binascii

from fonoteca.ground.errors import SignatureError
from fonoteca.integrity.keys import PublicKey, SigningKey

_PREHASHED = b"ED"
_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "
_HINT = "Fetch the .minisig again."


def sign_minisign(key: SigningKey, blake2b: bytes, trusted_comment: str) -> str:
    """The .minisig for a file by its BLAKE2b-512. The trusted comment, one line, is signed too."""
    if not trusted_comment.isprintable():
        raise SignatureError("a trusted comment is one line of plain text", "Leave line ends and control characters out.")
    signature = key.sign(blake2b)
    around = key.sign(signature + trusted_comment.encode())
    first = base64.b64encode(_PREHASHED + key.public.minisign_id + signature).decode()
    return f"{_UNTRUSTED}signature by {key.public.fingerprint}\n{first}\n{_TRUSTED}{trusted_comment}\n{base64.b64encode(around).decode()}\n"


def verify_minisign(public: PublicKey, blake2b: bytes, text: str) -> str:
    """The trusted comment of a .minisig by `public` over a file with this BLAKE2b-512; SignatureError otherwise."""
    lines = text.splitlines()
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise SignatureError("this is no minisign signature", _HINT)
    blob, around = _decode(lines[1], 74), _decode(lines[3], 64)
    if blob[:2] != _PREHASHED:
        raise SignatureError(f"a minisign signature of kind {blob[:2]!r}, not prehashed", "Sign it again with a present minisign.")
    if blob[2:10] != public.minisign_id:
        raise SignatureError(
            f"signed by key number {blob[9:1:-1].hex().upper()}, not {public.minisign_id[::-1].hex().upper()}",
            "Use the key of this publisher; if it was replaced, follow docs/signing.md.",
        )
    trusted = lines[2].removeprefix(_TRUSTED)
    public.check(blob[10:], blake2b, "the file")
    public.check(around, blob[10:] + trusted.encode(), "the trusted comment")
    return trusted


def _decode(line: str, length: int) -> bytes:
    try:
        blob = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the minisign signature is no base64", _HINT) from error
    if len(blob) != length:
        raise SignatureError(f"the minisign signature has {len(blob)} bytes, needs {length}", _HINT)
    return blob
