"""What the catalogue counts: tracks by status and rights, held tracks without a public file, public containers that may not stay."""

from __future__ import annotations

from collections.abc import Iterator

from fonoteca.catalogue.records import RightsCount
from fonoteca.catalogue.schema import STATES
from fonoteca.catalogue.statements import Statements

NOT_PACKED = "no container has a file of it yet"
NOT_AS_IT_CAME = "may be published only as it came, and the file as it came is gone"
HELD_BACK = "its container is held back until it can be issued again"

_LEFT_OUT = f"""
SELECT CASE WHEN NOT p.may_publish THEN p.why WHEN NOT EXISTS (SELECT 1 FROM files f WHERE f.track = t.track) THEN ?1
    WHEN NOT p.may_change THEN ?2 ELSE ?3 END AS reason, count(*)
FROM tracks t JOIN may_be_published p USING (track)
WHERE t.state = {STATES.index("held")} AND (NOT p.may_publish
    OR NOT EXISTS (SELECT 1 FROM files f JOIN containers c USING (container) WHERE f.track = t.track AND c.is_public))
GROUP BY reason ORDER BY reason
"""

_NOT_PUBLISHABLE = """
SELECT c.name, CASE WHEN max(p.why = 'withdrawn') THEN 'a member was withdrawn' ELSE 'the rights of a member changed' END
FROM files f JOIN may_be_published p USING (track) JOIN containers c USING (container)
WHERE c.is_public AND (NOT p.may_publish OR (NOT p.may_change AND f.sha256 IS NOT f.source_sha256))
GROUP BY c.container ORDER BY c.name
"""


class CatalogueCounts:
    """The part of the catalogue that counts."""

    statements: Statements

    def counts_left_out(self) -> dict[str, int]:
        """Held tracks that have no public file, by the reason why."""
        return dict(self.statements.rows(_LEFT_OUT, (NOT_PACKED, NOT_AS_IT_CAME, HELD_BACK)))

    def containers_not_publishable(self) -> Iterator[tuple[str, str]]:
        """Public containers with a file that may not be in a release, and why, sorted by name.

        Covers and patches follow their tracks with every build, so audio alone can forbid a release.
        """
        return ((row[0], row[1]) for row in self.statements.rows(_NOT_PUBLISHABLE))

    def count_tracks(self) -> int:
        """How many tracks are known."""
        return int(self.statements.value("SELECT count(*) FROM tracks"))

    def counts_by_status(self) -> dict[str, int]:
        """Status → tracks, only statuses that occur, sorted."""
        counted = {STATES[state]: count for state, count in self.statements.rows("SELECT state, count(*) FROM tracks GROUP BY state")}
        return dict(sorted(counted.items()))

    def counts_by_rights(self) -> list[RightsCount]:
        """Tracks by rights URI, most first."""
        query = (
            "SELECT r.uri, r.name, coalesce(r.may_publish, 0), n FROM (SELECT rights, count(*) AS n FROM tracks GROUP BY rights) "
            "LEFT JOIN rights r USING (rights) ORDER BY n DESC, r.uri"
        )
        return [RightsCount(uri, name, bool(may_publish), count) for uri, name, may_publish, count in self.statements.rows(query)]
