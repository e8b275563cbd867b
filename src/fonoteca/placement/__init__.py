"""The placement room: who holds what. Decisions from roster, census and budget alone; nothing here reads or fetches."""

from fonoteca.placement.announcements import (
    ANNOUNCEMENT_FILE,
    ANNOUNCEMENT_NAMESPACE,
    LARGEST_ANNOUNCEMENT_BYTES,
    Announcement,
    Receipt,
    expires_at,
    read_announcement,
    write_announcement,
)
from fonoteca.placement.census import (
    ARRIVES_WITHIN_DAYS,
    EMPTY_CENSUS,
    PROOF_LASTS_DAYS,
    Announced,
    Census,
    Copy,
    Standing,
)
from fonoteca.placement.census_merging import Scraped, merge_census
from fonoteca.placement.choice import REASONS, Choice, Line, choose
from fonoteca.placement.facts import ContainerFacts, Party
from fonoteca.placement.roster import (
    LARGEST_ROSTER_BYTES,
    ROSTER_FILE,
    ROSTER_NAMESPACE,
    Roster,
    RosterMirror,
    add_mirror,
    read_roster,
    remove_mirror,
    write_roster,
)

__all__ = [
    "ANNOUNCEMENT_FILE",
    "ANNOUNCEMENT_NAMESPACE",
    "ARRIVES_WITHIN_DAYS",
    "EMPTY_CENSUS",
    "LARGEST_ANNOUNCEMENT_BYTES",
    "LARGEST_ROSTER_BYTES",
    "PROOF_LASTS_DAYS",
    "REASONS",
    "ROSTER_FILE",
    "ROSTER_NAMESPACE",
    "Announced",
    "Announcement",
    "Census",
    "Choice",
    "ContainerFacts",
    "Copy",
    "Line",
    "Party",
    "Receipt",
    "Roster",
    "RosterMirror",
    "Scraped",
    "Standing",
    "add_mirror",
    "choose",
    "expires_at",
    "merge_census",
    "read_announcement",
    "read_roster",
    "remove_mirror",
    "write_announcement",
    "write_roster",
]
