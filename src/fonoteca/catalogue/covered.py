"""What counts as held, as covered by what is held, and as missing: one condition for stats, shuffle, missing and plans."""

from __future__ import annotations

from fonoteca.catalogue.schema import STATES

HELD, DUPLICATE, WITHDRAWN = STATES.index("held"), STATES.index("duplicate"), STATES.index("withdrawn")
IS_COVERED_ALONE = f"t.state IN ({HELD}, {DUPLICATE})"
"""SQL over `tracks t` where no recordings are joined: held, or a duplicate of what is."""
IS_COVERED = f"""({IS_COVERED_ALONE}
  OR EXISTS (SELECT 1 FROM same_recordings o JOIN tracks h ON h.track = o.track WHERE h.state = {HELD} AND o.leader =
    coalesce((SELECT s.leader FROM same_recordings s WHERE s.track = t.track), t.track))
  OR EXISTS (SELECT 1 FROM same_recordings s JOIN tracks h ON h.track = s.leader WHERE s.track = t.track AND h.state = {HELD}))"""
"""SQL over `tracks t`: held, a duplicate of what is, or the same recording as something held."""
IS_SHOWN = f"t.state <> {WITHDRAWN}"
"""SQL over `tracks t`: not withdrawn."""
IS_MISSING = f"({IS_SHOWN} AND NOT {IS_COVERED})"
"""SQL over `tracks t`: known, not covered and not withdrawn."""
