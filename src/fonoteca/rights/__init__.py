"""Rights: what a licence lets an archive do, decided by one table, and withdrawals."""

from fonoteca.rights.licences import Licence, LicenceRow, load_table, write_licence_table
from fonoteca.rights.sidecars import (
    STATEMENT_ORDER,
    RightsStatement,
    Sidecars,
    StatementSource,
    read_sidecar,
    read_tag_statement,
    strictest_statement,
    strongest_statement,
)
from fonoteca.rights.statements import Decision, attribution_line, decide, read_statement, read_statements
from fonoteca.rights.withdrawal import WITHDRAWAL_REASONS, Withdrawal, WithdrawalReason, parse_reason, write_reason_table

__all__ = [
    "STATEMENT_ORDER",
    "WITHDRAWAL_REASONS",
    "Decision",
    "Licence",
    "LicenceRow",
    "RightsStatement",
    "Sidecars",
    "StatementSource",
    "Withdrawal",
    "WithdrawalReason",
    "attribution_line",
    "decide",
    "load_table",
    "parse_reason",
    "read_sidecar",
    "read_statement",
    "read_statements",
    "read_tag_statement",
    "strictest_statement",
    "strongest_statement",
    "write_licence_table",
    "write_reason_table",
]
