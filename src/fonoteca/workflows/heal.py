"""`heal`: what verify found is mended, most played and rarest first, up the ladder: another copy on this machine, a patch, the pieces that
cover it, the off-site copy. Good bytes are proved and on disk before they take the place of bad ones; every rung that was tried is told.

What is on the way can be killed at any moment: the findings stand until a mend is recorded, and the next run begins with them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from fonoteca.ground.errors import FonotecaError
from fonoteca.ground.progress import Progress
from fonoteca.ground.spooled_list import SpooledList
from fonoteca.workflows.heal_fetch import fetch_offsite, fetch_pieces_of
from fonoteca.workflows.heal_items import Attempt, DamagedFile, DamagedQueue, HealBook, HealedFile, Result
from fonoteca.workflows.heal_places import LyingAbout
from fonoteca.workflows.heal_placing import LIST_MODE, MEMBER_MODE, Workbench, ends_the_run, told_for_all

LOCAL, PATCH, PIECES, OFFSITE = "local", "patch", "pieces", "off-site"
RUNGS = (LOCAL, PATCH, PIECES, OFFSITE)


class HealOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`timeout_s`: how long nobody may answer for pieces before they are given up; `limit`: bytes a second of fetching."""

    dry_run: bool = False
    timeout_s: float = 60.0
    limit: int | None = None


class HealReport(msgspec.Struct, kw_only=True):
    """What was damaged and what became of it. `by_rung` counts mends; `listed` holds every file with everything that was tried."""

    what: str
    path: str
    is_done: bool = True
    damaged: int = 0
    mended: int = 0
    mended_bytes: int = 0
    good: int = 0
    lost: int = 0
    stuck: int = 0
    strangers: int = 0
    by_rung: Counter[str] = msgspec.field(default_factory=Counter)
    facts: list[str] = msgspec.field(default_factory=list)
    listed: SpooledList[HealedFile] = msgspec.field(default_factory=lambda: SpooledList(HealedFile))


def heal(book: HealBook, options: HealOptions, progress: Progress) -> HealReport:
    """Mend what can be mended; with `dry_run` say what would be tried, and change nothing."""
    report = HealReport(what=book.what, path=str(book.path), is_done=not options.dry_run)
    healer = Healer(book, options, report, progress)
    try:
        if options.dry_run:
            healer.plan()
        else:
            healer.run()
    except (FonotecaError, OSError) as error:
        if not ends_the_run(error) or (told := told_for_all(error, book.path)) is error:
            raise
        raise told from error
    finally:
        healer.close()
    return report


class Healer:
    """One run over one book."""

    def __init__(self, book: HealBook, options: HealOptions, report: HealReport, progress: Progress) -> None:
        self.book, self.options, self.report, self.progress = book, options, report, progress
        self.bench = Workbench(book.staging)
        self.queue, self.lying = DamagedQueue(), LyingAbout()
        self._number = 0

    def close(self) -> None:
        """Remove temporary files."""
        self.queue.close()
        self.lying.close()

    def _gather(self) -> None:
        for file in self.book.damaged():
            self.queue.add(file)
            self.lying.add(file.path)
        for path, _ in self.book.strangers():
            self.lying.add(path)
        if self.bench.bad.is_dir():
            for top, _, names in os.walk(self.bench.bad):
                for name in names:
                    self.lying.add(Path(top, name))
        self.report.damaged = len(self.queue) + len(self.report.listed)

    # ---- doing it

    def run(self) -> None:
        """Rung by rung; what a rung mends is recorded before the next file is looked at."""
        self.bench.open()
        self._gather()
        self.progress.start("healing", len(self.queue), "files")
        done = -1
        while done < self.report.damaged:  # a list that was mended may tell of more
            done = self.report.damaged
            for file in self.queue.take_new():
                if not self._is_good_already(file):
                    self._climb(file)
            self._gather()
        for torrent in self.queue.torrents():
            self._try_pieces(torrent)
        for file in self.queue:
            self._try_offsite(file)
        for file in self.queue:
            self._give_up(file)
        self._move_strangers()
        self.bench.close()
        self.progress.finish()

    def _is_good_already(self, file: DamagedFile) -> bool:
        """Somebody else may have put it right; or a kill hit just between the mend and its record."""
        if not self.book.is_good(file):
            return False
        for twin in self.book.twins(file):
            if not _is_same(file.path, twin) and (fact := self._link(file, twin)):
                self._leave(file, LOCAL, str(file.path), self.book.begin_mend(file, LOCAL, str(file.path)), fact)
                return True
        self.book.mended(file, file.path.stat().st_mtime_ns)
        self._done(file, "good")
        return True

    def _link(self, file: DamagedFile, twin: Path) -> str | None:
        """None where it is a link to the file now; else why not."""
        try:
            self.bench.link(file.path, twin, f"release/{file.name}", self.bench.target(self._next()))
        except (FonotecaError, OSError) as error:
            return _fact_of(error)
        return None

    def _climb(self, file: DamagedFile) -> None:
        """The rungs that need nobody else."""
        if not self._try_each(file, LOCAL, self._local(file)):
            self._try_each(file, PATCH, self._made(file))

    def _local(self, file: DamagedFile) -> Iterator[tuple[str, Callable[[Path], None]]]:
        for place in self._local_places(file):
            yield str(place), lambda target, place=place: self.bench.copy(place, target)  # type: ignore[misc]

    def _local_places(self, file: DamagedFile) -> Iterator[Path]:
        """Those that are files of the right size; each once."""
        seen: set[tuple[int, int]] = set()
        for place in (*self.book.places(file), *self.lying.places(file.size, file.sha256)):
            try:
                status = os.lstat(place)
            except OSError:
                continue
            if place.is_symlink() or not place.is_file() or (status.st_dev, status.st_ino) in seen or _is_same(place, file.path):
                continue
            seen.add((status.st_dev, status.st_ino))
            if file.size is None or status.st_size == file.size:
                yield place

    def _made(self, file: DamagedFile) -> Iterator[tuple[str, Callable[[Path], None]]]:
        for words, make in self.book.makers(file):
            yield words, lambda target, make=make: self.bench.write(target, make())  # type: ignore[misc]

    def _try_each(self, file: DamagedFile, rung: str, ways: Iterator[tuple[str, Callable[[Path], None]]]) -> bool:
        tried = False
        for place, produce in ways:
            tried = True
            number = self.book.begin_mend(file, rung, place)
            target = self.bench.target(self._next())
            fact = self._produce(file, target, produce)
            if fact is None:
                self._settle(file, target, rung, place, number)
                return True
            target.unlink(missing_ok=True)
            self.book.end_mend(number, "failed", f"{place}: {fact}")
            self.queue.note(file, Attempt(rung, place, "failed", fact))
        if not tried:
            self._note_nothing(file, rung, _NOTHING[rung])
        return False

    def _note_nothing(self, file: DamagedFile, rung: str, fact: str) -> None:
        self.book.end_mend(self.book.begin_mend(file, rung, ""), "failed", fact)
        self.queue.note(file, Attempt(rung, "", "failed", fact))

    def _produce(self, file: DamagedFile, target: Path, produce: Callable[[Path], None]) -> str | None:
        """None where the bytes at `target` are right now; else why not."""
        try:
            produce(target)
        except FonotecaError as error:
            return _fact_of(error)
        except OSError as error:
            return f"it cannot be read: {_fact_of(error)}"
        return None if self.book.is_good(file, target) else "these are not the bytes"

    def _settle(self, file: DamagedFile, target: Path, rung: str, place: str, number: int) -> None:
        """Good bytes at `target` go into place, are recorded, and only then the bad ones go.

        Where they cannot be put there, such as over a file that may not be changed, the others are mended all the same.
        """
        mode = LIST_MODE if file.is_list else MEMBER_MODE
        try:
            aside = self.bench.place(target, file.path, file.name, self.book.twins(file), mode=mode)
        except (FonotecaError, OSError) as error:
            self._leave(file, rung, place, number, _fact_of(error))
            return
        self.book.end_mend(number, "mended", place)
        status = file.path.stat()
        self.book.mended(file, status.st_mtime_ns)
        self.queue.note(file, Attempt(rung, place, "mended"))
        self.report.by_rung[rung] += 1
        self.report.mended_bytes += status.st_size
        self.lying.remove(file.path)
        self._done(file, "mended", status.st_size)
        if aside is not None:
            self._drop(aside)

    def _leave(self, file: DamagedFile, rung: str, place: str, number: int, fact: str) -> None:
        """It stays damaged: what was found of it stands, and the next run tries again."""
        fact = f"good bytes cannot be put in place: {fact}"
        self.book.end_mend(number, "failed", f"{place}: {fact}")
        self.queue.note(file, Attempt(rung, place, "failed", fact))
        self._done(file, "stuck")

    def _drop(self, aside: Path) -> None:
        """Unless its bytes may be what another file lacks."""
        if aside.is_file() and not aside.is_symlink():
            if self.queue.wants(aside.stat().st_size):
                self.lying.add(aside)
            else:
                aside.unlink()

    def _done(self, file: DamagedFile, result: Result, size: int = 0) -> None:
        might_have = tuple(self.book.might_have(file)) if result == "lost" else ()
        healed = HealedFile(
            name=file.name,
            result=result,
            what=self.book.describe(file),
            bytes=size,
            attempts=self.queue.attempts(file),
            might_have=might_have,
        )
        self.report.listed.append(healed)
        self.queue.remove(file)
        self.progress.advance()
        if result == "lost":
            self.report.lost += 1
        elif result == "stuck":
            self.report.stuck += 1
        elif result == "good":
            self.report.good += 1
        else:
            self.report.mended += 1

    def _next(self) -> int:
        self._number += 1
        return self._number

    # ---- others

    def _try_pieces(self, torrent: str) -> None:
        source = self.book.source_of(torrent)
        if source is None or not source.has_anybody:
            nobody = f"there is no torrent of {torrent} here" if source is None else "no peer, tracker or web seed is known that has it"
            for file in self.queue.of_torrent(torrent):
                self._note_nothing(file, PIECES, nobody)
            return
        numbers = {}
        for file in self.queue.of_torrent(torrent):
            numbers[file.key] = self.book.begin_mend(file, PIECES, source.words)
        for file, target, fact in fetch_pieces_of(self.queue.of_torrent(torrent), source, self.bench.new, self.options):
            if fact is None and target is not None and (not file.sha256 or self.book.is_good(file, target)):
                self._settle(file, target, PIECES, source.words, numbers[file.key])
                continue
            fact = fact or "the pieces that came do not make the file"
            self.book.end_mend(numbers[file.key], "failed", f"{source.words}: {fact}")
            self.queue.note(file, Attempt(PIECES, source.words, "failed", fact))

    def _try_offsite(self, file: DamagedFile) -> None:
        if file.torrent is None:
            self._note_nothing(file, PIECES, "it is in no torrent")
        place = self.book.offsite(file)
        ways = [(place, partial(fetch_offsite, place))] if place else []
        self._try_each(file, OFFSITE, iter(ways))

    def _give_up(self, file: DamagedFile) -> None:
        """Lost only where its bytes could have been written, had anybody had them."""
        self.bench.require_room(file.size or 0)
        facts = "; ".join(f"{attempt.rung}: {attempt.fact}" for attempt in self.queue.attempts(file))
        self.book.lost(file, facts)
        self._done(file, "lost")

    def _move_strangers(self) -> None:
        for path, name in list(self.book.strangers()):
            if os.path.lexists(path):
                try:
                    self.bench.move_stranger(path, name)
                except (FonotecaError, OSError) as error:
                    self.report.facts.append(f"{path} cannot be moved away: {_fact_of(error)}")
                    continue
                self.report.strangers += 1
            self.book.moved_stranger(path)
        self.report.facts += [f"a folder lay in the place of a file; it is now {place}" for place in self.bench.moved_folders]
        if self.report.strangers:
            self.report.facts.append(f"files that are on no list were moved to {self.bench.strangers}")

    # ---- planning it

    def plan(self) -> None:
        """What would be tried, rung by rung, as far as can be said without reading anything."""
        self._gather()
        for file in self.queue:
            for place in self._local_places(file):
                self.queue.note(file, Attempt(LOCAL, str(place), "planned"))
            for words, _ in self.book.makers(file):
                self.queue.note(file, Attempt(PATCH, words, "planned"))
            source = self.book.source_of(file.torrent) if file.torrent else None
            if source is not None and source.has_anybody:
                self.queue.note(file, Attempt(PIECES, source.words, "planned"))
            if remote := self.book.offsite(file):
                self.queue.note(file, Attempt(OFFSITE, remote, "planned"))
            attempts, what = self.queue.attempts(file), self.book.describe(file)
            might_have = tuple(self.book.might_have(file))
            self.report.listed.append(HealedFile(name=file.name, result="planned", what=what, attempts=attempts, might_have=might_have))
        self.report.strangers = sum(1 for _ in self.book.strangers())


_NOTHING = {
    LOCAL: "no other copy is on this machine",
    PATCH: "nothing that it could be made from is here",
    OFFSITE: "no off-site copy is named under [heal]",
}


def _fact_of(error: FonotecaError | OSError) -> str:
    """Why a single file failed. Raises the error where no other can succeed."""
    if ends_the_run(error):
        raise error
    return error.message if isinstance(error, FonotecaError) else f"{error.strerror or error}"


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
