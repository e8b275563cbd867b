"""What the archive is about: the values that rooms hand to each other through the workflows."""

from __future__ import annotations

from typing import Literal

import msgspec

from fonoteca.ground.findings import Finding

AudioFormat = Literal["ogg-vorbis", "ogg-opus", "flac", "mp3", "aac", "m4a", "wav"]
LOSSLESS_FORMATS: frozenset[AudioFormat] = frozenset({"flac", "wav"})
OGG_FORMATS: frozenset[AudioFormat] = frozenset({"ogg-vorbis", "ogg-opus"})

Status = Literal["held", "wanted", "duplicate", "unreadable", "not-kept", "withdrawn"]
"""held: its file is here (added or packed); not-kept: left out by policy, say below the cut-off."""

Tags = dict[str, tuple[str, ...]]
"""Values by Picard's internal tag names in lower case (title, artist, artists, albumartist, album, isrc, tracknumber, totaltracks,
discnumber, date, originaldate, genre, label, barcode, license, copyright, musicbrainz_recordingid, replaygain_track_gain, …)."""


class Picture(msgspec.Struct, frozen=True):
    """A cover as embedded. `kind` is the picture type of FLAC and ID3v2 (3: front cover)."""

    sha256: str
    mime: str
    kind: int
    description: str
    width: int
    height: int
    data: bytes


class AudioFile(msgspec.Struct, frozen=True):
    """What one read of one file gives. Hashes are lower-case hex; loudness is integrated EBU R128.

    `format` is None where the content is no kept format; `essence_sha256` where no packet could be told.
    `samples` counts per channel at `sample_rate` (48,000 for Opus, without pre-skip): decoded where `is_decoded`, else as declared.
    `comment_packet` is the Vorbis comment or OpusTags packet with each picture shortened to its hash (docs/formats/ledger.md).
    """

    size: int
    mtime_ns: int
    sha256: str
    format: AudioFormat | None
    essence_sha256: str | None = None
    sample_rate: int = 0
    channels: int = 0
    samples: int | None = None
    bits_per_second: int | None = None
    is_decoded: bool = False
    loudness_lufs: float | None = None
    sample_peak: float | None = None
    is_silent: bool | None = None
    can_be_retagged: bool = False
    tags: Tags = {}
    comment_packet: bytes | None = None
    pictures: tuple[Picture, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds, rounded to the nearest."""
        if self.samples is None or not self.sample_rate:
            return None
        return round(self.samples * 1000 / self.sample_rate)

    @property
    def is_sound(self) -> bool:
        """Whether it can be kept: nothing found that sets it aside."""
        return self.format is not None and all(found.kind.weight == "note" for found in self.findings)


class Tier(msgspec.Struct, frozen=True):
    """One class of tracks and how they are kept.

    `from_popularity` is the lowest score of the class; `opus_kbits` None keeps what came, a number encodes to Ogg Opus
    at that rate. `takes_unknown`: tracks of unknown popularity belong here. `cut_off`: a second score certainly below it
    is not kept. `one_per_isrc`: of files that share an ISRC only the best is kept.
    """

    name: str
    from_popularity: float
    opus_kbits: float | None = None
    takes_unknown: bool = False
    cut_off: float | None = None
    one_per_isrc: bool = False
