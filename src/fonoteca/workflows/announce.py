"""Announcements: a mirror's own, made and signed when it has proved what it holds, and those of others, read and held to their keys."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from fonoteca.ground.downloads import is_web_address, read_url
from fonoteca.ground.errors import FonotecaError, FormatError, NotFoundError, SignatureError, translate_os_errors
from fonoteca.ground.files import write_atomically
from fonoteca.integrity import check_serial, load_key, read_public_key, sign_file
from fonoteca.integrity.minisign import verify_minisign
from fonoteca.integrity.mirror_ledger_rows import AnnouncementRow, MirrorTorrent
from fonoteca.integrity.signing import read_serial
from fonoteca.placement import (
    ANNOUNCEMENT_FILE,
    ANNOUNCEMENT_NAMESPACE,
    LARGEST_ANNOUNCEMENT_BYTES,
    Announcement,
    Receipt,
    RosterMirror,
    expires_at,
    read_announcement,
    write_announcement,
)
from fonoteca.workflows.mirror import Mirror
from fonoteca.workflows.mirror_budget import budget_of
from fonoteca.workflows.mirror_origin import FolderOrigin
from fonoteca.workflows.roster_files import rosters_of

SIGNATURE_ENDINGS = (".sig", ".minisig")
SIGNATURE_LIMIT = 1 << 16
READERS = 16
"""Mirrors that are asked at the same time; a slow one holds up no other."""


class Unheard(msgspec.Struct, frozen=True):
    """A mirror of a roster that could not be counted, and why."""

    name: str
    reason: str


def announce(mirror: Mirror, now: int) -> Announcement:
    """Say and sign what this mirror holds and when it proved it: into the mirror, and into [announce] publish_to. Idempotent."""
    settings = mirror.settings.announce
    key = load_key(mirror.key_file)
    announcement = Announcement(
        name=mirror.settings.name, key=key.public.minisign_text, operator=settings.operator, url=settings.url, at=now,
        expires=expires_at(now, settings.every_days), pledge=budget_of(mirror), is_selective=is_selective(mirror),
        held=receipts_of(mirror, now),
    )  # fmt: skip
    path = mirror.path / ANNOUNCEMENT_FILE
    with translate_os_errors(path):
        write_atomically(path, write_announcement(announcement))
        sign_file(key, path, serial=now, namespace=ANNOUNCEMENT_NAMESPACE)
    if settings.publish_to:
        _publish(path, mirror.path / settings.publish_to)
    return announcement


def announce_if_due(mirror: Mirror, now: int) -> Announcement | None:
    """As `announce`, where the last one is too old, tells less than is held, or was cut by a stop; None where it still stands."""
    last = own_announcement(mirror)
    due = last is None or not last.at <= now < last.at + mirror.settings.announce.every_days * 86_400
    if last is not None and not due:
        complete = {one.infohash for one in last.held if one.share >= 1}
        due = complete != {one.infohash for one in receipts_of(mirror, now) if one.share >= 1}
    return announce(mirror, now) if due else None


def own_announcement(mirror: Mirror) -> Announcement | None:
    """The last that was made; None where there is none that is whole."""
    path = mirror.path / ANNOUNCEMENT_FILE
    try:
        data, signature = path.read_bytes(), path.with_name(path.name + ".minisig").read_bytes()
        return prove_announcement(data, signature, load_key(mirror.key_file).public.minisign_text)
    except (OSError, FormatError):
        return None


def receipts_of(mirror: Mirror, now: int) -> tuple[Receipt, ...]:
    """What is chosen, by infohash: the share of its bytes that were read and good, and the oldest of these proofs."""
    statement = """SELECT infohash, count(*), coalesce(sum(size), 0), min(proved_at) FROM files
        WHERE state = 'held' AND proved_at IS NOT NULL GROUP BY infohash"""
    proved = {row[0]: row[1:] for row in mirror.ledger.rows(statement)}
    torrents = mirror.ledger.torrents(states=("wanted", "fetching", "held"))
    receipts = [_receipt(torrent, proved.get(torrent.infohash, (0, 0, 0)), now) for torrent in torrents]
    return tuple(sorted(receipts, key=lambda one: one.infohash))


def _receipt(torrent: MirrorTorrent, proved: tuple[Any, ...], now: int) -> Receipt:
    """Some files alone are no share that grows: nobody should wait for the rest."""
    files, size, oldest = proved
    is_whole = torrent.selection is None and files == torrent.file_count and size == torrent.bytes
    share = 1.0 if is_whole else min(0.999, size / max(1, torrent.bytes))
    chosen_at = torrent.chosen_at if torrent.selection is None else 0
    return Receipt(torrent.infohash, round(share, 3), min(oldest, now) if share else 0, min(chosen_at, now))


def is_selective(mirror: Mirror) -> bool:
    """Whether its filters leave something out."""
    choice = mirror.settings.choice
    ends = (choice.popularity_from, choice.popularity_to)
    return bool(choice.genres or choice.labels or choice.licences or choice.years) or any(end is not None for end in ends)


def hear_announcements(mirror: Mirror, now: int) -> list[Unheard]:
    """Ask every mirror of the rosters for its announcement and keep those that are newer than what is known; who could not be counted."""
    own = load_key(mirror.key_file).public.minisign_text
    places = {one.key: (one.name, one.announcement_url) for one in _mirrors(mirror) if one.key != own and one.announcement_url}
    places |= {key: (place, place) for key, (_, place) in told_mirrors(mirror).items() if key != own and place}
    known = {row.key: row.at for row in mirror.ledger.announcements()}
    unheard = []
    with ThreadPoolExecutor(READERS) as readers:
        heard = {key: readers.submit(_hear, place, key, known.get(key)) for key, (_, place) in places.items()}
        for key, answer in heard.items():
            try:
                announcement, body = answer.result()
                if not announcement.is_good_at(now):
                    raise FormatError("its announcement has expired, or comes from the future")
            except FonotecaError as error:
                unheard.append(Unheard(places[key][0], error.message))
                continue
            _remember(mirror, announcement, body, places[key][1])
    return unheard


def told_mirrors(mirror: Mirror) -> dict[str, tuple[str, str]]:
    """Mirrors that a person named in [announce] others: operator and place of the announcement, by key."""
    found = {}
    for told in mirror.settings.announce.others:
        key, _, rest = told.strip().partition(" ")
        place, _, operator = rest.strip().partition(" ")
        found[read_public_key(key).minisign_text] = operator.strip(), place
    return found


def _mirrors(mirror: Mirror) -> list[RosterMirror]:
    return [one for roster in rosters_of(mirror).values() for one in roster.present()]


def _remember(mirror: Mirror, announcement: Announcement, body: bytes, place: str) -> None:
    row = AnnouncementRow(announcement.key, announcement.operator, place, announcement.at, announcement.expires, body)
    with mirror.ledger.transaction():
        mirror.ledger.put_announcement(row)


def _hear(place: str, key: str, last_at: int | None) -> tuple[Announcement, bytes]:
    """One announcement, held to its key and to the newest that was heard."""
    body, signature = _read_place(place, LARGEST_ANNOUNCEMENT_BYTES), _read_place(place + ".minisig", SIGNATURE_LIMIT)
    announcement = prove_announcement(body, signature, key)
    check_serial(announcement.at, last_at)
    return announcement, body


def _read_place(place: str, limit_bytes: int) -> bytes:
    if is_web_address(place):
        return read_url(place, limit_bytes)
    path = Path(place)
    if not path.is_absolute():
        raise NotFoundError(f"{place!r} is no place to read an announcement from", "Give a web address, or an absolute path.")
    return FolderOrigin(path.parent).read(path.name, limit_bytes)


def prove_announcement(body: bytes, signature: bytes, key: str) -> Announcement:
    """The announcement in these bytes, signed by this very key; FormatError or SignatureError otherwise."""
    comment = verify_minisign(read_public_key(key), hashlib.blake2b(body).digest(), signature.decode("utf-8", "replace"))
    announcement = read_announcement(body)
    if announcement.key != key:
        raise SignatureError("the announcement names another key than the one that signed it", "It is not counted.")
    if read_serial(comment, ANNOUNCEMENT_FILE) != announcement.at:
        raise SignatureError("the announcement was signed for another moment than it tells", "It is not counted.")
    return announcement


def _publish(path: Path, folder: Path) -> None:
    """The signatures last: who reads in between finds one that does not fit, and asks again."""
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for ending in ("", *SIGNATURE_ENDINGS):
            source = path.with_name(path.name + ending)
            write_atomically(folder / source.name, source.read_bytes(), is_ours=False)
