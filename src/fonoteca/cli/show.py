"""What each command says to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from fonoteca.cli.output import on_one_line, table
from fonoteca.ground.findings import FINDING_KINDS, Finding
from fonoteca.ground.quantities import format_bytes, format_count, format_duration

if TYPE_CHECKING:  # only their names: the workflows load decoders, which -h can do without
    from fonoteca.catalogue import PlanRow
    from fonoteca.workflows.build_report import BuildReport
    from fonoteca.workflows.ingest import AddReport
    from fonoteca.workflows.lookup import ArchiveStatus
    from fonoteca.workflows.plan_costs import PlanReport
    from fonoteca.workflows.publish import PublishReport
    from fonoteca.workflows.restore_archive import RestoreReport
    from fonoteca.workflows.verify import VerifyReport
    from fonoteca.workflows.withdraw import WithdrawReport

MOST_SHOWN = 20
ACTIONS = {
    "retag": "kept, with tags added",
    "copy": "kept as they came",
    "restore": "put back as they came",
    "encode": "encoded to Opus",
    "link": "issued again",
    "cover": "covers",
    "patch": "patches back to the file as it came",
}


def added(report: AddReport) -> str:
    """What `add` did."""
    counts = report.counts
    names = ("would read", "read", "kept", "duplicate", "unchanged", "rights changed", "set-aside", "withdrawn", "ignored",
             "rows used", "rows to use", "wanted")  # fmt: skip
    told = ", ".join(f"{counts[name]:,} {name}" for name in names if counts[name])
    lines = [f"{told} ({format_bytes(report.bytes_read)} of audio)" if report.bytes_read else told] if told else []
    if not any(counts[name] for name in names if name != "ignored") and not report.has_damage:
        lines.append(
            "no music was found; folders are searched for names that end in .ogg, .opus, .flac, .mp3, .m4a, .aac, .wav and the like"
        )
    lines += findings(report.findings, report.finding_counts)
    if counts["kept"]:
        lines.append("Next: fonoteca plan")
    return "\n".join(lines)


def findings(listed: Iterable[Finding], counts: Counter[str]) -> list[str]:
    """Findings by code, each with the way out; the first twenty in full."""
    lines: list[str] = []
    shown = list(islice((finding for finding in listed if finding.kind.weight != "note"), MOST_SHOWN))
    for finding in shown:
        where = f" [{finding.container}]" if finding.container and finding.container not in finding.path else ""
        lines.append(f"  {finding.code}: {on_one_line(f'{finding.path}{where}: {finding.fact}')}")
    for code, count in sorted(counts.items()):
        kind = FINDING_KINDS[code]
        mark = "" if kind.weight != "note" else " (note)"
        lines.append(f"{count:,} × {code}{mark}: {kind.meaning} {kind.way_out}")
    hidden = sum(count for code, count in counts.items() if FINDING_KINDS[code].weight != "note") - len(shown)
    if hidden > 0:
        lines.append(f"  … and {hidden:,} more: --json lists them")
    return lines


def planned(report: PlanReport) -> str:
    """The plan of the next build and the table of alternatives."""
    plan = report.build
    lines = []
    if plan.is_empty:
        lines.append("There is nothing to build.")
    else:
        lines.append(f"The next build makes {format_count(len(plan.containers), 'container')}:")
        for action, count in sorted(plan.members.items()):
            size = f", at most {format_bytes(plan.bytes_by_action[action])}" if action != "patch" else ""
            lines.append(f"  {count:>9,}  {ACTIONS[action]}{size}")
        if plan.encode_ms:
            music = format_duration(plan.encode_ms / 1000)
            lines.append(f"  {music} of music to encode: about {format_duration(report.hours * 3600)} on {report.cores} cores")
        lines += [f"  replaces {name}: {reason}" for name, reason in plan.replaced]
    lines += [f"  {count:>9,}  not kept: {reason}" for reason, count in sorted(plan.refusals.items())]
    lines += ["", "What the tiers cost, over all known tracks:", plan_table([*report.tiers, *report.alternatives])]
    return "\n".join(lines)


def plan_table(rows: Sequence[PlanRow]) -> str:
    """Plans as a table; hours and TB where they are numbers that say something."""
    is_large = any(row.bytes >= 1e12 for row in rows)
    heading = ("tiers", "files", "size", *(["TB"] if is_large else []), "encoded", "hours" if is_large else "encoding", "of plays")
    cells = []
    for row in rows:
        terabytes = [f"{row.terabytes:,.3f}"] if is_large else []
        time = f"{row.hours:,.1f}" if is_large else format_duration(row.hours * 3600) if row.encoded_files else ""
        cells.append((row.name, f"{row.files:,}", format_bytes(row.bytes), *terabytes, f"{row.encoded_files:,}", time,
                      f"{row.share_of_plays:.1%}"))  # fmt: skip
    return table([heading, *cells], frozenset(range(1, len(heading))))


def built(report: BuildReport) -> str:
    """What `build` did."""
    if report.containers:
        lines = [f"{format_count(len(report.containers), 'container')}, {format_bytes(report.bytes_written)} written:"]
        lines += [f"  {count:>9,}  {ACTIONS[action]}" for action, count in sorted(report.members.items())]
    else:
        lines = [] if report.has_damage else ["there was nothing to build: what was added is packed, or not kept"]
    lines += [f"  {name}" for name in report.containers[:MOST_SHOWN]]
    lines += [f"replaced {name}" for name in report.replaced]
    lines += [f"{count:,} not kept: {reason}" for reason, count in sorted(report.refusals.items())]
    lines += findings(report.findings, Counter(finding.code for finding in report.findings))
    if report.containers:
        lines.append("Next: fonoteca publish")
    return "\n".join(lines)


def published(report: PublishReport, dry_run: bool) -> str:
    """What `publish` did."""
    what = f"{format_count(report.files, 'file')} in {format_count(report.containers, 'container')}, {format_bytes(report.bytes)}"
    if dry_run:
        lines = [f"would publish {what}"]
    elif report.is_new:
        lines = [f"release {report.serial}: {what}, {format_count(report.torrents, 'torrent')}", f"  {report.folder}",
                 f"  signed by {report.fingerprint}"]  # fmt: skip
    else:
        lines = [f"nothing new: release {report.serial} stands ({what})"]
    left = sum(report.left_out.values())
    if left:
        lines.append(f"{format_count(left, 'track')} left out:")
        lines += [f"  {count:>9,}  {reason}" for reason, count in report.left_out.most_common()]
    if report.replaced:
        lines.append(f"{format_count(report.replaced, 'container')} of earlier releases marked obsolete")
    return "\n".join(lines)


def verified(report: VerifyReport) -> str:
    """What `verify` proved and found."""
    lines = [
        f"{report.path} ({report.what}): {format_count(report.files, 'file')}, {format_bytes(report.bytes)} read and good",
        *report.facts,
    ]
    lines += findings(report.listed, report.counts)
    lines.append("damage was found" if report.has_damage else "no damage")
    return "\n".join(lines)


def restored(report: RestoreReport) -> str:
    """What `init --from` made again, and how it verified."""
    lines = [
        f"made {report.path} from release {report.serial}: {format_count(report.tracks, 'track')} known,"
        f" {format_count(report.members, 'member')} in {format_count(report.containers, 'container')}",
    ]
    if not report.has_settings:
        lines.append("the release tells no settings: look at archive.toml before you build")
    if not report.has_key:
        lines.append(
            "it has a new key, so mirrors will not take its releases for those of the lost archive: give the saved one by --signing-key"
        )
    return "\n".join([*lines, verified(report.verified)])


def counted(report: ArchiveStatus) -> str:
    """What `status` counted."""
    lines = [f"{report.name} ({report.path})"]
    lines += [f"  {count:>12,}  tracks {status}" for status, count in report.tracks.items()]
    lines += [f"  {count:>12,}  files {state}" for state, count in report.sources.items()]
    if report.not_decoded:
        lines.append(f"  {report.not_decoded:>12,}  files not decoded yet: fonoteca add SOURCE decodes them")
    lines.append(f"  {len(report.containers):>12,}  containers, {format_bytes(report.bytes)}")
    lines.append(f"  {report.publishable:>12,}  held tracks may be published")
    lines += [f"  {count:>12,}  held tracks may not: {reason}" for reason, count in report.left_out.items()]
    lines += [f"  {one['tracks']:>12,}  tracks under {one['name'] or one['uri'] or 'no known rights statement'}" for one in report.rights]
    lines += [f"  {count:>12,}  × {code}: {FINDING_KINDS[code].meaning}" for code, count in sorted(report.findings.items())]
    if report.release:
        state = "is published" if report.release["state"] == "done" else "was begun and not finished: fonoteca publish goes on"
        lines.append(f"  release {report.release['serial']} {state}")
    if report.has_unfinished_build:
        lines.append("  a build was begun and not finished: fonoteca build goes on")
    return "\n".join(lines)


def track(told: dict[str, Any]) -> str:
    """What `show` tells of a track, a fact a line."""
    lines = []
    for name, value in told.items():
        if value in (None, [], {}, ()):
            continue
        if name in _LISTED and isinstance(value, list | tuple):
            lines += [f"{name}:", *(f"  {on_one_line(_LISTED[name](item))}" for item in value)]
        elif isinstance(value, list | tuple) and isinstance(value[0], dict):
            for item in value:
                lines.append(f"{name}:")
                lines += [f"  {_fact(key, inner)}" for key, inner in item.items() if inner not in (None, [], "")]
        elif isinstance(value, dict):
            lines.append(f"{name}:")
            lines += [f"  {_fact(key, inner)}" for key, inner in value.items() if inner not in (None, [], "")]
        else:
            lines.append(_fact(name, value))
    return "\n".join(lines)


def _listed_track(item: dict[str, Any]) -> str:
    """A track in the list of an album: disc.number title – artists, length, status, id."""
    place = ".".join(str(item[name]) for name in ("disc", "number") if item.get(name) is not None)
    names = f"{item.get('title') or '(no title)'} – {item.get('artists') or '(no artist)'}"
    length = None if item.get("duration_ms") is None else f"{item['duration_ms'] // 60_000}:{item['duration_ms'] // 1000 % 60:02d}"
    return "  ".join(part for part in (f"{place} {names}".strip(), length, item.get("status"), item["id"]) if part)


def _listed_album(item: dict[str, Any]) -> str:
    """An album in the list of an artist: title, date, how many tracks, id."""
    parts = (item.get("title") or "(no title)", item.get("date"), format_count(item["tracks"], "track"), item["id"])
    return "  ".join(part for part in parts if part)


_LISTED = {"tracks": _listed_track, "albums": _listed_album}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return on_one_line("; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _fact(name: str, value: Any) -> str:
    """A fact with its name as a person reads it: times and durations in words."""
    if name.endswith("_at") and isinstance(value, int):
        return f"{name}: {datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if name == "duration_ms":
        return f"duration: {value / 1000:.3f} s"
    return f"{name}: {_plain(value)}"


def withdrawn(report: WithdrawReport) -> str:
    """What `withdraw` did, or would do."""
    fate = "deleted" if report.fate == "delete" else "kept in a container that is never published"
    done = "withdrawn" if report.is_done else "would be withdrawn"
    lines = [f"{report.title or report.id} {done} ({report.code}: {report.reason}); its bytes are {fate}"]
    lines += [f"  {name} is replaced by the next build" for name in report.containers]
    lines += [f"  originals/{name} is removed" for name in report.removed_originals]
    if report.is_done and report.containers:
        lines.append("Next: fonoteca build, then fonoteca publish")
    return "\n".join(lines)
