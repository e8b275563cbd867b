"""`plan` and the first half of `build`: which containers will be made, of which members, in which order.

The choices go through a temporary table, so that SQLite sorts them on disk: memory does not grow with the archive.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec

from fonoteca.audio import pictures_of_patch
from fonoteca.catalogue import picture_id_of
from fonoteca.containers import SplitLimits, cut_containers, make_aacid
from fonoteca.integrity import PlannedContainer, PlannedMember
from fonoteca.torrents import TorrentMeasure, choose_piece_length
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_choices import MemberChoice, choose_tracks, iterate_held
from fonoteca.workflows.torrent_settings import torrent_options

PATCH_BYTES = 1_000  # more than the record of a patch, on average

_TABLES = """
CREATE TEMP TABLE IF NOT EXISTS choices (
    content TEXT NOT NULL, id TEXT NOT NULL, tier TEXT NOT NULL, is_public INTEGER NOT NULL, action TEXT NOT NULL,
    predicted_bytes INTEGER NOT NULL, popularity REAL, score_low REAL NOT NULL, duration_ms INTEGER NOT NULL,
    held_aacid TEXT, held_container TEXT, is_settled INTEGER NOT NULL, has_patch INTEGER NOT NULL, refusal TEXT NOT NULL,
    is_withdrawn INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (content, id)) WITHOUT ROWID;
DELETE FROM choices;
"""

_MOVED = """SELECT m.container, c.content, k.is_withdrawn FROM members m
    JOIN containers c ON c.name = m.container AND c.state = 'current'
    LEFT JOIN choices k ON k.content = c.content AND k.id = m.id
    WHERE k.held_aacid IS NOT m.aacid OR NOT k.is_settled OR k.refusal <> ''"""
"""Members that may not stay where they are, also those that a newer container holds already since a plan was given up."""

_REPLACED = f"SELECT container FROM ({_MOVED})"
_TO_MAKE = f"""refusal = '' AND (held_container IS NULL OR held_container IN ({_REPLACED}))"""


_HELD_PATCHES = """SELECT m.patch, c.is_public, c.popularity FROM choices c JOIN members m ON m.aacid = c.held_aacid
    WHERE c.content = 'audio' AND c.refusal = '' AND c.action IN ('link', 'restore') AND m.patch IS NOT NULL"""
"""What restores a file as it came, also after another file with other covers was added in its place."""


class BuildPlan(msgspec.Struct, kw_only=True):
    """What a build will do, in numbers: by action, by (tier, public), by refusal; `encode_ms` is the music to be encoded."""

    members: Counter[str] = msgspec.field(default_factory=Counter)
    bytes_by_action: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    containers: list[PlannedContainer] = msgspec.field(default_factory=list)
    replaced: list[tuple[str, str]] = msgspec.field(default_factory=list)
    encode_ms: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.containers and not self.replaced


def plan_build(archive: Archive, *, store: bool) -> BuildPlan:
    """The plan for everything that came since the last build; with `store` it is recorded as a running build, at once or not at all."""
    ledger = archive.ledger
    gather_choices(archive)
    plan = BuildPlan()
    _count(archive, plan)
    plan.replaced = _find_replaced(archive)
    with ledger.transaction():
        build = ledger.start_build(max(archive.now(), ledger.first_free_second()), settings_digest(archive)) if store else 0
        for container, members in _cut(archive, build):
            plan.containers.append(container)
            if store:
                ledger.put_planned_container(container)
                ledger.put_planned_members(build, container.number, members)
        if store:
            for name, reason in plan.replaced:
                ledger.put_planned_obsolete(build, name, reason)
            if plan.is_empty:
                ledger.finish_build(build)
    return plan


def gather_choices(archive: Archive) -> None:
    """Fill the temporary table with what should be, member by member, beside what is held."""
    archive.ledger.connection.execute("PRAGMA temp_store = FILE")
    archive.ledger.connection.execute(_TABLES)
    _gather_audio(archive)
    _gather_covers(archive)
    _gather_patches(archive)


def settings_digest(archive: Archive) -> str:
    """SHA-256 of the settings that decide what a member is made of."""
    settings = archive.settings
    return hashlib.sha256(msgspec.json.encode((settings.institution, settings.tiers, settings.covers, settings.containers))).hexdigest()


def _put(archive: Archive, choice: MemberChoice) -> None:
    held = choice.held
    archive.ledger.connection.execute(
        "INSERT OR REPLACE INTO choices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (choice.content, choice.id, choice.tier, choice.is_public, choice.action, choice.predicted_bytes, choice.popularity,
         choice.score_low,  choice.duration_ms, held and held.aacid, held and held.container, choice.is_settled,
         bool(held and held.has_patch and choice.action == "link") or choice.action == "retag", choice.refusal, choice.is_withdrawn),
    )  # fmt: skip


def _gather_audio(archive: Archive) -> None:
    for choice in choose_tracks(archive):
        _put(archive, choice)


def _gather_covers(archive: Archive) -> None:
    """A picture is public as soon as one public track shows it, or had it; one that nothing shows any more is dropped."""
    execute = archive.ledger.connection.execute
    uses = """SELECT s.pictures, c.is_public, c.popularity FROM choices c JOIN sources s ON s.track_id = c.id AND s.state = 'kept'
        WHERE c.content = 'audio' AND c.refusal = '' AND s.pictures <> '[]'"""
    put = """INSERT INTO choices VALUES ('cover', ?, 'covers', ?, 'cover', 0, ?, 0, 0, NULL, NULL, 0, 0, '', 0) ON CONFLICT DO UPDATE SET
        is_public = max(is_public, excluded.is_public), popularity = max(coalesce(popularity, -1), coalesce(excluded.popularity, -1))"""
    for listed, is_public, popularity in archive.ledger.rows(uses):
        for sha256 in msgspec.json.decode(listed, type=list[str]):
            execute(put, (picture_id_of(sha256), is_public, popularity))
    for patch, is_public, popularity in archive.ledger.rows(_HELD_PATCHES):
        for picture in pictures_of_patch(patch):
            execute(put, (picture_id_of(picture.sha256), is_public, popularity))
    _match_with_held(archive, "cover", "no track shows it")
    for id in _new_covers(archive):
        file = archive.picture_file(str(id))
        size = file.stat().st_size if file.exists() else 0
        execute(
            "UPDATE choices SET predicted_bytes = ?, refusal = ? WHERE content = 'cover' AND id = ?", (size, "" if size else "no file", id)
        )


def _new_covers(archive: Archive) -> Iterator[str]:
    """Ids of covers that no container has yet, some thousand at a time, so that their rows may be changed meanwhile."""
    statement = "SELECT id FROM choices WHERE content = 'cover' AND held_aacid IS NULL AND id > ? ORDER BY id LIMIT 5000"
    last = ""
    while ids := [str(row[0]) for row in archive.ledger.rows(statement, last)]:
        yield from ids
        last = ids[-1]


def _gather_patches(archive: Archive) -> None:
    """The record of a patch follows its track: as public as its file, named anew with it, gone where the file is as it came again."""
    statement = """INSERT INTO choices SELECT 'patch', id, 'patches', is_public, 'patch', ?, popularity, score_low, 0,
        NULL, NULL, 0, 0, '', 0 FROM choices WHERE content = 'audio' AND has_patch AND refusal = ''"""
    archive.ledger.connection.execute(statement, (PATCH_BYTES,))
    _match_with_held(archive, "patch", "its file is as it came")
    archive.ledger.connection.execute(f"""UPDATE choices SET is_settled = 0 WHERE content = 'patch' AND held_aacid IS NOT NULL AND id IN
        (SELECT id FROM choices WHERE content = 'audio' AND held_container IN ({_REPLACED}))""")


def _match_with_held(archive: Archive, content: str, refusal: str) -> None:
    """What is held already is linked; what is held and no longer wanted is refused, so that its container is issued again."""
    refuse = """INSERT INTO choices VALUES (?, ?, ?, 0, '', 0, NULL, 0, 0, ?, ?, 0, 0, ?, 0) ON CONFLICT DO UPDATE SET action = 'link',
        predicted_bytes = ?, held_aacid = excluded.held_aacid, held_container = excluded.held_container, is_settled = is_public = ?"""
    for held in iterate_held(archive, content):
        values = (content, held.id, held.tier, held.aacid, held.container, refusal, max(held.size, PATCH_BYTES), held.is_public)
        archive.ledger.connection.execute(refuse, values)


def _find_replaced(archive: Archive) -> list[tuple[str, str]]:
    """Containers with a member that may not stay where it is, and why."""
    statement = f"""SELECT container, CASE WHEN max(is_withdrawn) THEN 'a member was withdrawn' WHEN max(content) = 'audio'
        THEN 'the rights of a member changed' ELSE 'tracks that its members belong to were withdrawn or changed' END
        FROM ({_MOVED}) GROUP BY container ORDER BY container"""
    return [(row[0], row[1]) for row in archive.ledger.rows(statement)]


def _count(archive: Archive, plan: BuildPlan) -> None:
    statement = f"SELECT action, count(*), sum(predicted_bytes), sum(duration_ms) FROM choices WHERE {_TO_MAKE} GROUP BY action ORDER BY 1"
    for action, number, size, duration_ms in archive.ledger.rows(statement):
        plan.members[action] += number
        plan.bytes_by_action[action] += size
        plan.encode_ms += duration_ms if action == "encode" else 0
    refused = "SELECT refusal, count(*) FROM choices WHERE content = 'audio' AND refusal <> '' AND held_aacid IS NULL GROUP BY 1 ORDER BY 1"
    plan.refusals.update(dict(archive.ledger.rows(refused)))


def refused_tracks(archive: Archive) -> Iterator[tuple[str, str]]:
    """Ids of tracks that the plan just made leaves out by policy, with the reason."""
    statement = """SELECT id, refusal FROM choices WHERE content = 'audio' AND held_aacid IS NULL
        AND refusal NOT IN ('', 'withdrawn', 'no file') ORDER BY id"""
    return ((row[0], row[1]) for row in archive.ledger.rows(statement))


def _cut(archive: Archive, build: int) -> Iterator[tuple[PlannedContainer, list[PlannedMember]]]:
    tiers = [tier.name for tier in archive.settings.tier_list]
    order = "CASE content WHEN 'audio' THEN 0 WHEN 'cover' THEN 1 ELSE 2 END"
    ranks = " ".join(f"WHEN '{name}' THEN {rank}" for rank, name in enumerate(tiers))
    statement = f"""SELECT content, is_public, tier, id, action, held_aacid, predicted_bytes FROM choices WHERE {_TO_MAKE}
        ORDER BY {order}, is_public DESC, CASE tier {ranks} ELSE 99 END, tier, popularity DESC NULLS LAST, score_low DESC, id"""
    number = 0
    for (content, is_public, tier), rows in groupby(archive.ledger.rows(statement), key=lambda row: row[:3]):
        collection = archive.collection(content, tier, is_public=bool(is_public))
        for size, members in _cut_collection(archive, collection, rows):
            piece_length = choose_piece_length(size)
            yield PlannedContainer(build=build, number=number, collection=collection, content=content, tier=tier, is_public=bool(is_public),
                                   predicted_bytes=size, piece_length=piece_length), members  # fmt: skip
            number += 1


def _cut_collection(archive: Archive, collection: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, list[PlannedMember]]]:
    """Consecutive members until the torrent or the data would be larger than the settings allow.

    Records without a file are counted as if they had one, so that no container has many times the members of others.
    """
    limits = SplitLimits(archive.settings.torrent_bytes, archive.settings.data_bytes)
    name_bytes = len(make_aacid(collection, 0, "0" * 22, ""))
    sized = ((row, row[6]) for row in rows)
    for cut in cut_containers(sized, limits, name_bytes, lambda: _new_measure(archive, collection)):
        members = [PlannedMember(str(id), str(action), str(held) if held else None) for _, _, _, id, action, held, _ in cut]
        yield sum(row[6] for row in cut), members


def _new_measure(archive: Archive, collection: str) -> TorrentMeasure:
    name = f"{archive.settings.institution}_data__aacid__{collection}__20000101T000000Z--20000101T000000Z"
    return TorrentMeasure(name, torrent_options(archive.settings))
