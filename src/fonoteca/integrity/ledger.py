"""The ledger: every file that came, every file that is held, where it lies, and when each byte was last read and found good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import apsw

from fonoteca.ground.database import close_database, open_database
from fonoteca.ground.findings import Finding
from fonoteca.integrity.ledger_proofs import ProofLedger
from fonoteca.integrity.ledger_releases import ReleaseLedger
from fonoteca.integrity.ledger_rows import (
    Container,
    Member,
    Pieces,
    PlannedContainer,
    PlannedMember,
    Source,
    column_names,
    columns_of,
    insert_row,
    read_struct,
    show_path,
)
from fonoteca.integrity.ledger_schema import APPLICATION_ID, MIGRATIONS


class Ledger(ReleaseLedger, ProofLedger):
    """ledger.sqlite3. One writer; put_* replace what was known of the same key; nothing is committed outside `transaction`."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Ledger:
        """The ledger at `path`, made if need be; migrated to the newest schema."""
        return cls(open_database(path, APPLICATION_ID, MIGRATIONS, read_only=read_only), path)

    def close(self) -> None:
        """Let go of the file."""
        close_database(self.connection)

    def transaction(self) -> AbstractContextManager[Any]:
        """All or nothing; nested ones are savepoints."""
        return self.connection

    def check(self) -> list[str]:
        """What PRAGMA integrity_check finds; empty when the database is whole."""
        try:
            return [row[0] for row in self.rows("PRAGMA integrity_check") if row[0] != "ok"]
        except apsw.Error as error:
            return [str(error)]

    # ---- files that came

    def put_source(self, source: Source) -> None:
        """Record one file that came."""
        insert_row(self.connection, "sources", columns_of(source))

    def put_top(self, path: bytes) -> None:
        """Record a folder that was added."""
        self.connection.execute("INSERT OR IGNORE INTO tops VALUES (?)", (path,))

    def tops(self) -> list[bytes]:
        """Every folder that was added, sorted."""
        return [row[0] for row in self.rows("SELECT path FROM tops ORDER BY path")]

    def source_at(self, path: bytes) -> Source | None:
        """What is known of the file at `path`."""
        return next(self._sources("WHERE path = ?", path), None)

    def source_of_track(self, track_id: str) -> Source | None:
        """The file that is kept for a track."""
        return next(self._sources("WHERE track_id = ? AND state = 'kept' ORDER BY path LIMIT 1", track_id), None)

    def kept_like(self, sha256: str, essence_sha256: str | None) -> Source | None:
        """A kept file with the same bytes, else with the same sound."""
        same_bytes = self._sources("WHERE sha256 = ? AND state = 'kept' LIMIT 1", sha256)
        return next(same_bytes, None) or next(self._sources("WHERE essence_sha256 = ? AND state = 'kept' LIMIT 1", essence_sha256), None)

    def kept_sources(self) -> Iterator[Source]:
        """Every kept file, sorted by track id."""
        return self._sources("WHERE state = 'kept' ORDER BY track_id, path")

    def sources_of_track(self, track_id: str) -> Iterator[Source]:
        """Every file that came for a track, duplicates too."""
        return self._sources("WHERE track_id = ? ORDER BY path", track_id)

    def _sources(self, where: str, *values: Any) -> Iterator[Source]:
        for row in self.rows(f"SELECT {column_names(Source)} FROM sources {where}", *values):
            yield read_struct(Source, row)

    def originals(self) -> Iterator[tuple[str, int, str, str | None]]:
        """Kept copies of what came: name below originals/, bytes, SHA-256, track."""
        statement = "SELECT DISTINCT original, size, sha256, track_id FROM sources WHERE original IS NOT NULL ORDER BY original"
        return ((row[0], row[1], row[2], row[3]) for row in self.rows(statement))

    def forget_originals(self, track_id: str) -> None:
        """The kept copies of a track are gone."""
        self.connection.execute("UPDATE sources SET original = NULL WHERE track_id = ?", (track_id,))

    def forget_track(self, track_id: str, *, with_names: bool) -> None:
        """What was withdrawn and deleted leaves nothing to restore it by; `with_names`: nor paths, tags and findings about it."""
        self.connection.execute("UPDATE members SET patch = NULL WHERE content = 'audio' AND id = ?", (track_id,))
        if with_names:
            paths = "SELECT path FROM sources WHERE track_id = ?1"
            self.connection.execute(f"DELETE FROM findings WHERE track = ?1 OR path IN ({paths})", (track_id,))
            self.connection.execute("DELETE FROM sources WHERE track_id = ?", (track_id,))

    def rewrite(self) -> None:
        """Write the file anew, so that nothing that was deleted is left between the rows. Takes its size in free room."""
        self.connection.execute("VACUUM")

    def is_picture_of_others(self, sha256: str, track_id: str) -> bool:
        """Whether a file of another track carries this picture."""
        statement = "SELECT 1 FROM sources WHERE track_id <> ?1 AND instr(pictures, ?2) LIMIT 1"
        return next(self.rows(statement, track_id, sha256), None) is not None

    def tracks_of_hash(self, sha256: str) -> list[str]:
        """Tracks with a file or a sound of this SHA-256 that came, sorted; the catalogue knows those of what is held."""
        statement = """SELECT track_id FROM sources WHERE sha256 = ?1 AND track_id IS NOT NULL UNION
            SELECT track_id FROM sources WHERE essence_sha256 = ?1 AND track_id IS NOT NULL ORDER BY 1"""
        return [row[0] for row in self.rows(statement, sha256)]

    def counts_of_sources(self) -> dict[str, int]:
        """Files that came, by state."""
        return {row[0]: row[1] for row in self.rows("SELECT state, count(*) FROM sources GROUP BY state ORDER BY state")}

    def count_not_decoded(self) -> int:
        """Kept files of which only the structure was checked."""
        return int(next(self.rows("SELECT count(*) FROM sources WHERE state = 'kept' AND decoded_at IS NULL"))[0])

    # ---- findings

    def put_finding(self, step: str, finding: Finding, path: bytes, second: int) -> None:
        """Record one finding of `step` about `path`."""
        values = {"step": step, "path": path, "code": finding.code, "fact": finding.fact, "track": finding.track,
                  "container": finding.container, "found_at": second}  # fmt: skip
        insert_row(self.connection, "findings", values)

    def drop_findings(self, step: str, path: bytes | None = None) -> None:
        """Forget what `step` found, of one path or of all."""
        if path is None:
            self.connection.execute("DELETE FROM findings WHERE step = ?", (step,))
        else:
            self.connection.execute("DELETE FROM findings WHERE step = ? AND path = ?", (step, path))

    def findings_of(self, step: str, path: bytes) -> Iterator[Finding]:
        """What `step` found about one path."""
        return self._findings("WHERE step = ? AND path = ?", step, path)

    def findings_about(self, track_id: str) -> Iterator[Finding]:
        """What every step found about one track."""
        return self._findings("WHERE track = ?", track_id)

    def findings(self, step: str | None = None) -> Iterator[Finding]:
        """What was found and still stands, sorted by path."""
        return self._findings("WHERE step = ?", step) if step else self._findings("")

    def _findings(self, where: str, *values: Any) -> Iterator[Finding]:
        statement = f"SELECT code, path, fact, track, container FROM findings {where} ORDER BY step, path, code"
        for code, path, fact, track, container in self.rows(statement, *values):
            yield Finding(code=code, path=show_path(path), fact=fact, track=track, container=container)

    def counts_of_findings(self) -> dict[str, int]:
        """What stands, by code; what two steps found about the same file counts once."""
        statement = """SELECT code, count(*) FROM findings f WHERE NOT EXISTS (SELECT 1 FROM findings e WHERE e.step IN ('add', 'build')
            AND e.step < f.step AND e.path = f.path AND e.code = f.code) GROUP BY code ORDER BY code"""
        return {row[0]: row[1] for row in self.rows(statement)}

    # ---- plans

    def running_build(self) -> tuple[int, int] | None:
        """Number and first second of the build that was started and not finished."""
        return next(((row[0], row[1]) for row in self.rows("SELECT build, started_second FROM builds WHERE state = 'running'")), None)

    def first_free_second(self) -> int:
        """A second later than that of every container there is or is planned.

        A build that made nothing takes no second: a killed one that is finished ends with such a second look.
        """
        statement = """SELECT max(coalesce((SELECT max(second) FROM containers), 0), coalesce((SELECT max(b.started_second + p.number)
            FROM builds b JOIN planned_containers p USING (build)), 0)) + 1"""
        return int(next(self.rows(statement))[0])

    def start_build(self, second: int, settings_sha256: str) -> int:
        """A new running build."""
        statement = "INSERT INTO builds (started_second, settings_sha256, state) VALUES (?, ?, 'running')"
        self.connection.execute(statement, (second, settings_sha256))
        return self.connection.last_insert_rowid()

    def finish_build(self, build: int) -> None:
        """Mark it done and forget its plan."""
        self.connection.execute("UPDATE builds SET state = 'done' WHERE build = ?", (build,))
        self.connection.execute("DELETE FROM planned_members WHERE build = ?", (build,))
        self.connection.execute("DELETE FROM planned_containers WHERE build = ?", (build,))
        self.connection.execute("DELETE FROM planned_obsolete WHERE build = ?", (build,))

    def put_planned_container(self, planned: PlannedContainer) -> None:
        """Record or update one container of a plan."""
        insert_row(self.connection, "planned_containers", columns_of(planned))

    def put_planned_members(self, build: int, number: int, members: Iterable[PlannedMember]) -> None:
        """Record the members of a planned container."""
        rows = ((build, number, member.id, member.action, member.replaces) for member in members)
        self.connection.executemany("INSERT OR REPLACE INTO planned_members VALUES (?, ?, ?, ?, ?)", rows)

    def planned_containers(self, build: int) -> list[PlannedContainer]:
        """The containers of a plan by number."""
        statement = f"SELECT {column_names(PlannedContainer)} FROM planned_containers WHERE build = ? ORDER BY number"
        return [read_struct(PlannedContainer, row) for row in self.rows(statement, build)]

    def planned_members(self, build: int, number: int) -> Iterator[PlannedMember]:
        """The members of a planned container, sorted by id."""
        statement = "SELECT id, action, replaces FROM planned_members WHERE build = ? AND number = ? ORDER BY id"
        return (PlannedMember(*row) for row in self.rows(statement, build, number))

    def put_planned_obsolete(self, build: int, name: str, reason: str) -> None:
        """Record that a build replaces a container."""
        insert_row(self.connection, "planned_obsolete", {"build": build, "name": name, "reason": reason})

    def planned_obsolete(self, build: int) -> list[tuple[str, str]]:
        """Names of the containers that a build replaces, with reasons."""
        return [(row[0], row[1]) for row in self.rows("SELECT name, reason FROM planned_obsolete WHERE build = ? ORDER BY name", build)]

    def count_not_issued_again(self, build: int, name: str) -> int:
        """Members of a container that a build was to issue again and did not."""
        statement = """SELECT count(*) FROM members m JOIN planned_members p ON p.build = ? AND p.replaces = m.aacid
            JOIN planned_containers c USING (build, number) WHERE m.container = ? AND NOT EXISTS
            (SELECT 1 FROM members n JOIN containers d ON d.name = n.container
             WHERE n.content = c.content AND n.id = m.id AND d.second > (SELECT second FROM containers WHERE name = m.container))"""
        return int(next(self.rows(statement, build, name))[0])

    def set_public(self, name: str, *, is_public: bool) -> None:
        """Whether releases may hold a container."""
        self.connection.execute("UPDATE containers SET is_public = ? WHERE name = ?", (is_public, name))

    # ---- what is held

    def put_container(self, container: Container, pieces: Pieces) -> None:
        """Record one finished container."""
        insert_row(self.connection, "containers", columns_of(container))
        insert_row(self.connection, "container_pieces", {"name": container.name} | columns_of(pieces))

    def pieces_of(self, name: str) -> Pieces:
        """The hashes of the pieces of one container that the ledger knows."""
        statement = f"SELECT {column_names(Pieces)} FROM container_pieces WHERE name = ?"
        return read_struct(Pieces, next(self.rows(statement, name)))

    def containers(self, *, state: str | None = None) -> Iterator[Container]:
        """Every container, oldest first."""
        where = "WHERE state = ?" if state else ""
        statement = f"SELECT {column_names(Container)} FROM containers {where} ORDER BY second"
        for row in self.rows(statement, *([state] if state else [])):
            yield read_struct(Container, row)

    def container(self, name: str) -> Container | None:
        """One container by name."""
        statement = f"SELECT {column_names(Container)} FROM containers WHERE name = ?"
        return next((read_struct(Container, row) for row in self.rows(statement, name)), None)

    def set_obsolete(self, name: str, reason: str) -> None:
        """What replaced it is there: the next release says so."""
        self.connection.execute("UPDATE containers SET state = 'obsolete', obsolete_reason = ? WHERE name = ?", (reason, name))

    def put_member(self, member: Member) -> None:
        """Record one member."""
        insert_row(self.connection, "members", columns_of(member))

    def members_of(self, container: str) -> Iterator[Member]:
        """The members of a container, sorted by AACID."""
        return self._members("WHERE container = ? ORDER BY aacid", container)

    def member(self, aacid: str) -> Member | None:
        """One member by AACID."""
        return next(self._members("WHERE aacid = ?", aacid), None)

    def current_member(self, id: str, content: str = "audio") -> Member | None:
        """The newest member for a track or picture in a container that is not obsolete."""
        where = """JOIN containers c ON c.name = members.container WHERE members.content = ? AND members.id = ? AND c.state = 'current'
            ORDER BY c.second DESC LIMIT 1"""
        return next(self._members(where, content, id), None)

    def track_of_encoding(self, essence_sha256: str | None) -> str | None:
        """The track of which a file with this sound was encoded here."""
        statement = "SELECT id FROM members WHERE essence_sha256 = ? AND action = 'encode' LIMIT 1"
        return next((row[0] for row in self.rows(statement, essence_sha256)), None)

    def _members(self, where: str, *values: Any) -> Iterator[Member]:
        columns = ", ".join(f"members.{name}" for name in Member.__struct_fields__)
        for row in self.rows(f"SELECT {columns} FROM members {where}", *values):
            yield read_struct(Member, row)

    def set_proved(self, aacids: Iterable[str], second: int) -> None:
        """Every byte of these members was read and found good at `second`."""
        self.connection.executemany("UPDATE members SET proved_at = ? WHERE aacid = ?", ((second, aacid) for aacid in aacids))

    def first_build_second(self) -> int | None:
        """When the first build began; None where nothing was built."""
        second: int | None = next(self.rows("SELECT min(started_second) FROM builds"))[0]
        return second

    def count_planned_members(self, build: int, number: int | None = None) -> int:
        """How many members a build has still to make, in all or in one container."""
        statement = """SELECT count(*) FROM planned_members JOIN planned_containers USING (build, number) WHERE build = ?1 AND NOT is_done
            AND (?2 IS NULL OR number = ?2)"""
        return int(next(self.rows(statement, build, number))[0])
