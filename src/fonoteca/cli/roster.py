"""`fonoteca roster add|remove|show`: the mirrors that a publisher counts on, signed into the release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption, app, opened_archive
from fonoteca.cli.output import emit, on_one_line, storable, table
from fonoteca.ground.quantities import format_bytes, format_count, parse_bytes

if TYPE_CHECKING:
    from fonoteca.placement import Roster, RosterMirror

roster_app = App(
    name="roster", help="Keep the signed list of mirrors and their pledges.", help_flags=["--help", "-h"],
    help_format="plaintext", version_flags=[], sort_key=9,
)  # fmt: skip
app.command(roster_app)


@roster_app.command(name="add", sort_key=1)
def roster_add(
    name: Annotated[str, Parameter(help="What to call the mirror.")],
    /,
    *,
    key: Annotated[str, Parameter(help="The mirror's public key, or a file with it; mirror status tells it.")],
    pledge: Annotated[str, Parameter(help='What it promises to hold: "8TB".')],
    operator: Annotated[str, Parameter(help="Who runs it; two mirrors of one operator count as one copy.")] = "",
    url: Annotated[str, Parameter(help="Where its folder held is reached over HTTP; announcement.json lies there.")] = "",
    announcement: Annotated[str, Parameter(help="Where its announcement.json is, if elsewhere.")] = "",
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Put a mirror on the roster, or tell something new of one that is there; its place on the ring stays."""
    from fonoteca.placement import RosterMirror
    from fonoteca.workflows.roster import add_to_roster

    path = Path(key)
    text = path.read_text("utf-8", "replace") if len(key) < 1000 and path.is_file() else key
    mirror = RosterMirror(name=name, key=text, operator=operator, pledge=parse_bytes(pledge), url=url, announcement=announcement)
    with opened_archive(archive, "roster add", read_only=dry_run) as opened:
        roster = add_to_roster(opened, mirror, dry_run=dry_run)
    return _tell(roster, json, f"{'would put' if dry_run else 'put'} {on_one_line(name)} on the roster, serial {roster.serial}")


@roster_app.command(name="remove", sort_key=2)
def roster_remove(
    name: Annotated[str, Parameter(help="The mirror that left.")],
    /,
    *,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Take a mirror off the roster: its copies count no more, and the others fetch what has too few."""
    from fonoteca.workflows.roster import remove_from_roster

    with opened_archive(archive, "roster remove", read_only=dry_run) as opened:
        roster = remove_from_roster(opened, name, dry_run=dry_run)
    return _tell(roster, json, f"{'would take' if dry_run else 'took'} {on_one_line(name)} off the roster, serial {roster.serial}")


@roster_app.command(name="show", sort_key=3)
def roster_show(*, archive: ArchiveOption = None, json: JsonOption = False) -> int:
    """Show the mirrors, their operators and pledges."""
    from fonoteca.workflows.roster import roster_of

    with opened_archive(archive, "roster show", read_only=True) as opened:
        roster = roster_of(opened)
        held = sum(one.data_bytes + one.metadata_bytes for one in opened.ledger.containers(state="current") if one.is_public)
    return _tell(roster, json, _sums(roster, held))


def _tell(roster: Roster, json: bool, last: str) -> int:
    emit(roster, storable("\n".join([*_rows(roster.present()), last])), json)
    return 0


def _rows(mirrors: tuple[RosterMirror, ...]) -> list[str]:
    if not mirrors:
        return []
    rows: list[tuple[str, ...]] = [("mirror", "operator", "pledge", "reached at")]
    rows += [(on_one_line(one.name), on_one_line(one.operator) or "-", format_bytes(one.pledge), on_one_line(one.url) or "-")
             for one in mirrors]  # fmt: skip
    return [table(rows, frozenset({2}))]


def _sums(roster: Roster, held: int) -> str:
    present = roster.present()
    if not present:
        return "nobody is on the roster; add a mirror with: fonoteca roster add NAME --key FILE --pledge 8TB"
    pledged = sum(one.pledge for one in present)
    operators = len({one.party.who for one in present})
    times = f", {pledged / held:.1f} times what is published ({format_bytes(held)})" if held else ""
    return (
        f"{format_count(len(present), 'mirror')} of {format_count(operators, 'operator')} pledge {format_bytes(pledged)}{times}; "
        f"serial {roster.serial}"
    )
