"""Why something is withdrawn, and what then becomes of its bytes."""

from __future__ import annotations

from typing import Literal

import msgspec

Fate = Literal["dark", "delete"]


class WithdrawalReason(msgspec.Struct, frozen=True):
    """One reason: what it means, the fate of the bytes, and whether editions still show title and names."""

    meaning: str
    fate: Fate
    shows_metadata: bool = True


# Documented in docs/rights.md, one row a code; a test compares the two.
WITHDRAWAL_REASONS: dict[str, WithdrawalReason] = {
    "rights-holder": WithdrawalReason("Who holds the rights asks for it.", "dark"),
    "licence-error": WithdrawalReason("The licence was not what it was taken for.", "dark"),
    "error": WithdrawalReason("It is not what its record says, or is damaged.", "dark"),
    "court-order": WithdrawalReason("A court or an authority orders it.", "delete"),
    "illegal": WithdrawalReason("To hold it is against the law.", "delete", shows_metadata=False),
    "privacy": WithdrawalReason("It says something about a person who did not agree.", "delete", shows_metadata=False),
    "other": WithdrawalReason("Anything else, as the text says.", "dark"),
}


class Withdrawal(msgspec.Struct, frozen=True):
    """A reason as given: its code, the words, and what it asks for. dark: kept in a container that is never published."""

    code: str
    text: str
    fate: Fate
    shows_metadata: bool


def parse_reason(text: str) -> Withdrawal:
    """The withdrawal that "CODE" or "CODE: words" asks for; free words are "other", which keeps the bytes dark."""
    head, _, rest = text.partition(":")
    code = "-".join(head.strip().lower().replace("_", " ").split())
    if code not in WITHDRAWAL_REASONS:
        code, rest = "other", text
    reason = WITHDRAWAL_REASONS[code]
    return Withdrawal(code, " ".join(rest.split()) or reason.meaning, reason.fate, reason.shows_metadata)


def write_reason_table() -> str:
    """The reasons as Markdown, as they stand in docs/rights.md."""
    lines = ["| code | meaning | the bytes | editions show title and names |", "|---|---|---|---|"]
    for code, reason in WITHDRAWAL_REASONS.items():
        fate = "stay in a dark container" if reason.fate == "dark" else "are deleted"
        lines.append(f"| `{code}` | {reason.meaning} | {fate} | {'yes' if reason.shows_metadata else 'no'} |")
    return "\n".join(lines) + "\n"
