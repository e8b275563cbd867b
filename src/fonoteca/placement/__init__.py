"""The placement room: who holds what. Decisions from roster, census and budget alone; nothing here reads or fetches."""

from fonoteca.placement.census import (
    ARRIVES_WITHIN_DAYS,
    EMPTY_CENSUS,
    PROOF_LASTS_DAYS,
    Announced,
    Census,
    Copy,
    Standing,
)
from fonoteca.placement.choice import REASONS, Choice, Line, choose
from fonoteca.placement.facts import ContainerFacts, Party
from fonoteca.placement.roster import (
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
    "ARRIVES_WITHIN_DAYS",
    "EMPTY_CENSUS",
    "PROOF_LASTS_DAYS",
    "REASONS",
    "ROSTER_FILE",
    "ROSTER_NAMESPACE",
    "Announced",
    "Census",
    "Choice",
    "ContainerFacts",
    "Copy",
    "Line",
    "Party",
    "Roster",
    "RosterMirror",
    "Standing",
    "add_mirror",
    "choose",
    "read_roster",
    "remove_mirror",
    "write_roster",
]
