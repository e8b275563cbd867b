"""Scores that came from plays follow the two settings that made them; scores that were given as such stay."""

from __future__ import annotations

from typing import Any

from fonoteca.catalogue.popularity import COUNTED, popularity_of_plays
from fonoteca.catalogue.statements import Statements
from fonoteca.catalogue.working import Catalogue

_COUNTED = f"""plays IS NOT NULL AND EXISTS (SELECT 1 FROM main.provenance p
    WHERE p.track = tracks.track AND p.field = 'popularity' AND p.source = '{COUNTED}')"""


def refresh_scores(catalogue: Catalogue, plays_at_1: int, plays_at_100: int) -> None:
    """Compute scores again where the settings are not those last used; UsageError where they cannot be.

    A catalogue that is open to read is not changed: from now on its connection sees the new scores.
    """
    popularity_of_plays(0, plays_at_1, plays_at_100)
    sql = catalogue.statements
    if sql.row("SELECT plays_at_1, plays_at_100 FROM score_settings") == (plays_at_1, plays_at_100):
        return

    def score_of_plays(*values: Any) -> float:
        return popularity_of_plays(values[0], plays_at_1, plays_at_100)

    sql.connection.create_scalar_function("score_of_plays", score_of_plays, 1)
    if sql.connection.readonly("main"):
        _show_new_scores(sql)
        return
    with catalogue.transaction():
        sql.run(f"UPDATE tracks SET popularity = score_of_plays(plays) WHERE {_COUNTED}")
        sql.run("DELETE FROM score_settings")
        sql.run("INSERT INTO score_settings VALUES (?, ?)", (plays_at_1, plays_at_100))


def _show_new_scores(sql: Statements) -> None:
    """A temporary view goes before the table of its name."""
    columns = [row[0] for row in sql.rows("SELECT name FROM pragma_table_xinfo('tracks', 'main')")]
    listed = ", ".join(column for column in columns if column != "popularity")
    sql.run("DROP VIEW IF EXISTS temp.tracks")
    score = f"CASE WHEN {_COUNTED} THEN score_of_plays(plays) ELSE popularity END AS popularity"
    sql.run(f"CREATE TEMP VIEW tracks AS SELECT {listed}, {score} FROM main.tracks AS tracks")
