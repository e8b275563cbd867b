"""Fixtures that every room shares, and the rule that nothing is skipped where everything can be had."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest
import soundfile
from hypothesis import HealthCheck, settings

from music import NoMusicError, fetch_music

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

settings.register_profile("fonoteca", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fonoteca")


@pytest.fixture(scope="session")
def music() -> Path:
    """A folder with 17 real Ogg Vorbis files, 35 minutes: fretsonfire-songs-muldjord and amoebax-data. Read only."""
    try:
        return fetch_music("tests")
    except NoMusicError as error:
        pytest.skip(f"no real music: {error}")


@pytest.fixture(scope="session")
def music_minute(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a minute of music in four files: a whole Ogg Vorbis track as it came; excerpts as FLAC, WAV and Ogg Vorbis."""
    folder = tmp_path_factory.mktemp("music-minute")
    tracks = music / "amoebax-data" / "music"
    (folder / "Congratulations.ogg").write_bytes((tracks / "Congratulations.ogg").read_bytes())
    _write_excerpt(tracks / "training.ogg", folder / "training.flac", 15, "FLAC", "PCM_16")
    _write_excerpt(tracks / "SpikeBackground.ogg", folder / "Spike.wav", 10, "WAV", "PCM_16")
    _write_excerpt(tracks / "menu.ogg", folder / "menu.ogg", 16, "OGG", "VORBIS")
    return folder


def _write_excerpt(source: Path, target: Path, seconds: int, container: str, codec: str) -> None:
    """The first `seconds` of `source`, tagged with a title, an artist and a licence."""
    with soundfile.SoundFile(source) as reader:
        with soundfile.SoundFile(target, "w", reader.samplerate, reader.channels, codec, format=container) as writer:
            writer.title, writer.artist, writer.album = target.stem, "Amoebax", "Amoebax"
            writer.license = writer.copyright = "http://artlibre.org/licence/lal/en/"
            for block in reader.blocks(reader.samplerate, frames=seconds * reader.samplerate):
                writer.write(block)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test fails in CI: there nothing that it needs may be missing."""
    report = yield
    return _forbid_skipping(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file of tests skipped as a whole fails in CI too."""
    report = yield
    return _forbid_skipping(report)


def _forbid_skipping(report: Report) -> Report:
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
