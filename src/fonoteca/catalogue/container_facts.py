"""What containers are worth: the share of all plays that their tracks have, and how many of their tracks a mirror's filters want."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from fonoteca.catalogue.catalogue_reading import CatalogueReader
from fonoteca.catalogue.filters import Condition, TrackFilter
from fonoteca.catalogue.rank_weights import block_of, block_start, block_weights
from fonoteca.ground.errors import UsageError


class ContainerFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which tracks a mirror wants; what is empty or None is not asked, and of several values of one kind any will do.

    Genres, labels and licences by name, licences by URI too; years and popularity include both ends.
    """

    genres: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    popularity_from: float | None = None
    popularity_to: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every track passes."""
        return self == ContainerFilter()

    @property
    def key(self) -> str:
        """The filter as text, the same for the same filter."""
        return msgspec.json.encode(self, order="sorted").decode()

    def condition(self) -> Condition:
        """SQL over `tracks t` of an edition, `1` where nothing is asked."""
        parts = [
            _any_of([TrackFilter(genre=one).condition(True) for one in self.genres]),
            _any_of([TrackFilter(label=one).condition(True) for one in self.labels]),
            _any_of([("t.rights IN (SELECT rights FROM rights WHERE ? IN (uri, name))", (one,)) for one in self.licences]),
            TrackFilter(year_from=self.year_from, year_to=self.year_to, popularity_from=self.popularity_from,
                        popularity_to=self.popularity_to).condition(True),
        ]  # fmt: skip
        return " AND ".join(f"({sql})" for sql, _ in parts), tuple(value for _, values in parts for value in values)


class ContainerShare(msgspec.Struct, frozen=True):
    """One container with tracks: how many, how many of them pass the filter, and the share of all plays of those that pass, 0 to 1."""

    tracks: int
    matching: int
    plays: float


def count_containers(edition: CatalogueReader, wanted: ContainerFilter) -> dict[str, ContainerShare]:
    """The containers of an edition that hold files of tracks, by name. One pass over the files; memory grows with containers alone.

    Rows of an edition are ranks, so plays follow the rank, as in its statistics, whether they were counted or not.
    """
    statements = edition.statements
    if not statements.is_edition:
        raise UsageError("containers are counted in an edition", "Give the catalogue.sqlite3 of a release.")
    last = statements.value("SELECT max(track) FROM tracks") or 0
    names = dict(statements.rows("SELECT container, name FROM containers"))
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    whole = 0
    for first, after, weight in _blocks(last):
        whole += weight * (after - first)
        for container, tracks, matching in _count_block(edition, first, after, wanted):
            found = sums[container]
            found[0] += tracks
            found[1] += matching
            found[2] += matching * weight
    return {names[container]: ContainerShare(tracks, matching, weight / whole) for container, (tracks, matching, weight) in sums.items()}


def _count_block(edition: CatalogueReader, first: int, after: int, wanted: ContainerFilter) -> Iterator[tuple[int, int, int]]:
    if wanted.is_empty:
        sql = "SELECT container, count(*), count(*) FROM files WHERE track >= ? AND track < ? GROUP BY container"
        yield from edition.statements.rows(sql, (first, after))
        return
    condition, values = wanted.condition()
    sql = f"""SELECT f.container, count(*), sum(coalesce({condition}, 0)) FROM files f CROSS JOIN tracks t ON t.track = f.track
        WHERE f.track >= ? AND f.track < ? GROUP BY f.container"""
    yield from edition.statements.rows(sql, (*values, first, after))


def _blocks(last: int) -> Iterator[tuple[int, int, int]]:
    """First rank, the rank after the last, and the weight of one, for every block of ranks of the same weight."""
    if last < 1:
        return
    weights = block_weights(last)
    for block in range(1, int(block_of(last)) + 1):
        yield block_start(block), min(block_start(block + 1), last + 1), int(weights[block])


def _any_of(conditions: list[Condition]) -> Condition:
    if not conditions:
        return "1", ()
    return " OR ".join(f"({sql})" for sql, _ in conditions), tuple(value for _, values in conditions for value in values)
