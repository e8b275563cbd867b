"""The integrity room: digests in one pass, checksum lists, signatures, proof of every byte, and the ledger of what was read when."""

from fonoteca.integrity.checksums import Checksum, checksum_line, read_checksums, write_checksums
from fonoteca.integrity.digests import Digest, FileDigest, MerkleHasher, PieceHasher
from fonoteca.integrity.keys import PublicKey, SigningKey, create_key, load_key, read_public_key
from fonoteca.integrity.ledger import Ledger
from fonoteca.integrity.ledger_rows import (
    Container,
    Member,
    Pieces,
    PlannedContainer,
    PlannedMember,
    PublishedTorrent,
    Release,
    Source,
    show_path,
)
from fonoteca.integrity.path_set import PathSet
from fonoteca.integrity.proving import Expected, Proved, find_extra, prove_files
from fonoteca.integrity.signing import (
    RELEASE_NAMESPACE,
    ROTATION_NAMESPACE,
    Signatures,
    SignedDigest,
    check_serial,
    follow_rotations,
    sign_digest,
    sign_file,
    verify_file,
    write_rotation,
)

__all__ = [
    "PathSet",
    "show_path",
    "Source",
    "Release",
    "PublishedTorrent",
    "PlannedMember",
    "PlannedContainer",
    "Pieces",
    "Member",
    "Ledger",
    "Container",
    "RELEASE_NAMESPACE",
    "ROTATION_NAMESPACE",
    "Checksum",
    "Digest",
    "Expected",
    "FileDigest",
    "MerkleHasher",
    "PieceHasher",
    "Proved",
    "PublicKey",
    "Signatures",
    "SignedDigest",
    "SigningKey",
    "check_serial",
    "checksum_line",
    "create_key",
    "find_extra",
    "follow_rotations",
    "load_key",
    "prove_files",
    "read_checksums",
    "read_public_key",
    "sign_digest",
    "sign_file",
    "verify_file",
    "write_checksums",
    "write_rotation",
]
