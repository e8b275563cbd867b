"""What healing did or would do, for people."""

from __future__ import annotations

from fonoteca.ground.quantities import format_bytes, format_count
from fonoteca.workflows.heal import HealReport
from fonoteca.workflows.heal_items import HealedFile

MOST_SHOWN = 50


def words_of(report: HealReport) -> str:
    """The report as lines: what stands in the end first, then every file with the rungs that were tried."""
    lines = [_headline(report)]
    if report.by_rung:
        lines.append("mended by " + ", ".join(f"{rung}: {count:,}" for rung, count in sorted(report.by_rung.items())))
    if report.strangers:
        lines.append(f"{format_count(report.strangers, 'file')} on no list {'moved away' if report.is_done else 'would be moved away'}")
    lines += report.facts
    shown = 0
    for file in report.listed:
        if file.result == "good" or shown == MOST_SHOWN:
            continue
        shown += 1
        lines += _file(file)
    if len(report.listed) > MOST_SHOWN:
        lines.append("--json lists all")
    if report.stuck:
        lines.append("For some files good bytes are at hand: let their places be changed (lsattr, ls -ld), and heal again.")
    if report.lost:
        lines.append("What is lost here may be elsewhere: name more places under [heal], give --peer, and heal again.")
    return "\n".join(lines)


def _headline(report: HealReport) -> str:
    if not report.damaged and not report.strangers:
        return "nothing to mend: verify found nothing that stands"
    if not report.is_done:
        return f"{format_count(report.damaged, 'damaged file')}; nothing was changed"
    good = f", {report.good:,} good again already" if report.good else ""
    stuck = f", {report.stuck:,} could not be put in place" if report.stuck else ""
    return f"{format_count(report.mended, 'file')} mended ({format_bytes(report.mended_bytes)}){good}, {report.lost:,} lost{stuck}"


def _file(file: HealedFile) -> list[str]:
    lines = [f"{file.result}  {file.name}  ({file.what})"]
    for attempt in file.attempts:
        if attempt.result == "planned":
            lines.append(f"    {attempt.rung}: would try {attempt.place}")
        elif attempt.result == "mended":
            lines.append(f"    {attempt.rung}: {attempt.place}")
        elif file.result in ("lost", "stuck"):
            lines.append(f"    {attempt.rung}: {attempt.place + ': ' if attempt.place else ''}{attempt.fact}")
    if file.result == "lost":
        lines += [f"    may have it: {one}" for one in file.might_have]
    return lines
