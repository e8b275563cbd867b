"""What a release brings along to be read without Fonoteca: the pages on its formats, and a script that restores originals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fonoteca

PAGES = (
    "findings.md",
    "formats/aac.md",
    "formats/announcement.md",
    "formats/audio-features.md",
    "formats/catalogue.md",
    "formats/data-dictionary.md",
    "formats/edition-delta.md",
    "formats/essence.md",
    "formats/identity.md",
    "formats/ogg-tags.md",
    "formats/opus-tail.md",
    "formats/patch.md",
    "formats/playlists.md",
    "formats/records.md",
    "formats/release.md",
    "formats/roster.md",
    "formats/search.md",
    "formats/seekable-zstandard.md",
    "formats/source-records.md",
    "formats/statistics.md",
    "formats/tags.md",
    "popularity.md",
    "rights.md",
    "signing.md",
)
SCRIPT = "restore_original.py"


def release_documents() -> Iterator[tuple[str, bytes]]:
    """Path in the release and content of each; from the installed package, or from docs/ of a checkout."""
    package = Path(fonoteca.__file__).parent
    place = package / "release_docs"
    if not place.is_dir():
        place = package.parents[1] / "docs"
    yield SCRIPT, (place / SCRIPT).read_bytes()
    for page in PAGES:
        yield f"docs/{page}", (place / page).read_bytes()
