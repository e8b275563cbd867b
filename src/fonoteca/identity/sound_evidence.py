"""Evidence from the sound and from numbers given to recordings: essence, fingerprint, duration, MBID, ISRC."""

from __future__ import annotations

from fonoteca.ground.recordings import Recording
from fonoteca.identity.fingerprints import ITEM_S, compare_fingerprints
from fonoteca.identity.weighing import Weighed
from fonoteca.identity.weights import (
    DURATION,
    ESSENCE,
    FAR_MS,
    FINGERPRINT,
    FINGERPRINT_CONTRADICTS_FROM,
    FINGERPRINT_OUTWEIGHS_TO,
    ISRC,
    NEAR_MS,
    OTHER_ISRC,
    OTHER_RECORDING_MBID,
    RECORDING_MBID,
    WHOLE_SECONDS_MS,
)


def judge_essences(a: Recording, b: Recording) -> Weighed | None:
    """The same sound packet for packet decides; other packets say nothing, for encoding again changes them all."""
    shared = sorted(set(a.essences) & set(b.essences))
    return Weighed("essence", ESSENCE, f"the same sound, packet for packet: {shared[0][:16]}…", decides=True) if shared else None


def judge_fingerprints(a: Recording, b: Recording) -> Weighed | None:
    """How alike they sound; None where one has no fingerprint that says anything."""
    match = compare_fingerprints(a.fingerprint, b.fingerprint) if a.fingerprint and b.fingerprint else None
    if match is None:
        return None
    rate, seconds = match.rate, match.overlap * min(len(a.fingerprint or b""), len(b.fingerprint or b"")) // 4 * ITEM_S
    score = next(bits for limit, bits in FINGERPRINT if rate <= limit)
    if score > 0:
        score *= min(1.0, 2 * match.overlap)
    shown = f"{match.bit_error_rate:.1%} of fingerprint bits differ over {seconds:.0f} s ({2 * rate:.0%} of what chance makes)"
    outweighs = rate <= FINGERPRINT_OUTWEIGHS_TO and match.overlap >= 0.5
    return Weighed("fingerprint", score, shown, contradicts=rate > FINGERPRINT_CONTRADICTS_FROM, outweighs=outweighs)


def judge_durations(a: Recording, b: Recording) -> Weighed | None:
    """How far the lengths are apart."""
    if a.duration_ms is None or b.duration_ms is None:
        return None
    difference = abs(a.duration_ms - b.duration_ms)
    counted = difference if a.duration_ms % 1000 or b.duration_ms % 1000 else max(difference, WHOLE_SECONDS_MS)
    shown = f"durations {difference / 1000:.1f} s apart ({_clock(a.duration_ms)}, {_clock(b.duration_ms)})"
    return Weighed("duration", next(bits for limit, bits in DURATION if counted <= limit), shown)


def _clock(duration_ms: int) -> str:
    return f"{duration_ms // 60_000}:{duration_ms // 1000 % 60:02}"


def is_far(a: Recording, b: Recording, limit_ms: int = FAR_MS) -> bool:
    """Whether both lengths are known and further apart than so."""
    return a.duration_ms is not None and b.duration_ms is not None and abs(a.duration_ms - b.duration_ms) > limit_ms


def judge_recording_mbids(a: Recording, b: Recording, durations: Weighed | None) -> Weighed | None:
    """MusicBrainz says so; two ids for one recording happen, but not with lengths far apart."""
    if not (a.recording_mbid and b.recording_mbid):
        return None
    if a.recording_mbid == b.recording_mbid:
        return Weighed("recording MBID", RECORDING_MBID, f"the same recording MBID {a.recording_mbid}")
    contradicts = durations is not None and is_far(a, b)
    return Weighed("recording MBID", OTHER_RECORDING_MBID, "other recording MBIDs" + (", durations far apart" if contradicts else ""),
                   contradicts=contradicts)  # fmt: skip


def judge_isrcs(a: Recording, b: Recording, titles: list[Weighed], durations: Weighed | None) -> Weighed | None:
    """A shared ISRC counts only with titles that agree and lengths that do not disagree: codes are used again for other songs."""
    if not (a.isrcs and b.isrcs):
        return None
    shared = sorted(set(a.isrcs) & set(b.isrcs))
    if not shared:
        return Weighed("ISRC", OTHER_ISRC, f"other ISRCs: {a.isrcs[0]}, {b.isrcs[0]}")
    if not titles or any(part.score < 0 for part in titles if part.part == "title"):
        return Weighed("ISRC", 0.0, f"the same ISRC {shared[0]}, which says nothing without a title that agrees")
    if durations is not None and is_far(a, b, NEAR_MS):
        return Weighed("ISRC", 0.0, f"the same ISRC {shared[0]}, which says nothing with durations apart")
    return Weighed("ISRC", ISRC, f"the same ISRC {shared[0]}")
