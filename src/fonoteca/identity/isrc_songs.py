"""How many different songs one ISRC names: it should be one."""

from __future__ import annotations

from collections.abc import Sequence

from fonoteca.ground.recordings import Recording
from fonoteca.identity.grouping import Components
from fonoteca.identity.name_evidence import judge_titles
from fonoteca.identity.sound_evidence import is_far

MOST_COMPARED = 200


def songs_of(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """The recordings of one ISRC by song, largest first: titles that agree and durations within 15 s hang together.

    What says neither hangs together with all. Beyond 200 recordings the rest is compared with the first of each song.
    """
    ordered = sorted(recordings, key=lambda one: (not one.title, one.id))
    components = Components(len(ordered))
    for place, one in enumerate(ordered):
        for other in range(min(place, MOST_COMPARED)):
            if components.find(other) != components.find(place) and are_one_song(ordered[other], one):
                components.join(other, place)
    songs: dict[int, list[Recording]] = {}
    for place, root in components.of_many():
        songs.setdefault(root, []).append(ordered[place])
    return sorted(songs.values(), key=lambda song: (-len(song), song[0].id))


def are_one_song(a: Recording, b: Recording) -> bool:
    """Whether nothing in titles and durations speaks against it."""
    return not is_far(a, b) and not any(part.score <= -2.0 for part in judge_titles(a, b))
