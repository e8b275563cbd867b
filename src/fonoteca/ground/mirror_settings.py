"""mirror.toml: one file of settings per mirror, typed, with "did you mean" for unknown keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fonoteca.ground.errors import NotAMirrorError, SettingsError, UsageError
from fonoteca.ground.quantities import parse_bytes
from fonoteca.ground.toml_files import read_toml

MIRROR_FILE = "mirror.toml"
FORMAT = 1

_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")

Percent = Annotated[float, Meta(ge=0, le=100)]
Score = Annotated[float, Meta(ge=0, le=100)]
# the descriptions below become docs/mirror-settings.md and docs/settings.md


class ClientChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which torrent client fetches and seeds."""

    kind: Annotated[
        Literal["embedded", "transmission", "qbittorrent"],
        Meta(description="The client: one inside this program, or a daemon that runs already."),
    ] = "embedded"
    url: Annotated[str, Meta(description="Where the daemon answers, such as `http://127.0.0.1:9091`.")] = ""
    user: Annotated[str, Meta(description="The name to log in to the daemon with.")] = ""
    password_file: Annotated[str, Meta(description="A file whose first line is the password; a relative path starts at the mirror.")] = ""
    listen: Annotated[str, Meta(description="Address and port of the embedded client; port 0 takes any that is free.")] = "0.0.0.0:6881"
    peers: Annotated[tuple[str, ...], Meta(description="Peers as host:port that are always dialled, for a LAN.")] = ()
    dht: Annotated[bool, Meta(description="Find peers without a tracker. Never for private torrents.")] = True
    trackers: Annotated[tuple[str, ...], Meta(description="Announce URLs besides those in the torrents.")] = ()


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast and when bytes move."""

    download: Annotated[str | int, Meta(description="Bytes a second; empty: as fast as it goes.")] = ""
    upload: Annotated[str | int, Meta(description="Bytes a second; empty: as fast as it goes.")] = ""
    hours: Annotated[str, Meta(description="Fetch only then, such as `22:00-06:30`, local time; empty: always.")] = ""


class ProvingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How every byte is read again on a schedule."""

    days: Annotated[float, Meta(gt=0, description="Every byte is read within so many days.")] = 45.0
    rate: Annotated[str | int, Meta(description="Bytes a second; empty: as fast as it goes.")] = ""
    hours: Annotated[str, Meta(description="Read only then, such as `22:00-06:30`, local time; empty: always.")] = ""
    pressure: Annotated[
        Percent, Meta(description="Wait while tasks stall on the disk for more than so many percent of ten seconds (/proc/pressure/io).")
    ] = 20.0


class ChoiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mirror would rather hold."""

    genres: Annotated[tuple[str, ...], Meta(description="Only containers with tracks of one of these genres; empty: all.")] = ()
    labels: Annotated[tuple[str, ...], Meta(description="Only containers with tracks of one of these labels; empty: all.")] = ()
    licences: Annotated[tuple[str, ...], Meta(description="Only containers with tracks under one of these licences; empty: all.")] = ()
    years: Annotated[tuple[int, ...], Meta(description="The first and the last year of release; empty: all.")] = ()
    popularity_from: Annotated[Score | None, Meta(description="Only containers with tracks of at least this popularity.")] = None
    popularity_to: Annotated[Score | None, Meta(description="Only containers with tracks of at most this popularity.")] = None
    copies: Annotated[int, Meta(ge=1, le=1000, description="A container that fewer operators have proved replaces one that more have.")] = 3


class HealSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where good bytes may be found."""

    copies: Annotated[
        tuple[str, ...],
        Meta(description="Folders that may hold the same bytes under the same names: other releases, mirrors, mounted copies."),
    ] = ()
    originals: Annotated[tuple[str, ...], Meta(description="Folders with the files as they came, to build members from again.")] = ()
    offsite: Annotated[str, Meta(description="An rclone remote and path with a copy, such as `remote:archive`; empty: none.")] = ""
    peers: Annotated[tuple[str, ...], Meta(description="Peers as host:port that are asked for pieces, besides those of trackers.")] = ()


class AnnounceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a mirror tells others of itself."""

    operator: Annotated[str, Meta(max_length=200, description="Who runs it; two mirrors of one operator count as one copy.")] = ""
    url: Annotated[str, Meta(description="Where the folder `held` can be reached over HTTP; empty: not at all.")] = ""
    publish_to: Annotated[str, Meta(description="A folder to put the signed announcement into, say that of a web server.")] = ""
    others: Annotated[
        tuple[str, ...],
        Meta(description="Other mirrors to count besides those on the publisher's roster, each `KEY PLACE-OF-ITS-ANNOUNCEMENT OPERATOR`."),
    ] = ()
    every_days: Annotated[float, Meta(gt=0, description="It is made again after so many days; a silent one expires.")] = 7.0


class MirrorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of mirror.toml."""

    format: Annotated[int, Meta(description="The version of this file: 1.")]
    name: Annotated[str, Meta(min_length=1, max_length=200, description="What the mirror is called, to others too.")]
    budget: Annotated[str | int, Meta(description='Most that it may hold, such as `"8 TB"`; empty: what fits on the disk.')] = ""
    follow_minutes: Annotated[float, Meta(gt=0, description="How often its sources are asked for a new release.")] = 60.0
    client: ClientChoice = ClientChoice()
    limits: LimitSettings = LimitSettings()
    proving: ProvingSettings = ProvingSettings()
    choice: ChoiceSettings = ChoiceSettings()
    heal: HealSettings = HealSettings()
    announce: AnnounceSettings = AnnounceSettings()

    @property
    def budget_bytes(self) -> int | None:
        """Bytes that may be held; None where only the disk sets an end."""
        return optional_bytes(self.budget)


def optional_bytes(text: str | int) -> int | None:
    """A size or rate; None for an empty text."""
    return None if text == "" else parse_bytes(text)


def check_proving(settings: ProvingSettings, path: Path) -> None:
    """SettingsError where a rate or hours cannot be read; archives have the same table."""
    _check_sizes(path, {"proving.rate": settings.rate})
    _check_hours(path, "proving.hours", settings.hours)


def find_mirror(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds mirror.toml."""
    for folder in (start, *start.parents):
        if (folder / MIRROR_FILE).is_file():
            return folder
    raise NotAMirrorError(
        f"no {MIRROR_FILE} in {start} or above it",
        "Make a mirror with: fonoteca mirror add SOURCE --mirror DIR. Or name one with --mirror DIR.",
    )


def read_mirror_settings(mirror: Path) -> MirrorSettings:
    """The checked settings of `mirror`; SettingsError names the key and the way out."""
    path = mirror / MIRROR_FILE
    if not path.is_file():
        raise NotAMirrorError(f"{mirror} holds no {MIRROR_FILE}", "Make a mirror there with: fonoteca mirror add SOURCE --mirror DIR.")
    settings = read_toml(path, MirrorSettings, "docs/mirror-settings.md")
    _check(settings, path)
    return settings


def _check(settings: MirrorSettings, path: Path) -> None:
    if settings.format != FORMAT:
        raise SettingsError(f"{path}: format is {settings.format}, this program reads {FORMAT}", "Update fonoteca.")
    limits = settings.limits
    _check_sizes(path, {"budget": settings.budget, "limits.download": limits.download, "limits.upload": limits.upload})
    _check_hours(path, "limits.hours", limits.hours)
    check_proving(settings.proving, path)
    for name, address in (("client.listen", settings.client.listen), *(("client.peers", peer) for peer in settings.client.peers)):
        try:
            split_address(address)
        except UsageError as error:
            raise SettingsError(f"{path}: {name}: {error.message}", error.hint) from error
    years = settings.choice.years
    if years and (len(years) != 2 or years[0] > years[1]):
        raise SettingsError(f"{path}: choice.years is {list(years)}", "Give the first and the last year: years = [1950, 1979].")
    if settings.client.kind != "embedded" and not re.match(r"https?://", settings.client.url):
        raise SettingsError(f"{path}: client.url is {settings.client.url!r}", "Say where the daemon answers: http://127.0.0.1:9091.")


def _check_sizes(path: Path, sizes: dict[str, str | int]) -> None:
    for name, size in sizes.items():
        try:
            value = optional_bytes(size)
        except UsageError as error:
            raise SettingsError(f"{path}: {name}: {error.message}", error.hint) from error
        if value is not None and value <= 0:
            raise SettingsError(f"{path}: {name} is {size!r}", 'Give more than nothing, or "" for no limit.')


def _check_hours(path: Path, name: str, hours: str) -> None:
    if hours and not _HOURS.fullmatch(hours):
        raise SettingsError(f"{path}: {name} is {hours!r}", 'Write hours as "22:00-06:30", or "" for always.')


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[::1]:port"; UsageError where it is none."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or re.search(r"[\s/\x00]", host):
        raise UsageError(f"{address!r} is no address", 'Write it as "host:port".')
    return host, int(port)


TEMPLATE = """\
# What this mirror holds and how it works. Every key is explained in docs/mirror-settings.md.
format = 1
name = {name}
# Most that it may hold. Empty: what fits on the disk.
budget = {budget}

[client]
# "embedded" needs nothing else; "transmission" and "qbittorrent" are daemons that run already, reached at url.
kind = "embedded"
listen = "0.0.0.0:6881"
# Peers that are always dialled: "host:port".
peers = []
dht = true

[limits]
# Bytes a second, such as "20 MB"; empty: as fast as it goes. Hours such as "22:00-06:30"; empty: always.
download = ""
upload = ""
hours = ""

[proving]
# "fonoteca verify --schedule" reads every byte again within so many days.
days = 45

[heal]
# Folders that may hold the same bytes: other mirrors, mounted copies.
copies = []

[announce]
# Who runs this mirror, where others reach its folder "held", and a folder to put its signed announcement into.
operator = ""
url = ""
publish_to = ""
"""


def render_mirror_template(name: str, budget: str = "") -> str:
    """mirror.toml for a new mirror, with comments."""
    return TEMPLATE.format(name=msgspec.json.encode(name).decode(), budget=msgspec.json.encode(budget).decode())
