"""Two recordings judged: every part of the evidence scored in bits and shown; described in docs/formats/identity.md."""

from __future__ import annotations

from collections.abc import Mapping

from fonoteca.ground.recordings import EvidencePart, Judgement, Recording, Saying, Verdict
from fonoteca.identity.name_evidence import judge_artists, judge_place, judge_titles
from fonoteca.identity.sound_evidence import judge_durations, judge_essences, judge_fingerprints, judge_isrcs, judge_recording_mbids
from fonoteca.identity.weighing import Weighed
from fonoteca.identity.weights import AGAINST, JOIN_FROM, PRIOR, SAID, SUGGEST_FROM

Sayings = Mapping[tuple[str, str], Saying]
"""What people said, by the two public ids in order."""


def judge(first: Recording, second: Recording, sayings: Sayings = {}) -> Judgement:  # noqa: B006 never changed
    """How likely the two are one recording, and why. Symmetric, and the same in every archive that knows the same."""
    a, b = (first, second) if first.id <= second.id else (second, first)
    said = sayings.get((a.id, b.id))
    weighed = [*_weigh(a, b)]
    if said is not None:
        weighed.append(Weighed("said", SAID if said == "same" else -SAID, f"a person said: {said}", decides=True))
    score = round(PRIOR + sum(part.score for part in weighed), 2)
    parts = tuple(EvidencePart(part.part, round(part.score, 2), part.shown) for part in weighed)
    verdict, is_vetoed = _decide(score, weighed)
    return Judgement(score, verdict, is_vetoed, parts)


def _weigh(a: Recording, b: Recording) -> list[Weighed]:
    titles, durations, fingerprints = judge_titles(a, b), judge_durations(a, b), judge_fingerprints(a, b)
    found = [
        judge_essences(a, b), fingerprints, judge_recording_mbids(a, b, durations),
        judge_isrcs(a, b, titles, durations), durations, *titles, judge_artists(a, b), judge_place(a, b),
    ]  # fmt: skip
    return [part for part in found if part is not None]


def _decide(score: float, weighed: list[Weighed]) -> tuple[Verdict, bool]:
    """What decides goes first, a person before all else; then contradictions, which the sound itself outweighs; then the sum."""
    deciding = next((part for part in reversed(weighed) if part.decides), None)
    if deciding is not None:
        return ("same", False) if deciding.score > 0 else ("apart", True)
    is_same_sound = any(part.outweighs for part in weighed)
    if any(part.contradicts and (part.part == "fingerprint" or not is_same_sound) for part in weighed):
        return "apart", True
    if score >= JOIN_FROM:
        return "same", False
    return ("perhaps" if score >= SUGGEST_FROM else "apart"), False


def speaks_against(judgement: Judgement) -> bool:
    """Whether something says that they are two recordings, so that no chain of others may join them; little evidence alone does not."""
    return judgement.is_vetoed or (judgement.verdict == "apart" and any(part.score <= AGAINST for part in judgement.parts))
