"""Tracks of known recordings, made with the differences that sources have: the truth that identity is measured against."""

from __future__ import annotations

import random
from collections.abc import Iterator

from fonoteca.catalogue import TrackRecord
from fonoteca.catalogue.identifiers import wanted_track_id_of

_SYLLABLES = "ba be da de fa go hi ka ko la le lo ma mi mo na ne no pa ra re ri ro sa se ta te to va ve zo".split()  # noqa: SIM905
_CYRILLIC = str.maketrans({"a": "а", "b": "б", "d": "д", "e": "е", "g": "г", "i": "и", "k": "к", "l": "л", "m": "м", "n": "н", "o": "о",
                           "p": "п", "r": "р", "s": "с", "t": "т", "v": "в", "z": "з"})  # fmt: skip
OTHER_VERSIONS = (
    "{} (Live)",
    "{} - Live at {place}",
    "{} ({place} Remix)",
    "{} (Acoustic)",
    "{} [Karaoke Version]",
    "{} - Demo",
    "{}",
    "{}",
)
"""What else there is of a song; the last two are recorded again under the plain title, which only the duration tells."""


def labelled_recordings(songs: int, seed: int = 1) -> Iterator[tuple[TrackRecord, int]]:
    """Every track with the number of its recording; about 3.5 tracks and 1.7 recordings a song, the same for the same seed."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(3_000)]
    number = 0
    for song in range(songs):
        title = " ".join(chance.choices(words, k=chance.choices([1, 2, 3, 4], [3, 4, 3, 1])[0])).title()
        artists = [
            f"{words[int(len(words) * chance.random() ** 3)]} {chance.choice(words)}".title() for _ in range(chance.choice([1, 1, 1, 2]))
        ]
        duration = chance.randint(120_000, 360_000)
        versions = [
            title,
            *(v.format(title, place=chance.choice(words).title()) for v in chance.sample(OTHER_VERSIONS, chance.choice([0, 0, 1, 2]))),
        ]
        if chance.random() < 0.1:
            versions.append(f"cover {title}")
        for place, version in enumerate(versions):
            number += 1
            yield from _releases(
                chance, song, number, version, artists, duration if place == 0 else _other_duration(chance, duration), words
            )


def _other_duration(chance: random.Random, duration: int) -> int:
    """Another performance is seldom as long."""
    return max(30_000, duration + round(chance.gauss(0, 25_000)))


def _releases(
    chance: random.Random, song: int, number: int, title: str, artists: list[str], duration: int, words: list[str]
) -> Iterator[tuple[TrackRecord, int]]:
    if title.startswith("cover "):
        title, artists = title.removeprefix("cover "), [f"{chance.choice(words)} {chance.choice(words)}".title()]
    isrc = f"QZ{chance.randrange(36**2):03d}"[:5].ljust(5, "0") + f"{chance.randrange(10**7):07d}"
    mbid = f"{number:08x}-0000-4000-8000-000000000000"
    for release in range(chance.choices([1, 2, 3, 5], [5, 3, 2, 1])[0]):
        given_title, given_artists = _written(chance, title, artists)
        isrcs = _isrcs(chance, isrc)
        yield TrackRecord(
            id=wanted_track_id_of(None, [], [str(song), str(number), str(release)]), title=given_title, artists=given_artists, isrcs=isrcs,
            duration_ms=None if chance.random() < 0.03 else duration + _jitter(chance),
            recording_mbid=mbid if chance.random() < 0.2 else None, popularity=float(chance.randrange(100)),
        ), number  # fmt: skip


def _isrcs(chance: random.Random, isrc: str) -> tuple[str, ...]:
    luck = chance.random()
    if luck < 0.30:
        return ()
    if luck < 0.32:
        return (f"USRC1{chance.randrange(40):07d}",)  # used again and again
    if luck < 0.42:
        return (f"GBAAA{chance.randrange(10**7):07d}",)  # the same recording under a second code
    return (isrc,)


def _jitter(chance: random.Random) -> int:
    return round(chance.choices([0, chance.gauss(0, 60), chance.gauss(0, 700), chance.gauss(0, 2_500)], [4, 3, 2, 1])[0])


def _written(chance: random.Random, title: str, artists: list[str]) -> tuple[str, tuple[str, ...]]:
    """As one source writes it."""
    names = list(artists)
    luck = chance.random()
    if luck < 0.15:
        title = f"{title} - Remastered {chance.randint(1995, 2024)}"
    elif luck < 0.2:
        title = f"{title} (Album Version)"
    elif luck < 0.3 and len(names) > 1:
        title = f"{title} (feat. {names.pop()})"
    elif luck < 0.35:
        title = title.upper()
    elif luck < 0.4:
        title = title.replace("a", "á", 1)
    elif luck < 0.43:
        title, names = title.lower().translate(_CYRILLIC), [name.lower().translate(_CYRILLIC) for name in names]
    elif luck < 0.46 and len(title) > 6:
        title = title[:3] + title[4:]
    chance.shuffle(names)
    if chance.random() < 0.1 and len(names) > 1:
        names = [" & ".join(names)]
    return title, tuple(names)
