"""archive.toml: one file of settings per archive, typed, with "did you mean" for unknown keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fonoteca.ground.errors import NotAnArchiveError, SettingsError, UsageError
from fonoteca.ground.mirror_settings import HealSettings, ProvingSettings, check_proving
from fonoteca.ground.pool_settings import PoolSettings
from fonoteca.ground.quantities import parse_bytes
from fonoteca.ground.things import Tier
from fonoteca.ground.toml_files import read_toml

SETTINGS_FILE = "archive.toml"
FORMAT = 1

Positive = Annotated[float, Meta(gt=0)]
Score = Annotated[float, Meta(ge=0, le=100)]
Kbits = Annotated[float, Meta(ge=6, le=510)]
# the descriptions below become docs/settings.md


class PopularitySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How plays become a score from 0 to 100."""

    plays_at_1: Annotated[Positive, Meta(description="Fewer plays than this score 0; this many score 1.")] = 1_000
    plays_at_100: Annotated[Positive, Meta(description="This many plays score 100; between them the score grows with the logarithm.")] = (
        5_000_000_000
    )


class TierSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tier, most popular first; see fonoteca.ground.things.Tier."""

    name: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9]{0,19}$", description="Part of the names of its containers; lower-case letters and digits.")
    ]
    from_popularity: Annotated[Score, Meta(description="A track belongs to the first tier whose score it reaches.")]
    opus_kbits: Annotated[
        Kbits | None, Meta(description="Encode to Ogg Opus at this rate in kbit/s. Left out: keep files as they came.")
    ] = None
    takes_unknown: Annotated[bool, Meta(description="Tracks of unknown popularity belong here; true on exactly one tier.")] = False
    cut_off: Annotated[
        float | None,
        Meta(
            description="Do not keep what is certainly below: artist popularity / 100 + album popularity / 100 + log10(followers + 1) / 8."
        ),
    ] = None
    one_per_isrc: Annotated[bool, Meta(description="Of files that share an ISRC keep only the best.")] = False


class CoverSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done with pictures."""

    embed: Annotated[
        bool, Meta(description="Put covers into every kept file (about 92 kB a track). Otherwise only `fonoteca get` does.")
    ] = False


class ContainerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where containers are cut. Sizes are numbers or texts such as "210 GB"."""

    torrent_size: Annotated[str | int, Meta(description="A container ends before its `.torrent` would be larger; from 2 kB.")] = "8 MB"
    data_size: Annotated[str | int, Meta(description="A container ends before its members would be more.")] = "210 GB"
    frame_size: Annotated[str | int, Meta(description="Uncompressed size of one Zstandard frame of a metadata file; 1 KiB to 1 GiB.")] = (
        "10 MiB"
    )
    compression_level: Annotated[int, Meta(ge=1, le=22, description="Zstandard level of metadata files.")] = 9


class PublishSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a release can be reached and what its torrents say."""

    url: Annotated[
        str, Meta(description="Where the release folder is reached over HTTP, for web seeds and the feed. Empty: torrents only.")
    ] = ""
    trackers: Annotated[tuple[str, ...], Meta(description="Announce URLs that stand in every torrent.")] = ()
    web_seeds: Annotated[
        tuple[str, ...], Meta(description="More URLs of folders that hold the containers, ending in `/`; `url` adds its own.")
    ] = ()
    private: Annotated[bool, Meta(description="Clients keep to the trackers. Changes every infohash.")] = False
    hybrid_metadata: Annotated[bool, Meta(description="A second, hybrid v1 + v2 torrent beside that of each metadata file.")] = False
    deltas: Annotated[
        int, Meta(ge=0, le=1000, description="Mirrors of so many releases back get the catalogue by what changed; 0: always the whole.")
    ] = 8


class RightsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What kind of archive this is, where licences care."""

    commercial: Annotated[
        bool, Meta(description="Money is made with this archive: what is licensed for non-commercial use only is not published.")
    ] = False


class SigningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which key signs releases; a relative path starts at the archive."""

    key_file: Annotated[str, Meta(description="The secret key; see [signing](signing.md).")] = "signing/release.key"


class CatalogueSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How editions of the catalogue are written."""

    scratch: Annotated[
        str, Meta(description="A folder for what is on the way, on a fast disk; a relative path starts at the archive. Empty: the archive.")
    ] = ""
    edition_writer: Annotated[
        Literal["sql", "pages"],
        Meta(description='"sql" needs nothing more; "pages" writes millions of tracks many times faster and needs the extra [bulk].'),
    ] = "sql"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of archive.toml."""

    format: Annotated[int, Meta(description="The version of this file: 1.")]
    name: Annotated[str, Meta(min_length=1, max_length=200, description="What the archive is called, on its pages and in its feed.")]
    institution: Annotated[
        str,
        Meta(
            description="Begins the name of every container: up to 30 letters, digits and single underscores."
            " Do not change it once containers are published."
        ),
    ]
    popularity: PopularitySettings = PopularitySettings()
    tiers: tuple[TierSettings, ...] = ()
    covers: CoverSettings = CoverSettings()
    containers: ContainerSettings = ContainerSettings()
    publish: PublishSettings = PublishSettings()
    rights: RightsSettings = RightsSettings()
    signing: SigningSettings = SigningSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    proving: ProvingSettings = ProvingSettings()
    heal: HealSettings = HealSettings()
    pool: PoolSettings = PoolSettings()

    @property
    def tier_list(self) -> tuple[Tier, ...]:
        """The tiers as the rooms know them, highest first."""
        return tuple(Tier(**msgspec.structs.asdict(tier)) for tier in self.tiers)

    @property
    def torrent_bytes(self) -> int:
        """The largest encoded size of a torrent."""
        return parse_bytes(self.containers.torrent_size)

    @property
    def data_bytes(self) -> int:
        """The largest data folder."""
        return parse_bytes(self.containers.data_size)

    @property
    def frame_bytes(self) -> int:
        """Uncompressed bytes of one Zstandard frame."""
        return parse_bytes(self.containers.frame_size)


def find_archive(start: Path) -> Path:
    """The nearest folder from `start` upwards that holds archive.toml."""
    for folder in (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    raise NotAnArchiveError(
        f"no {SETTINGS_FILE} in {start} or above it",
        "Make an archive with: fonoteca init DIR. Or name one with --archive DIR.",
    )


def read_settings(archive: Path) -> Settings:
    """The checked settings of `archive`; SettingsError names the key and the way out."""
    path = archive / SETTINGS_FILE
    if not path.is_file():
        raise NotAnArchiveError(f"{archive} holds no {SETTINGS_FILE}", "Make an archive there with: fonoteca init DIR.")
    settings = read_toml(path, Settings, "docs/settings.md")
    _check(settings, path)
    return settings


def _check(settings: Settings, path: Path) -> None:
    def refuse(fact: str, way_out: str) -> None:
        raise SettingsError(f"{path}: {fact}", way_out)

    if settings.format != FORMAT:
        refuse(f"format is {settings.format}, this program reads {FORMAT}", "Update fonoteca.")
    if not re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", settings.institution) or len(settings.institution) > 30:
        refuse(f"institution is {settings.institution!r}", "Use up to 30 letters, digits and single underscores: it begins all names.")
    if not settings.tiers:
        refuse("there are no [[tiers]]", "Give at least one [[tiers]] with name and from_popularity.")
    scores = [tier.from_popularity for tier in settings.tiers]
    if scores != sorted(scores, reverse=True) or len(set(scores)) < len(scores):
        refuse("the tiers are not in the order of from_popularity, highest first", "Sort the [[tiers]].")
    if len({tier.name for tier in settings.tiers}) < len(settings.tiers):
        refuse("two tiers have one name", "Give each its own.")
    if sum(tier.takes_unknown for tier in settings.tiers) != 1:
        refuse("tracks of unknown popularity need exactly one tier", "Set takes_unknown = true on one tier.")
    if settings.popularity.plays_at_1 >= settings.popularity.plays_at_100:
        refuse("plays_at_1 is not below plays_at_100", "Raise plays_at_100.")
    try:
        sizes = settings.torrent_bytes, settings.data_bytes, settings.frame_bytes
    except UsageError as error:
        refuse(error.message, error.hint)
    check_proving(settings.proving, path)
    if sizes[0] < 2_000 or sizes[1] < 1 or not 1_024 <= sizes[2] <= 2**30:
        refuse("a size under [containers] is out of range", "torrent_size from 2 kB, frame_size from 1 KiB to 1 GiB.")


TEMPLATE = """\
# What this archive is and how it keeps things. Every key is explained in docs/settings.md.
format = 1
name = {name}
# Begins the name of every container: letters, digits, single underscores. Do not change it once containers are published.
institution = "{institution}"

[popularity]
# A track with fewer plays than plays_at_1 scores 0; plays_at_100 plays score 100; between them by the logarithm.
plays_at_1 = 1_000
plays_at_100 = 5_000_000_000

# Tiers, most popular first. A track belongs to the first whose from_popularity it reaches.
[[tiers]]
name = "original"
from_popularity = 1
# Unknown is not zero: what nobody has counted is kept as it came.
takes_unknown = true
# opus_kbits = 96     # uncomment to encode this tier too

[[tiers]]
name = "tail"
from_popularity = 0
opus_kbits = 75
# artist popularity/100 + album popularity/100 + log10(followers + 1)/8: what is certainly below is not kept.
cut_off = 0.351
# Of files that share an ISRC only the best is kept in this tier.
one_per_isrc = true

[covers]
# Each picture is kept once, in a container of its own, and embedded by "fonoteca get".
# true: embed it in every kept file too (about 92 kB a track).
embed = false

[containers]
# A container ends before its .torrent or its data would be larger.
torrent_size = "8 MB"
data_size = "210 GB"
frame_size = "10 MiB"
compression_level = 9

[publish]
# Where the release folder will be reached over HTTP; used for web seeds and the feed. Empty: torrents only.
url = ""
trackers = []
web_seeds = []
private = false
# A second, hybrid v1+v2 torrent beside that of each metadata file.
hybrid_metadata = false

[rights]
# true: money is made with this archive, so what is licensed for non-commercial use only is not published.
commercial = false

[signing]
# The secret key of this archive. Keep a copy in a safe; see docs/signing.md.
key_file = "signing/release.key"
"""


def render_template(name: str, institution: str) -> str:
    """archive.toml for a new archive, with comments."""
    return TEMPLATE.format(name=msgspec.json.encode(name).decode(), institution=institution)
