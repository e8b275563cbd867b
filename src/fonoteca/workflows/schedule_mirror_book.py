"""A mirror as a book of what was read when: files of its torrents, and the lists of the releases that it holds."""

from __future__ import annotations

import heapq
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fonoteca.containers import parse_aacid
from fonoteca.ground.errors import ContainerFormatError, FonotecaError, SignatureError
from fonoteca.ground.findings import Finding
from fonoteca.ground.mirror_settings import ProvingSettings
from fonoteca.integrity import find_extra, read_public_key
from fonoteca.integrity.mirror_ledger_rows import MirrorFile, MirrorList, MirrorSource, MirrorTorrent
from fonoteca.integrity.schedule import AgeGroup, Good, PieceCheck, Provable
from fonoteca.torrents import TorrentInfo, read_torrent
from fonoteca.workflows.heal_fetch import piece_check
from fonoteca.workflows.mirror import Mirror, open_mirror
from fonoteca.workflows.schedule_books import check_database, persistently, strangers_of_release
from fonoteca.workflows.verify import VerifyReport
from fonoteca.workflows.verify_release import check_signatures

PAGE_ROWS = 500
_HELD = "UPDATE files SET state = 'held', proved_at = ?, mtime_ns = ? WHERE infohash = ? AND position = ? AND state <> 'absent'"
_STEP = "verify"
_OPEN_TORRENTS = 4
_GONE = ("dropping", "dropped")
_COLUMNS = "infohash, position, path, first_byte, size, sha256, state, proved_at, mtime_ns"


class TorrentShelf:
    """The torrents of a mirror, read when they are needed; the last few are kept."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._open: OrderedDict[str, tuple[MirrorTorrent, TorrentInfo | None, bytes]] = OrderedDict()

    def get(self, infohash: str) -> tuple[MirrorTorrent, TorrentInfo | None, bytes] | None:
        """Row, content read, content; the latter None and empty where the .torrent is not to be had."""
        if infohash not in self._open:
            row = self._mirror.ledger.torrent(infohash)
            if row is None:
                return None
            try:
                content = self._mirror.torrent_file(row).read_bytes()
                info: TorrentInfo | None = read_torrent(content)
                if info is not None and info.infohash != infohash:
                    info, content = None, b""
            except (OSError, FonotecaError):
                info, content = None, b""
            self._open[infohash] = (row, info, content)
            if len(self._open) > _OPEN_TORRENTS:
                self._open.popitem(last=False)
        self._open.move_to_end(infohash)
        return self._open[infohash]

    def check_of(self, file: MirrorFile) -> PieceCheck | None:
        """How to prove a file by the pieces of its torrent."""
        found = self.get(file.infohash)
        if found is None:
            return None
        row, info, _ = found
        if info is None:
            return None
        return piece_check(info, self._mirror.containers_of(row.source) / info.name, file.position)


def key_of_file(file: MirrorFile) -> str:
    """How books call a file of a torrent."""
    return f"f:{file.infohash}:{file.position}"


def key_of_list(one: MirrorList) -> str:
    """How books call a list."""
    return f"l:{one.source}:{one.path}"


class MirrorBook:
    """The book of a mirror; what it records survives kill -9 at once. A running mirror sees within seconds what was found."""

    what = "mirror"

    def __init__(self, mirror: Mirror) -> None:
        self.mirror, self.ledger, self.path = mirror, mirror.ledger, mirror.path
        self.ledger.connection.execute("PRAGMA synchronous = NORMAL")
        self.shelf = TorrentShelf(mirror)
        self._touched: set[tuple[str, str]] = set()
        self._bad_torrents: set[str] = set()
        self._had_findings = {finding.path for finding in self.ledger.findings(_STEP)}

    def refresh(self) -> None:
        """Forget strangers that somebody took away, and what was told of other places while the mirror lay elsewhere."""
        tops = [os.path.abspath(self.path), *(one.location for one in self.ledger.sources() if one.is_in_place)]
        with self.ledger.transaction():
            for finding in list(self.ledger.findings(_STEP)):
                is_gone = finding.code == "extra" and not os.path.lexists(finding.path)
                is_gone = is_gone or (finding.code == "bad-torrent" and self._is_torrent_whole(finding.path))
                if is_gone or not any(Path(os.path.abspath(finding.path)).is_relative_to(top) for top in tops):
                    self.ledger.drop_findings(_STEP, finding.path)

    # ---- what there is

    def groups(self) -> Sequence[AgeGroup]:
        """All that can be read, by age; damaged files are left out."""
        found = []
        for table in ("files", "lists"):
            at = "coalesce(proved_at, 0)"
            statement = f"SELECT min({at}), count(*), sum(size), max({at}) FROM {table} WHERE state = 'held' GROUP BY {at} / 86400"
            found += [AgeGroup(*row) for row in self.ledger.rows(statement)]
        return found

    def damaged(self) -> tuple[int, int]:
        """How many files are damaged, and how many of them could not be mended."""
        statement = "SELECT count(*), coalesce(sum(state = 'lost'), 0) FROM {} WHERE state IN ('damaged', 'lost')"
        files, lists = (next(self.ledger.rows(statement.format(table))) for table in ("files", "lists"))
        return files[0] + lists[0], files[1] + lists[1]

    def oldest(self, before: int) -> Iterator[Provable]:
        """What was found damaged, in case somebody put it right; then what was last read before `before`, oldest first."""
        broken = [*self.ledger.files_in("damaged", "lost")]
        yield from (item for file in broken if (item := self._file(file)) is not None)
        files = (item for file in self._held(before) if (item := self._file(file)) is not None)
        yield from heapq.merge(files, self._lists(before), key=lambda item: item.proved_at)

    def _held(self, before: int) -> Iterator[MirrorFile]:
        """In pages: the ledger is written meanwhile. Never proved ones come first."""
        where = "state = 'held' AND proved_at IS NULL AND (infohash, position) > (?, ?) ORDER BY infohash, position"
        last: tuple[object, ...] = ("", -1)
        while page := self._page(where, *last):
            yield from page
            last = (page[-1].infohash, page[-1].position)
        where = (
            """state = 'held' AND proved_at < ? AND (proved_at, infohash, position) > (?, ?, ?) ORDER BY proved_at, infohash, position"""
        )
        last = (-1, "", -1)
        while page := self._page(where, before, *last):
            yield from page
            last = (page[-1].proved_at, page[-1].infohash, page[-1].position)

    def _page(self, where: str, *values: object) -> list[MirrorFile]:
        rows = self.ledger.rows(f"SELECT {_COLUMNS} FROM files WHERE {where} LIMIT {PAGE_ROWS}", *values)
        return [MirrorFile(**dict(zip(MirrorFile.__struct_fields__, row, strict=True))) for row in rows]

    def _file(self, file: MirrorFile) -> Provable | None:
        found = self.shelf.get(file.infohash)
        if found is None or found[0].state in _GONE:
            return None
        row = found[0]
        check = self.shelf.check_of(file) if not file.sha256 and file.size else None
        if not file.sha256 and file.size and check is None:
            self._bad_torrents.add(file.infohash)
            return None  # without its .torrent nothing can be said of it, which `not_to_be_read` tells
        self._touched.add((row.source, row.container))
        return Provable(
            key=key_of_file(file), path=self.mirror.file_path(file, row), size=file.size, proved_at=file.proved_at or 0,
            sha256=file.sha256 or ("" if check else _EMPTY_SHA256), pieces=check, track=track_of(file.path), container=row.container,
        )  # fmt: skip

    def _lists(self, before: int) -> Iterator[Provable]:
        for one in sorted(self.ledger.lists(), key=lambda one: one.proved_at or 0):
            if one.state != "held" or (one.proved_at or 0) < before:
                path = self.mirror.release_of(one.source) / one.path
                yield Provable(key=key_of_list(one), path=path, size=None, proved_at=one.proved_at or 0, sha256=one.sha256)

    # ---- what came of it

    def good(self, proved: Sequence[Good]) -> None:
        """Record that these are good."""
        persistently(lambda: self._record_good(proved))

    def _record_good(self, proved: Sequence[Good]) -> None:
        with self.ledger.transaction():
            for one in proved:
                kind, first, second = one.key.split(":", 2)
                if kind == "f":
                    self.ledger.connection.execute(_HELD, (one.second, one.mtime_ns, first, int(second)))
                else:
                    self._set_list(first, second, "held", one.second, one.mtime_ns)
                if self._had_findings:
                    self._forget(one.key)

    def _set_list(self, source: str, path: str, state: str, second: int | None = None, mtime_ns: int | None = None) -> None:
        self.ledger.connection.execute(
            """UPDATE lists SET state = ?1, proved_at = coalesce(?2, proved_at), mtime_ns = coalesce(?3, mtime_ns)
            WHERE source = ?4 AND path = ?5""", (state, second, mtime_ns, source, path)
        )  # fmt: skip

    def _forget(self, key: str) -> None:
        path = str(self._path_of(key))
        if path in self._had_findings:
            self.ledger.drop_findings(_STEP, path)
            self._had_findings.discard(path)

    def _path_of(self, key: str) -> Path:
        kind, first, second = key.split(":", 2)
        if kind == "l":
            return self.mirror.release_of(first) / second
        file, row = self.ledger.file(first, int(second)), self.ledger.torrent(first)
        return self.mirror.file_path(file, row) if file and row else self.path

    def bad(self, item: Provable, finding: Finding, second: int) -> bool:
        """Record damage; False where the file is no longer to be here, or is just being fetched again."""
        kind, first, rest = item.key.split(":", 2)
        if kind == "f":
            file, row = self.ledger.file(first, int(rest)), self.ledger.torrent(first)
            if file is None or row is None or row.state in _GONE or file.state == "absent":
                return False
        elif not any(one.path == rest and one.sha256 == item.sha256 for one in self.ledger.lists(first)):
            return False  # a newer release has another list there

        def record() -> None:
            with self.ledger.transaction():
                if kind == "l":
                    self._set_list(first, rest, "damaged")
                elif file is not None and file.state != "lost":
                    self.ledger.set_condition(first, int(rest), "damaged")
                self.ledger.drop_findings(_STEP, finding.path)
                self.ledger.put_finding(_STEP, finding, second)

        persistently(record)
        self._had_findings.add(finding.path)
        return True

    def check_database(self, path: Path) -> list[str]:
        """What an integrity check of a database finds."""
        return check_database(path)

    def strangers(self) -> Iterator[Finding]:
        """What lies beside the files that were read in this run, and belongs to no torrent."""
        for source, container in sorted(self._touched):
            folder = self.mirror.containers_of(source) / container
            if folder.is_dir():
                rows = self.ledger.rows("SELECT path FROM files WHERE path >= ? AND path < ?", f"{container}/", f"{container}0")
                yield from find_extra(folder, {row[0].partition("/")[2] for row in rows})
        for one in self.ledger.sources():
            if not one.is_in_place and one.source in {source for source, _ in self._touched}:
                yield from self._strangers_of(one)

    def _is_torrent_whole(self, path: str) -> bool:
        try:
            return self.ledger.torrent(read_torrent(Path(path).read_bytes()).infohash) is not None
        except (OSError, FonotecaError):
            return False

    def not_to_be_read(self) -> Iterator[Finding]:
        """Torrents that are damaged, so that nobody can say whether their files are good."""
        for infohash in sorted(self._bad_torrents):
            row = self.ledger.torrent(infohash)
            if row is not None and row.state not in _GONE:
                fact = f"it is missing or damaged, so {row.container} is not proved"
                yield Finding("bad-torrent", str(self.mirror.torrent_file(row)), fact)

    def _strangers_of(self, source: MirrorSource) -> Iterator[Finding]:
        folder = self.mirror.containers_of(source)
        names = {row.container for row in self.ledger.torrents(source=source.source)}
        for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
            if name not in names and not (name.startswith(".") and name.endswith(".parts")):
                yield Finding("extra", str(folder / name), "it belongs to no torrent of this source")
        if source.kind != "release":
            return
        known = {one.path for one in self.ledger.lists(source.source)}
        yield from strangers_of_release(
            self.mirror.release_of(source), lambda name: name in known or ("/" not in name and name.endswith((".minisig", ".sig")))
        )

    def put_stranger(self, finding: Finding, second: int) -> None:
        """Record one of them."""
        persistently(lambda: self.ledger.put_finding(_STEP, finding, second))

    def check_small(self, second: int) -> list[Finding]:
        """What is wrong with the signatures of the releases that are held; recorded."""
        found = []
        for source in self.ledger.sources():
            if source.kind != "release" or not self.mirror.release_of(source).is_dir():
                continue
            report = VerifyReport(what="release", path=str(self.mirror.release_of(source)))
            try:
                trusted = read_public_key(source.key) if source.key else None
            except SignatureError:
                trusted = None
            check_signatures(self.mirror.release_of(source), report, trusted, source.serial or None)
            found += list(report.listed)
            persistently(lambda report=report: self._note(report, second))  # type: ignore[misc]
        return found

    def _note(self, report: VerifyReport, second: int) -> None:
        with self.ledger.transaction():
            self.ledger.drop_findings(_STEP, report.path)
            for finding in report.listed:
                self.ledger.put_finding(_STEP, finding, second)


_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def track_of(path: str) -> str | None:
    """The public id in the name of a member."""
    try:
        return parse_aacid(path.rpartition("/")[2]).id or None
    except ContainerFormatError:
        return None


@contextmanager
def open_mirror_book(path: Path) -> Iterator[tuple[MirrorBook, str, ProvingSettings, Path, list[Finding]]]:
    """The book of the mirror at `path` with its name, settings, key and what is wrong with its signatures."""
    with open_mirror(path) as mirror, mirror.hold("verify"):
        book = MirrorBook(mirror)
        yield book, mirror.settings.name, mirror.settings.proving, mirror.key_file, book.check_small(mirror.now())
