"""Counts made for tests: the shapes of the reference workload at any scale, and counts that say little."""

from __future__ import annotations

import msgspec

MINUTES = (5_222_971, 29_241_486, 69_899_290, 81_089_251, 34_950_147, 15_331_038, 8_806_545, 4_846_275, 2_329_997, 1_219_446)
DECADES = (243_591_243, 7_210_527, 3_158_648, 1_373_574, 490_602, 158_900, 43_926, 9931, 1592, 63)
LONG_NAME = "Universal Music Enterprises (A Division of Universal Music Operations Limited)"
HOSTILE = "</title><script>alert(1)</script>&\x00\u202e\ud800'\"<!--"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `statistics`."""

    report: str
    bucket: int
    name: str | None = None
    number: int = 0
    held: int = 0
    counted: int = 0
    plays: int = 0
    plays_by_rank: int = 0
    duration_ms: int = 0
    held_ms: int = 0
    bytes: int = 0


def workload_rows(scale: float) -> list[Row]:
    """The reference workload, scaled; names long, foreign and hostile among the labels."""
    rows = [
        Row(report="popularity", bucket=100, number=1, held=1, plays_by_rank=10**15, duration_ms=200_000, held_ms=200_000, bytes=4_000_000)
    ]
    for decade, number in enumerate(DECADES):
        for step in range(10):
            tracks = round(number * scale * (0.86 if (decade, step) == (0, 0) else 0.0155 if decade == 0 else 0.1))
            held = tracks if decade or step else tracks // 5
            rows.append(Row(report="popularity", bucket=10 * decade + step, number=tracks, held=held, plays_by_rank=10**13 * (decade + 1),
                            duration_ms=tracks * 200_000, held_ms=held * 200_000, bytes=held * 4_000_000))  # fmt: skip
    first, tracks = 1, sum(row.number for row in rows)
    while first <= tracks:
        number = min(max(1, first // 8), tracks - first + 1)
        held = number if first < tracks / 3 else number // 4
        rows.append(Row(report="rank", bucket=first, number=number, held=held, bytes=number * 3_000_000, duration_ms=number * 200_000,
                        plays_by_rank=round(1e15 * number * first**-1.211), held_ms=number * 150_000))  # fmt: skip
        first += number
    for second in range(600):
        peak = 1.8 if second in (120, 180, 240) else 1
        minute, after = divmod(max(0, second - 30), 60)
        around = MINUTES[minute] + (MINUTES[min(9, minute + 1)] - MINUTES[minute]) * after / 60
        rows.append(Row(report="duration", bucket=second, number=round(around / 60 * peak * scale)))
    rows += [
        Row(report="album_year", bucket=year, number=round(40 * 1.09 ** (year - 1900) * scale * 100) + 1) for year in range(1900, 2026)
    ]
    rows += [Row(report="album_year", bucket=1901, number=9000), Row(report="album_year", bucket=2040, number=1),
             Row(report="album_year", bucket=-1, number=7)]  # fmt: skip
    rows += [Row(report="album_size", bucket=size, number=round(1e7 * scale / size**2) + 1) for size in range(1, 90)]
    rows += [Row(report="songs_per_isrc", bucket=songs, number=round(1e8 * scale / songs**4) + 1) for songs in (*range(1, 30), 1317)]
    names = (LONG_NAME, "株式会社ワーナーミュージック・ジャパンの長い名前", HOSTILE, "x", "العربية", "Sony")
    rows += [Row(report="label", bucket=n, name=name, number=round(1e6 * scale / n) + 1, plays_by_rank=10**14 // n)
             for n, name in enumerate(names, 1)]  # fmt: skip
    rows += [Row(report="artist_genre", bucket=n, name=name, number=100 - n) for n, name in enumerate(names, 1)]
    rows += [Row(report="country", bucket=n, name=name, number=1000 - n) for n, name in enumerate(("US", "QZ", "GB"))]
    rows += [Row(report="file_kind", bucket=1, name="ogg-vorbis original", number=5, bytes=5 * 10**6)]
    rows += [Row(report="status", bucket=n, name=name, number=5) for n, name in enumerate(("wanted", "held"))]
    rows += [Row(report="explicit", bucket=n, number=5) for n in (-1, 0, 1)]
    rows += [Row(report="key", bucket=n, name=name, number=n + 1) for n, name in enumerate(("C", "C♯/D♭", "D"))]
    rows += [Row(report="tempo", bucket=tempo, number=200 - tempo) for tempo in range(60, 180)]
    return [row for row in rows if row.number]
