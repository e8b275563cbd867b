"""How long the pieces of a torrent are, and how large a .torrent may be."""

from __future__ import annotations

from fonoteca.ground.errors import SettingsError

TORRENT_LIMIT_BYTES = 10_000_000
"""libtorrent's default limit; what is larger is refused by other people's clients (measured with 2.1.1, November 2026)."""

SHORTEST_PIECE = 16 * 1024
LONGEST_PIECE = 64 * 1024 * 1024

_MIB = 1024 * 1024
_FEW_PIECES = 1024
_MANY_PIECES = 1 << 17


def choose_piece_length(total_bytes: int) -> int:
    """Bytes a piece, a power of two: at most 1,024 pieces up to 4 GiB, then 4 MiB to 100 GB, 8 MiB to 500 GB, 16 MiB to 2 TB,
    and above that as few as keep a torrent within 131,072 pieces."""
    if total_bytes > 2_000_000_000_000:
        length = 32 * _MIB
        while length < LONGEST_PIECE and total_bytes > length * _MANY_PIECES:
            length *= 2
        return length
    if total_bytes > 500_000_000_000:
        return 16 * _MIB
    if total_bytes > 100_000_000_000:
        return 8 * _MIB
    length = SHORTEST_PIECE
    while length < 4 * _MIB and total_bytes > length * _FEW_PIECES:
        length *= 2
    return length


def check_piece_length(piece_length: int) -> int:
    """`piece_length` itself, or SettingsError where clients would refuse it."""
    if not SHORTEST_PIECE <= piece_length <= LONGEST_PIECE or piece_length & (piece_length - 1):
        raise SettingsError(
            f"pieces of {piece_length} bytes cannot be", f"Take a power of two from {SHORTEST_PIECE} to {LONGEST_PIECE}, or leave it out."
        )
    return piece_length


def count_pieces(total_bytes: int, piece_length: int) -> int:
    """Pieces of a stream, the short last one included."""
    return -(-total_bytes // piece_length)
