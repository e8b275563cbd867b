"""`fonoteca heal`: what verify found is mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import DryRunOption, JsonOption, app
from fonoteca.cli.output import emit_listed, storable
from fonoteca.cli.progress_bar import open_progress

if TYPE_CHECKING:
    from fonoteca.workflows.heal_items import HealBook


@app.command(sort_key=7)
def heal(
    path: Annotated[Path | None, Parameter(help="An archive or a mirror; else the nearest one from here upwards.")] = None,
    /,
    *,
    peer: Annotated[tuple[str, ...], Parameter(name="--peer", help="host:port to ask for pieces, besides trackers and web seeds.")] = (),
    timeout: Annotated[float, Parameter(name="--timeout", help="Seconds without a new piece after which pieces are given up.")] = 60.0,
    limit: Annotated[str | None, Parameter(name="--rate", help='Fetch at most so many bytes a second, such as "10MB/s".')] = None,
    mirror: Annotated[Path | None, Parameter(name="--mirror", help="The mirror to heal.")] = None,
    archive: Annotated[Path | None, Parameter(name="--archive", help="The archive to heal.")] = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Mend what verify found, most played and rarest first: from copies here, patches, pieces of peers, the off-site copy."""
    from fonoteca.integrity.token_bucket import parse_rate
    from fonoteca.workflows.heal import HealOptions
    from fonoteca.workflows.heal import heal as heal_book
    from fonoteca.workflows.heal_placing import READ_ONLY_HINT
    from fonoteca.workflows.heal_words import words_of
    from fonoteca.workflows.schedule_open import require_writable, what_is_proved

    named = next((given for given in (path, mirror, archive) if given is not None), None)
    place = what_is_proved(Path.cwd()) if named is None else named.resolve()
    rate = parse_rate(limit or "")
    if not dry_run:
        require_writable(place, READ_ONLY_HINT)
    with _opened(place, peer, dry_run=dry_run) as book:
        report = heal_book(book, HealOptions(dry_run=dry_run, timeout_s=timeout, limit=rate), open_progress())
    emit_listed(report, "listed", "" if json else storable(words_of(report)), json)
    return 3 if report.lost or report.stuck or (dry_run and report.damaged) else 0


@contextmanager
def _opened(place: Path, peers: tuple[str, ...], *, dry_run: bool) -> Iterator[HealBook]:
    from fonoteca.ground.mirror_settings import MIRROR_FILE
    from fonoteca.workflows.archive import open_archive
    from fonoteca.workflows.heal_archive import ArchiveHealBook

    if (place / MIRROR_FILE).is_file():
        from fonoteca.workflows.heal_mirror import open_mirror_to_heal

        with open_mirror_to_heal(place, peers, dry_run=dry_run) as book:
            yield book
        return
    with open_archive(place, "heal", read_only=dry_run) as opened:
        yield ArchiveHealBook(opened, peers=peers, dry_run=dry_run)
