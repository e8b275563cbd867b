"""What each part of the evidence weighs, in bits; measured by benchmarks/bench_identity.py, described in docs/formats/identity.md."""

from __future__ import annotations

PRIOR = -10.0  # one pair in a thousand of those that share a key is the same before anything is looked at
JOIN_FROM = 5.0  # 32 to 1
SUGGEST_FROM = 0.0
AGAINST = -5.0  # a part as low as this says that they are two recordings, unless others outweigh it
SAID = 100.0
ESSENCE = 40.0

FINGERPRINT = ((0.13, 28.0), (0.18, 20.0), (0.23, 12.0), (0.28, 4.0), (0.32, 0.0), (0.35, -6.0), (1.0, -20.0))
"""Bits by the highest rate of differing bits: encoding again makes up to 0.03, with trimming up to 0.11; other music 0.36 and more."""
FINGERPRINT_CONTRADICTS_FROM = 0.35
FINGERPRINT_OUTWEIGHS_TO = 0.13

DURATION = (
    (20, 8.0), (100, 6.0), (500, 4.0), (1_500, 2.5), (3_000, 1.0), (7_000, -1.5), (15_000, -5.0), (30_000, -9.0), (2**63, -16.0),
)  # fmt: skip
"""Bits by the largest difference in milliseconds; whole seconds on both sides count as half a second apart at least."""
WHOLE_SECONDS_MS = 500
NEAR_MS, FAR_MS = 7_000, 15_000

RECORDING_MBID, OTHER_RECORDING_MBID = 20.0, -4.0
ISRC, OTHER_ISRC = 9.0, -1.5

TITLE_AT_MOST, TITLE_BASE, TITLE_PER_LETTER = 6.0, 2.5, 0.35  # "Intro" tells less than a long title
TITLE_ONLY_TRANSLITERATED, TITLE_SIMILAR, TITLE_OTHER = -1.5, 1.0, -8.0
SIMILAR_FROM = 0.85
OTHER_DETAILS = -8.0

ARTISTS_SAME, ARTISTS_OVERLAP, ARTISTS_ALIAS, ARTISTS_SIMILAR, ARTISTS_OTHER = 6.0, 5.0, 5.0, 3.0, -8.0
OTHER_PLACE_ON_ALBUM = -6.0
