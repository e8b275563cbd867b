"""Patches that restore a file as it came from the file that is kept; docs/formats/patch.md describes their bytes.

A patch for Ogg says which comments to take out and how the pages that carried them were cut; everything else stands in the
member already, but for pictures that were taken out: these are found by their SHA-256. Any other pair of files gets a Zstandard
frame with the member as its prefix.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

from backports import zstd

from fonoteca.audio.ogg_layout import CommentLayout, read_layout, shift_pages
from fonoteca.audio.ogg_taken import FindPicture, PictureReference, TakenComment, refer_to
from fonoteca.audio.patch_recipe import PUT_BACK, read_recipe, restore_header, write_recipe
from fonoteca.ground.errors import AudioFormatError, PatchError

MAGIC = b"FPT\x01"
"""Begins every patch; the fourth byte is the version."""
OGG, ZSTANDARD = 1, 2
LARGEST_BYTES = 1 << 30
"""Larger originals are neither made nor restored by patches."""

_LONG_BYTES = 1000  # above this the general way is tried too
_HEADER_BYTES = len(MAGIC) + 1 + 32 + 4


class _Patch(NamedTuple):
    kind: int
    sha256: bytes
    size: int
    body: bytes


def make_patch(original: bytes, member: bytes) -> bytes:
    """Make the patch that turns `member` into `original`, and prove it. Raises PatchError where none can be made."""
    if max(len(original), len(member)) > LARGEST_BYTES:
        raise PatchError(f"patches are for files up to {LARGEST_BYTES} bytes; this one has {max(len(original), len(member))}")
    digest = sha256(original).digest()
    proved = _prove(original, member, _make_ogg_patch(digest, original, member))
    if proved is None or len(proved) > _LONG_BYTES:
        general = _build(ZSTANDARD, digest, len(original), _compress_with_prefix(original, member))
        found = [patch for patch in (proved, _prove(original, member, general)) if patch]
        proved = min(found, key=len, default=None)
    if proved is None:
        raise PatchError("no patch restores the original", "Keep the file as it came.")
    return proved


def _make_ogg_patch(digest: bytes, original: bytes, member: bytes) -> bytes | None:
    try:
        return build_ogg_patch(digest, len(original), read_layout(original), original, read_layout(member), member)
    except AudioFormatError:
        return None


def _prove(original: bytes, member: bytes, patch: bytes | None) -> bytes | None:
    return patch if patch and _restores(original, member, patch) else None


def _restores(original: bytes, member: bytes, patch: bytes) -> bool:
    try:
        return apply_patch(member, patch) == original
    except PatchError:
        return False


def build_ogg_patch(
    digest: bytes,
    size: int,
    old: CommentLayout,
    original: bytes,
    new: CommentLayout,
    member: bytes,
    taken: tuple[TakenComment, ...] = (),
    find_picture: FindPicture | None = None,
) -> bytes:
    """Build the patch between two headers, proved on these alone; `digest` and `size` are those of the whole original.

    `taken` are comments that were taken out of the old header with their pictures, which `find_picture` gives.
    """
    return _build(OGG, digest, size, write_recipe(old, original[: old.end], new, member[: new.end], taken, find_picture))


def _build(kind: int, digest: bytes, size: int, body: bytes) -> bytes:
    return MAGIC + bytes([kind]) + digest + size.to_bytes(4, "little") + body


def apply_patch(member: bytes, patch: bytes, find_picture: FindPicture | None = None) -> bytes:
    """Give the original; `find_picture` gives pictures that were taken out of it.

    Raises PatchError where the patch is broken or belongs to another member, and where a picture is not to be had.
    """
    read = _read_patch(patch)
    original = _restore_ogg(member, read, find_picture) if read.kind == OGG else _decompress_with_prefix(read, member)
    if len(original) != read.size or sha256(original).digest() != read.sha256:
        raise PatchError(
            f"the restored file has SHA-256 {sha256(original).hexdigest()} and {len(original)} bytes; "
            f"the original had {read.sha256.hex()} and {read.size}",
            "The member is not the one that the patch was made for, or is damaged: verify its container.",
        )
    return original


def _read_patch(patch: bytes) -> _Patch:
    if len(patch) < _HEADER_BYTES:
        raise PatchError(f"a patch has at least {_HEADER_BYTES} bytes, this one {len(patch)}")
    if not patch.startswith(MAGIC):
        raise PatchError(f"a patch begins with {MAGIC.hex()}, this one with {patch[:4].hex()}", "A newer version of Fonoteca may read it.")
    kind, size = patch[4], int.from_bytes(patch[37:41], "little")
    if kind not in (OGG, ZSTANDARD) or size > LARGEST_BYTES:
        raise PatchError(
            f"the patch is of kind {kind} for an original of {size} bytes; this version knows kinds 1 and 2 up to {LARGEST_BYTES}"
        )
    return _Patch(kind, patch[5:37], size, patch[41:])


def _restore_ogg(member: bytes, patch: _Patch, find_picture: FindPicture | None) -> bytes:
    header, used, step = restore_ogg_header(member, patch.body, patch.size, find_picture)
    return b"".join((header, shift_pages(memoryview(member)[used:], step)))


def restore_ogg_header(member: bytes, body: bytes, size: int, find_picture: FindPicture | None = None) -> tuple[bytes, int, int]:
    """Give the original's header, how many bytes of the member it stands for, and what to add to later page numbers.

    `member` may be cut behind the comments. Raises PatchError.
    """
    with _damage_told():
        layout = read_layout(member)
        recipe = read_recipe(body, member[: layout.end], size)
        return restore_header(recipe, layout, member[: layout.end], size, find_picture)


def pictures_of_patch(patch: bytes) -> tuple[PictureReference, ...]:
    """The pictures that the original has and its member has not, in order. Raises PatchError."""
    read = _read_patch(patch)
    if read.kind != OGG or read.body[:1] != bytes([PUT_BACK]):
        return ()
    with _damage_told():
        return tuple(refer_to(read_recipe(read.body, b"", read.size).taken))


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except AudioFormatError as error:
        raise PatchError(f"the patch does not fit its member: {error.message}") from error
    except zlib.error as error:
        raise PatchError(f"the patch is damaged: {error}") from error


def _compress_with_prefix(original: bytes, member: bytes) -> bytes:
    """Compress as `zstd -9 --patch-from` does, with a window that reaches over both files."""
    window = min(30, max(17, (len(original) + len(member)).bit_length()))
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: 9,
        zstd.CompressionParameter.window_log: window,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    return zstd.compress(original, options=options, zstd_dict=_prefix(member))


def _decompress_with_prefix(patch: _Patch, member: bytes) -> bytes:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 31}
    try:
        reader = zstd.ZstdDecompressor(zstd_dict=_prefix(member), options=options)
        original = reader.decompress(patch.body, max_length=patch.size + 1)
        while not reader.eof and len(original) <= patch.size and not reader.needs_input:
            more = reader.decompress(b"", max_length=patch.size + 1 - len(original))
            if not more:
                break
            original += more
    except zstd.ZstdError as error:
        raise PatchError(f"the patch is damaged or its member is another one: {error}") from error
    return original


def _prefix(member: bytes) -> Any:
    return zstd.ZstdDict(member, is_raw=True).as_prefix if len(member) >= 8 else None  # the library takes no shorter ones
