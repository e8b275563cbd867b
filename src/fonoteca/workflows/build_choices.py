"""What the archive should hold, track by track, against what it holds: which member is made, kept, or issued again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from fonoteca.catalogue import SelectionRow, choose_files, choose_tier, is_above_rate, second_score
from fonoteca.ground.things import OGG_FORMATS, Tier
from fonoteca.integrity import Source
from fonoteca.rights import Decision
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.rights_policy import decide_rights

RETAG_SLACK_BYTES = 8_192  # more than our tags and the pages they need
OWN_MARK = "fonoteca_source_sha256"  # the tag that every file encoded here carries
ENCODE_SLACK_BYTES = 65_536  # headers, carried tags and the rate's swing on short files

POLICY_REFUSALS = {"below-cut-off": "below the cut-off", "same-isrc": "another file with its ISRC is held"}
"""Why a tier leaves a track out, in words that stay in the catalogue as the reason of its status."""

Item = TypeVar("Item")


class Held(msgspec.Struct, frozen=True):
    """The member that a current container has for a track or picture."""

    id: str
    aacid: str
    container: str
    tier: str
    is_public: bool
    action: str
    size: int
    has_patch: bool


class MemberChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One member that should be, and what to do for it. `held` is None where there is none yet.

    `popularity` None: unknown. `refusal` says why nothing is kept ("below the cut-off", …); `action` is then "".
    """

    id: str
    content: str
    tier: str
    is_public: bool
    action: str
    predicted_bytes: int
    popularity: float | None = None
    score_low: float = 0.0
    held: Held | None = None
    refusal: str = ""
    is_withdrawn: bool = False
    duration_ms: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether what is held is what should be."""
        return self.held is not None and self.held.is_public == self.is_public and self.action == "link" and not self.refusal


def choose_tracks(archive: Archive) -> Iterator[MemberChoice]:
    """A choice for every track that has a source or a member, sorted by public id; tracks known by name alone have none."""
    sources = Merged(archive.ledger.kept_sources(), lambda source: source.track_id or "")
    held = Merged(iterate_held(archive, "audio"), lambda member: member.id)
    tiers = archive.settings.tier_list
    verdicts = Merged(choose_files(archive.catalogue, tiers), lambda pair: pair[0].id)
    fates = {stone.track_id: stone.fate for stone in archive.catalogue.tombstones()}
    for row in archive.catalogue.iter_selection():
        source, member = sources.take(row.id), held.take(row.id)
        if source is None and member is None:
            continue
        choice = _choose(row, decide_rights(archive, row.rights_uri), source, member, tiers, fates.get(row.id))
        if choice.held and choice.action == "copy" and not _is_there(archive, source):
            choice = msgspec.structs.replace(choice, action="link", is_public=False, predicted_bytes=choice.held.size)
        verdict = verdicts.take(row.id)
        if verdict is not None and not verdict[1].is_kept and not choice.refusal:
            choice = msgspec.structs.replace(choice, refusal=POLICY_REFUSALS[verdict[1].reason])
        yield choice


def _is_there(archive: Archive, source: Source | None) -> bool:
    """Whether the bytes that came seem to be there still (the build proves them): what is held is not given up for a file that is gone."""
    if source is None:
        return False
    for other in archive.ledger.sources_of_track(source.track_id or ""):
        if other.sha256 != source.sha256:
            continue
        if other.original and (archive.originals / other.original).is_file():
            return True
        try:
            found = os.stat(other.path)
        except OSError:
            continue
        if (found.st_size, found.st_mtime_ns) == (other.size, other.mtime_ns):
            return True
    return False


def _choose(
    row: SelectionRow, rights: Decision, source: Source | None, held: Held | None, tiers: tuple[Tier, ...], fate: str | None
) -> MemberChoice:
    tier = choose_tier(row.popularity, tiers)
    score = second_score(row.artist_popularity, row.album_popularity, row.followers)
    base = MemberChoice(
        id=row.id, content="audio", tier=held.tier if held else tier.name, is_public=rights.may_publish, action="", predicted_bytes=0,
        popularity=row.popularity, score_low=score.low, held=held, duration_ms=row.duration_ms or 0,
    )  # fmt: skip
    if fate is not None:
        return _choose_withdrawn(base, fate)
    if held:
        return _choose_held(base, rights, source)
    if source is None:
        return msgspec.structs.replace(base, refusal="no file")
    action = choose_action(source, tier, may_change=rights.may_change or not rights.may_publish)
    return msgspec.structs.replace(base, action=action, predicted_bytes=predict_bytes(source, action, tier))


def _choose_withdrawn(base: MemberChoice, fate: str) -> MemberChoice:
    if base.held is None or fate == "delete":
        return msgspec.structs.replace(base, is_public=False, refusal="withdrawn", is_withdrawn=True)
    return msgspec.structs.replace(base, is_public=False, is_withdrawn=True, action="link", predicted_bytes=base.held.size)


def _choose_held(base: MemberChoice, rights: Decision, source: Source | None) -> MemberChoice:
    """Nothing moves between tiers by itself; but what may not be changed is published only as it came."""
    assert base.held is not None
    link = msgspec.structs.replace(base, action="link", predicted_bytes=base.held.size)
    if not rights.may_publish or rights.may_change or base.held.action in ("copy", "restore"):
        return link
    if base.held.action == "retag" and base.held.has_patch:
        return msgspec.structs.replace(base, action="restore", predicted_bytes=base.held.size)
    if source is not None:
        return msgspec.structs.replace(base, action="copy", predicted_bytes=source.size)
    return msgspec.structs.replace(link, is_public=False)


def choose_action(source: Source, tier: Tier, *, may_change: bool) -> str:
    """retag, copy or encode: what this tier does with this file.

    A source at or below the tier's rate is kept, whatever its format, and so is what was encoded by this program before.
    """
    if not may_change:
        return "copy"
    if may_be_encoded(source, may_change=may_change) and is_above_rate(source.sound_bytes, source.duration_ms or 0, tier.opus_kbits):
        return "encode"
    return "retag" if source.can_be_retagged and source.format in OGG_FORMATS else "copy"


def may_be_encoded(source: Source, *, may_change: bool) -> bool:
    """Whether a tier with a low enough rate would encode this file: it may be changed, its rate is known, and it is not our own Opus."""
    return may_change and OWN_MARK not in source.tags and bool(source.duration_ms)


def predict_bytes(source: Source, action: str, tier: Tier) -> int:
    """An upper bound of the member's size."""
    if action == "encode" and tier.opus_kbits and source.samples and source.sample_rate:
        seconds = source.samples / source.sample_rate
        carried = sum(len(value.encode("utf-8", "replace")) for value in _values(source)) + source.picture_bytes * 4 // 3
        return round(seconds * tier.opus_kbits * 125 * 1.1) + ENCODE_SLACK_BYTES + carried
    return source.size + (RETAG_SLACK_BYTES if action == "retag" else 0)


def _values(source: Source) -> Iterator[str]:
    for values in source.tags.values():
        yield from values


def iterate_held(archive: Archive, content: str) -> Iterator[Held]:
    """The members of one kind of content in current containers, sorted by id."""
    statement = """SELECT m.id, m.aacid, m.container, c.tier, c.is_public, m.action, m.size, m.patch IS NOT NULL
        FROM members m JOIN containers c ON c.name = m.container WHERE m.content = ? AND c.state = 'current' ORDER BY m.id, c.second DESC"""
    last = ""
    for row in archive.ledger.rows(statement, content):
        if row[0] != last:
            last = row[0]
            yield Held(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6], bool(row[7]))


class Merged(Generic[Item]):
    """A sorted stream asked for one key after another, in rising order."""

    def __init__(self, items: Iterator[Item], key: Callable[[Item], str]) -> None:
        self._items, self._key = items, key
        self._next = next(items, None)

    def take(self, key: str) -> Item | None:
        """The first item of this key, None where there is none; items of lower keys are passed over."""
        while self._next is not None and self._key(self._next) < key:
            self._next = next(self._items, None)
        return self._next if self._next is not None and self._key(self._next) == key else None
