"""roster.json: the mirrors that a publisher counts on, in the order in which they joined; signed with the release key.

A mirror that left stays in its place, so that the arcs of those behind it do not move.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from fonoteca.ground.errors import FormatError, NotFoundError, UsageError
from fonoteca.placement.facts import Party

ROSTER_FILE = "roster.json"
ROSTER_NAMESPACE = "fonoteca-roster"
ROSTER_FORMAT = 1

LARGEST_ROSTER_BYTES = 16 << 20
MOST_MIRRORS = 20_000
LARGEST_PLEDGE = 10**18

_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]{1,100}")
_KEY = re.compile(r"[A-Za-z0-9+/]{56}")
_PLACE = re.compile(r"(https?:/)?/[^\x00-\x1f\x7f-\x9f]{1,2000}")


class RosterMirror(msgspec.Struct, frozen=True, kw_only=True):
    """One mirror. `key`: its public key as minisign takes it; `pledge` in bytes; `since` and `left`: Unix seconds at which it joined, left.

    `url`: where it is reached over HTTP (or an absolute path on machines that share a disk), empty: only as a torrent peer;
    `announcement`: where its announcement.json is, empty: in the folder `url`.
    """

    name: str
    key: str
    operator: str = ""
    pledge: int = 0
    url: str = ""
    announcement: str = ""
    since: int = 0
    left: int | None = None

    @property
    def party(self) -> Party:
        """Whose copies these are."""
        return Party(self.key, self.operator)

    @property
    def announcement_url(self) -> str:
        """Where to read its announcement; empty where it publishes none."""
        if self.announcement or not self.url:
            return self.announcement
        return self.url.rstrip("/") + "/announcement.json"


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """The mirrors in their order. `serial` grows by one with every change."""

    format: int = ROSTER_FORMAT
    serial: int = 0
    date: str = ""
    institution: str = ""
    mirrors: tuple[RosterMirror, ...] = ()

    def present(self) -> tuple[RosterMirror, ...]:
        """Those that have not left."""
        return tuple(one for one in self.mirrors if one.left is None)

    def find(self, key: str) -> RosterMirror | None:
        """The present mirror with this key."""
        return next((one for one in self.mirrors if one.key == key and one.left is None), None)

    def named(self, name: str) -> RosterMirror | None:
        """The present mirror of this name."""
        return next((one for one in self.mirrors if one.name == name and one.left is None), None)


def read_roster(data: bytes, path: str = ROSTER_FILE) -> Roster:
    """A roster from the bytes of its file, every value checked; FormatError otherwise. The signature is checked by the caller."""
    if len(data) > LARGEST_ROSTER_BYTES:
        raise FormatError(f"{path} has {len(data):,} bytes, more than {LARGEST_ROSTER_BYTES:,}", "Do not trust it; fetch it again.")
    try:
        roster = msgspec.json.decode(data, type=Roster)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{path} is no roster: {error}", "Fetch it again from the publisher.") from error
    if roster.format != ROSTER_FORMAT:
        raise FormatError(f"{path} has format {roster.format}, this program reads {ROSTER_FORMAT}", "Install a newer fonoteca.")
    if len(roster.mirrors) > MOST_MIRRORS or not 0 < roster.serial < 10**18:
        raise FormatError(f"{path} has {len(roster.mirrors)} mirrors and serial {roster.serial}", "Do not trust it; fetch it again.")
    check_mirrors(roster.mirrors, path)
    return roster


def write_roster(roster: Roster) -> bytes:
    """The bytes of roster.json: one mirror a line, so that changes can be read; the same roster gives the same bytes."""
    head = msgspec.to_builtins(roster)
    lines = [msgspec.json.encode(mirror).decode() for mirror in roster.mirrors]
    del head["mirrors"]
    told = msgspec.json.encode(head).decode()[:-1]
    return (told + ',"mirrors":[\n' + ",\n".join(lines) + "\n]}\n").encode()


def add_mirror(roster: Roster, mirror: RosterMirror, date: str) -> Roster:
    """The next roster, with one more mirror at its end, or with new facts of one that is there by name and key."""
    check_mirrors((mirror,), "the mirror")
    same = roster.named(mirror.name)
    if same is not None and same.key != mirror.key:
        hint = f"Take another name, or remove it first: fonoteca roster remove {mirror.name}"
        raise UsageError(f"{mirror.name!r} is on the roster with another key", hint)
    with_key = roster.find(mirror.key)
    if with_key is not None and with_key.name != mirror.name:
        raise UsageError(f"the key of {mirror.name!r} is that of {with_key.name!r}", "Each mirror has a key of its own.")
    if same is None:
        return _next(roster, (*roster.mirrors, mirror), date)
    mirror = msgspec.structs.replace(mirror, since=same.since)
    return _next(roster, tuple(mirror if one is same else one for one in roster.mirrors), date)


def remove_mirror(roster: Roster, name: str, now: int, date: str) -> Roster:
    """The next roster, in which this mirror has left; NotFoundError where it is not there."""
    mirror = roster.named(name)
    if mirror is None:
        names = ", ".join(one.name for one in roster.present()[:10]) or "nobody"
        raise NotFoundError(f"{name!r} is not on the roster", f"On it: {names}.")
    gone = msgspec.structs.replace(mirror, left=now)
    return _next(roster, tuple(gone if one is mirror else one for one in roster.mirrors), date)


def check_mirrors(mirrors: Iterable[RosterMirror], path: str) -> None:
    """FormatError where a value can be none of its kind, or two present mirrors share name or key."""
    names: set[str] = set()
    keys: set[str] = set()
    for one in mirrors:
        fault = _fault_of(one)
        if fault is None and one.left is None and (one.name in names or one.key in keys):
            fault = "its name or key stands twice"
        if fault is not None:
            raise FormatError(f"{path}: mirror {one.name!r:.60}: {fault}", "Each needs a name, a key and a pledge of its own.")
        if one.left is None:
            names.add(one.name)
            keys.add(one.key)


def _fault_of(one: RosterMirror) -> str | None:
    if not _NAME.fullmatch(one.name) or (one.operator and not _NAME.fullmatch(one.operator)):
        return "name and operator are 1 to 100 characters without controls"
    if not _KEY.fullmatch(one.key):
        return "the key is no public key as minisign shows it"
    if not 0 <= one.pledge <= LARGEST_PLEDGE or one.since < 0:
        return f"a pledge of {one.pledge} bytes"
    if any(place and not _PLACE.fullmatch(place) for place in (one.url, one.announcement)):
        return "a place that is no http or https address and no absolute path"
    return None


def _next(roster: Roster, mirrors: tuple[RosterMirror, ...], date: str) -> Roster:
    return msgspec.structs.replace(roster, serial=roster.serial + 1, date=date, mirrors=mirrors)
