"""Our torrents against the makers and readers that other people use."""

from __future__ import annotations

import random
from pathlib import Path

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fonoteca.ground.errors import FonotecaError, SettingsError, TorrentFormatError
from fonoteca.ground.programs import has_program, run_program
from fonoteca.integrity.digests import MerkleHasher, PieceHasher
from fonoteca.torrents import (
    TorrentMeasure,
    TorrentOptions,
    choose_piece_length,
    magnet_link,
    make_hybrid_torrent,
    make_torrent,
    path_order,
    read_torrent,
)
from fonoteca.torrents.bencode import decode_dictionary
from fonoteca.torrents.metainfo import hash_info

PIECE = 32768
OPTIONS = TorrentOptions(
    trackers=("http://one.example/announce", "udp://two.example:6969"),
    web_seeds=("https://mirror.example/release",),
    private=True,
    comment="Fonoteca – música",
    source="an archive",
)


def write_folder(folder: Path, sizes: dict[str, int], seed: int = 1) -> list[tuple[str, int]]:
    """Random files; their (path, size) in torrent order."""
    generator = random.Random(seed)
    for path, size in sizes.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(generator.randbytes(size))
    return sorted(sizes.items(), key=lambda entry: path_order(entry[0]))


def hash_pieces(folder: Path, files: list[tuple[str, int]], piece_length: int) -> bytes:
    hasher = PieceHasher(piece_length)
    for path, _ in files:
        hasher.update((folder / path).read_bytes())
    return hasher.finish()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, int]]]:
    """A folder whose order differs by bytes, by case, by code point and by components."""
    sizes = {"b/2": 70_000, "c.c": 32_768, "b/10": 1, "B": 99_999, "é": 12_345, "a\ufb01": 500, "a\U0001f3b5": 1_000, "z/y/x": 40_000}
    root = tmp_path_factory.mktemp("made") / "aacid__folder"
    return root, write_folder(root, sizes)


@pytest.fixture(scope="module")
def torrent(folder: tuple[Path, list[tuple[str, int]]]) -> bytes:
    root, files = folder
    return make_torrent(root.name, files, PIECE, hash_pieces(root, files, PIECE))


def test_infohash_is_that_of_libtorrent(folder: tuple[Path, list[tuple[str, int]]], torrent: bytes) -> None:
    root, files = folder
    listed = [lt.create_file_entry(f"{root.name}/{path}", size) for path, size in files]
    creator = lt.create_torrent(listed, PIECE, lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(root.parent))
    theirs = lt.torrent_info(lt.bencode(creator.generate()))
    ours = lt.torrent_info(torrent)
    assert ours.info_hashes().v1 == theirs.info_hashes().v1
    assert str(ours.info_hashes().v1) == read_torrent(torrent).infohash


@pytest.mark.skipif(not has_program("mktorrent"), reason="mktorrent is not installed")
def test_infohash_is_that_of_mktorrent(folder: tuple[Path, list[tuple[str, int]]], torrent: bytes, tmp_path: Path) -> None:
    made = tmp_path / "made.torrent"
    run_program(["mktorrent", "-l", "15", "-o", made, folder[0]], timeout_s=30)
    assert read_torrent(made.read_bytes()).infohash == read_torrent(torrent).infohash


@pytest.mark.skipif(not has_program("transmission-create"), reason="transmission-create is not installed")
def test_infohash_is_that_of_transmission_but_for_its_private_0(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    files = write_folder(root, {"a": 70_000, "b": 1, "c": 65_536})
    made = tmp_path / "made.torrent"
    run_program(["transmission-create", "-s", "32", "-o", made, root], timeout_s=30)
    _, raw = decode_dictionary(made.read_bytes())
    ours = make_torrent("plain", files, PIECE, hash_pieces(root, files, PIECE))
    assert hash_info(raw[b"info"].replace(b"7:privatei0e", b"")) == read_torrent(ours).infohash


@pytest.mark.skipif(not has_program("transmission-show"), reason="transmission-show is not installed")
def test_transmission_reads_our_torrent(folder: tuple[Path, list[tuple[str, int]]], tmp_path: Path) -> None:
    root, files = folder
    data = make_torrent(root.name, files, PIECE, hash_pieces(root, files, PIECE), OPTIONS)
    (tmp_path / "made.torrent").write_bytes(data)
    shown = run_program(["transmission-show", tmp_path / "made.torrent"], timeout_s=30).decode()
    assert read_torrent(data).infohash in shown
    assert all(f"{root.name}/{path} " in shown for path, _ in files)
    assert "Privacy: Private torrent" in shown and "udp://two.example:6969" in shown and "https://mirror.example/release/" in shown


def test_what_is_written_is_read_back(folder: tuple[Path, list[tuple[str, int]]]) -> None:
    root, files = folder
    pieces = hash_pieces(root, files, PIECE)
    info = read_torrent(make_torrent(root.name, files, PIECE, pieces, OPTIONS))
    assert [(file.path, file.size) for file in info.files] == files
    assert (info.name, info.piece_length, info.pieces, info.is_single) == (root.name, PIECE, pieces, False)
    assert (info.trackers, info.private, info.comment, info.source) == (OPTIONS.trackers, True, OPTIONS.comment, OPTIONS.source)
    assert info.web_seeds == ("https://mirror.example/release/",)


def test_only_what_is_inside_info_changes_the_infohash(torrent: bytes, folder: tuple[Path, list[tuple[str, int]]]) -> None:
    root, files = folder
    pieces = read_torrent(torrent).pieces
    commented = make_torrent(root.name, files, PIECE, pieces, TorrentOptions(trackers=("http://x.example/",), comment="c"))
    sourced = make_torrent(root.name, files, PIECE, pieces, TorrentOptions(source="s"))
    assert read_torrent(commented).infohash == read_torrent(torrent).infohash != read_torrent(sourced).infohash


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 32_768, 32_769, 65_536, 500_000])
def test_hybrid_of_a_file_is_that_of_libtorrent(size: int, tmp_path: Path) -> None:
    content = random.Random(size).randbytes(size)
    (tmp_path / "meta.zst").write_bytes(content)
    pieces, tree = PieceHasher(PIECE), MerkleHasher()
    pieces.update(content)
    tree.update(content)
    ours = make_hybrid_torrent("meta.zst", size, PIECE, pieces.finish(), *tree.finish(PIECE))
    if not size:
        assert read_torrent(ours).data_bytes == 0
        return
    creator = lt.create_torrent([lt.create_file_entry("meta.zst", size)], PIECE, lt.create_torrent.canonical_files_no_tail_padding)
    lt.set_piece_hashes(creator, str(tmp_path))
    theirs = lt.torrent_info(lt.bencode(creator.generate())).info_hashes()
    read = lt.torrent_info(ours).info_hashes()
    assert (read.v1, read.v2) == (theirs.v1, theirs.v2)
    assert (read_torrent(ours).infohash, read_torrent(ours).infohash_v2) == (str(read.v1), str(read.v2))


NAMES = st.lists(st.integers(1, 120), max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    lengths=NAMES,
    size=st.sampled_from([0, 9, 10, 16_384, 999_999, 5_000_000]),
    options=st.sampled_from([OPTIONS, TorrentOptions()]),
    fixed=st.sampled_from([None, 16_384, 4 << 20]),
)
def test_measure_is_the_encoded_size(lengths: list[int], size: int, options: TorrentOptions, fixed: int | None) -> None:
    measure = TorrentMeasure("institution_data__range", options, fixed)
    files = sorted((f"{number:05d}" + "x" * length, size + length) for number, length in enumerate(lengths))
    if not files:
        assert measure.encoded_bytes() > 0
        return
    for path, file_size in files:
        measure.add(len(path), file_size)
    total = sum(size for _, size in files)
    piece_length = fixed or choose_piece_length(total)
    pieces = bytes(20 * -(-total // piece_length))
    assert measure.encoded_bytes() == len(make_torrent("institution_data__range", files, piece_length, pieces, options))


def member_names(count: int) -> list[tuple[str, int]]:
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    draw = random.Random(7)
    names = (
        f"aacid__fonoteca_files__20261122T{n // 3600:02d}{n // 60 % 60:02d}{n % 60:02d}Z__{n:022d}__{''.join(draw.choices(alphabet, k=22))}"
        for n in range(count)
    )
    return [(name, 3_490_000) for name in sorted(names)]


def test_sixty_thousand_members_stay_within_the_limit_and_load_in_libtorrent() -> None:
    files = member_names(60_000)
    measure = TorrentMeasure("fonoteca_data__" + "a" * 60)
    for name, size in files:
        measure.add(len(name), size)
    total = sum(size for _, size in files)
    piece_length = choose_piece_length(total)
    data = make_torrent("fonoteca_data__" + "a" * 60, files, piece_length, bytes(20 * -(-total // piece_length)))
    assert 7_000_000 <= len(data) == measure.encoded_bytes() <= 8_600_000
    assert lt.torrent_info(data).num_files() == 60_000 == read_torrent(data).file_count


def test_hybrid_of_a_folder_is_refused_with_its_size() -> None:
    with pytest.raises(TorrentFormatError, match=r"60000 files of x would take 2[0-9]{7} bytes"):
        make_hybrid_torrent("x", member_names(60_000), 8 << 20, b"", b"", b"")


def test_torrent_above_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(TorrentFormatError, match=r"takes 1000[0-9]{4} bytes"):
        make_torrent("x", 500_000 * 16_384, 16_384, bytes(20 * 500_000))


@pytest.mark.parametrize(
    ("total", "mebibytes"), [(99 * 10**9, 4), (100 * 10**9 + 1, 8), (210 * 10**9, 8), (501 * 10**9, 16), (2 * 10**12, 16), (3 * 10**12, 32)]
)
def test_pieces_grow_with_the_torrent(total: int, mebibytes: int) -> None:
    assert choose_piece_length(total) == mebibytes << 20


@given(st.integers(0, 10**14))
def test_pieces_are_powers_of_two_and_never_too_many(total: int) -> None:
    length = choose_piece_length(total)
    assert length >= 16_384 and length & (length - 1) == 0
    assert total // length <= 24_000 or total > 10**11
    assert choose_piece_length(total + 1) >= length


@pytest.mark.parametrize(
    "names", [["b", "a"], ["a", "a"], ["a", "a/b"], ["../a"], ["/a"], ["a//b"], ["x\0"], ["n" * 256], ["a/CON.txt"], []]
)
def test_lists_of_files_that_cannot_be_a_torrent_are_refused(names: list[str]) -> None:
    with pytest.raises(TorrentFormatError):
        make_torrent("x", [(name, 0) for name in names], PIECE, b"")


def test_pieces_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TorrentFormatError, match="need 40 bytes of hashes, has 20"):
        make_torrent("x", PIECE + 1, PIECE, bytes(20))
    with pytest.raises(SettingsError):
        make_torrent("x", 1, 20_000, bytes(20))
    with pytest.raises(FonotecaError, match="piece layer"):
        make_hybrid_torrent("x", PIECE + 1, PIECE, bytes(40), bytes(32), bytes(32))


def test_magnet_link_is_read_by_libtorrent(torrent: bytes) -> None:
    info = read_torrent(torrent)
    link = magnet_link(info.infohash, "a & b/é", ("udp://t.example:1/a?b=c&d",), ("https://w.example/x y",))
    parsed = lt.parse_magnet_uri(link)
    assert str(parsed.info_hashes.v1) == info.infohash
    assert (parsed.name, parsed.trackers) == ("a & b/é", ["udp://t.example:1/a?b=c&d"])
