"""`fonoteca identify`: recordings that are the same, what people say of them, artists that are one, songs per ISRC."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import ArchiveOption, DryRunOption, JsonOption, app, opened_archive
from fonoteca.cli.output import emit, on_one_line, table
from fonoteca.cli.progress_bar import open_progress
from fonoteca.ground.errors import UsageError

if TYPE_CHECKING:
    from fonoteca.catalogue.merging import MergedArtists
    from fonoteca.ground.recordings import Saying
    from fonoteca.workflows.archive import Archive
    from fonoteca.workflows.identify import IdentifyReport, PairShown
    from fonoteca.workflows.isrc_report import IsrcReport

Pair = tuple[str, str]
MOST_IN_CSV = 1_000_000


@app.command(sort_key=20)
def identify(
    *,
    fingerprints: Annotated[
        bool, Parameter(negative=(), help="First make acoustic fingerprints of held tracks that have none; needs [fingerprint].")
    ] = False,
    same: Annotated[Pair | None, Parameter(negative=(), help="Say that two tracks are one recording: ids, titles, ISRCs or paths.")] = None,
    apart: Annotated[
        Pair | None, Parameter(negative=(), help="Say that two tracks are different recordings, whatever the evidence.")
    ] = None,
    merge_artists: Annotated[
        Pair | None, Parameter(negative=(), help="OLD NEW: two artists are one; OLD's tracks and albums move, its id leads to NEW.")
    ] = None,
    isrcs: Annotated[bool, Parameter(negative=(), help="Report songs per ISRC instead, and the ISRCs that carry different songs.")] = False,
    as_csv: Annotated[
        bool, Parameter(name="--csv", negative=(), help="The ISRCs that carry different songs as CSV, one row a song.")
    ] = False,
    shown: Annotated[int, Parameter(help="How many pairs, suggestions or ISRCs are told.")] = 20,
    archive: ArchiveOption = None,
    json: JsonOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Find tracks that are the same recording and join them by evidence; nothing is taken away."""
    _refuse_contradictions({"--same": same, "--apart": apart, "--merge-artists": merge_artists, "--isrcs": isrcs}, fingerprints)
    if as_csv and (not isrcs or json):
        raise UsageError("--csv goes with --isrcs, and not with --json", "Run: fonoteca identify --isrcs --csv")
    shown = max(0, shown)
    with opened_archive(archive, "identify", read_only=dry_run or isrcs) as opened:
        if same:
            _say(opened, "same", same, json, dry_run)
        elif apart:
            _say(opened, "apart", apart, json, dry_run)
        elif merge_artists:
            _merge(opened, merge_artists, json, dry_run)
        elif isrcs:
            _report_isrcs(opened, MOST_IN_CSV if as_csv else shown, json, as_csv)
        else:
            _find(opened, fingerprints, shown, json, dry_run)
    return 0


def _refuse_contradictions(modes: dict[str, object], fingerprints: bool) -> None:
    given = [name for name, value in modes.items() if value] + (["--fingerprints"] if fingerprints else [])
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are given together", "Give one of them at a time.")


def _say(archive: Archive, saying: Saying, pair: Pair, json: bool, dry_run: bool) -> None:
    from fonoteca.workflows.identify_said import say_of_pair

    told = say_of_pair(archive, saying, *pair, dry_run=dry_run)
    emit(told, f"{'would be kept' if dry_run else 'kept'}: {saying}\n{_pair(told)}", json)


def _merge(archive: Archive, pair: Pair, json: bool, dry_run: bool) -> None:
    from fonoteca.catalogue.merging import merge_artists

    merged = merge_artists(archive.catalogue, *pair, dry_run=dry_run)
    emit(merged, _merged(merged, dry_run), json)


def _report_isrcs(archive: Archive, most: int, json: bool, as_csv: bool) -> None:
    from fonoteca.workflows.isrc_report import report_isrcs

    report = report_isrcs(archive, open_progress(), most)
    if as_csv:
        _write_csv(report)
    else:
        emit(report, _isrcs(report), json)


def _find(archive: Archive, fingerprints: bool, shown: int, json: bool, dry_run: bool) -> None:
    from fonoteca.workflows.identify import identify as identify_all

    made, failed = 0, 0
    if fingerprints:
        from fonoteca.workflows.fingerprints import make_fingerprints

        made, failed = make_fingerprints(archive, open_progress(), dry_run=dry_run)
    report = identify_all(archive, open_progress(), dry_run=dry_run, shown=shown)
    report.fingerprints_made, report.fingerprints_failed = made, failed
    emit(report, _identified(report), json)


def _identified(report: IdentifyReport) -> str:
    would = "would be " if report.dry_run else ""
    lines = [
        f"{report.tracks:,} tracks, {report.compared:,} pairs compared",
        f"{report.joined:,} {would}joined to {report.groups:,} others; {report.suggested:,} more may be the same",
    ]
    if report.fingerprints_made or report.fingerprints_failed:
        could_not = f", {report.fingerprints_failed:,} could not be read" if report.fingerprints_failed else ""
        lines.append(f"{report.fingerprints_made:,} fingerprints {would}made{could_not}")
    for heading, pairs in (
        ("The same", report.pairs),
        ("Perhaps the same (fonoteca identify --same ID ID, or --apart)", report.suggestions),
    ):
        if pairs:
            lines += ["", f"{heading}:", *(_pair(pair) for pair in pairs)]
    if report.albums:
        lines += ["", f"{report.albums_suggested:,} pairs of albums may be one:"]
        lines += [f"  {on_one_line(one.title or 'no title')}: {one.id} and {one.other} share {one.shares}" for one in report.albums]
    return "\n".join(lines)


def _pair(pair: PairShown) -> str:
    head = f"  {pair.id} is {pair.other}, {pair.score:.2f} bits: {pair.artists or 'nobody'}, {pair.title or 'no title'}"
    return "\n".join([on_one_line(head), *(f"    {on_one_line(shown)}" for shown in pair.evidence)])


def _merged(merged: MergedArtists, dry_run: bool) -> str:
    verb = "would move" if dry_run else "moved"
    old, new = merged.old, merged.new
    text = f"{verb} {old.tracks:,} tracks and {old.albums:,} albums of {old.name} ({old.id}) to {new.name} ({new.id})"
    return on_one_line(f"{text}; also known as {', '.join(merged.aliases)}" if merged.aliases else text)


def _isrcs(report: IsrcReport) -> str:
    if not report.isrcs:
        return "no track has an ISRC"
    rows: list[tuple[str, ...]] = [
        ("tracks", "ISRCs"),
        *((f"{tracks:,}", f"{count:,}") for tracks, count in report.tracks_per_isrc.items()),
    ]
    lines = [f"{report.isrcs:,} ISRCs; {report.reused_count:,} carry different songs", "", table(rows, frozenset({0, 1}))]
    for one in report.reused:
        lines += ["", f"{one.isrc}: {one.tracks:,} tracks, {len(one.songs):,} songs"]
        lines += [
            on_one_line(f"  {song.title or 'no title'} – {song.artists or 'nobody'} ({song.tracks:,}): {song.ids[0]}") for song in one.songs
        ]
    return "\n".join(lines)


def _write_csv(report: IsrcReport) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("isrc", "tracks", "songs", "song", "title", "artists", "duration_ms", "tracks_of_song", "ids"))
    for one in report.reused:
        for number, song in enumerate(one.songs, 1):
            cells = (song.title, song.artists, song.duration_ms, song.tracks, " ".join(song.ids))
            writer.writerow((one.isrc, one.tracks, len(one.songs), number, *cells))
