"""`stats`: the counts of a catalogue, and a folder with a page and pictures of them."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import apsw
import msgspec

from fonoteca.catalogue.statistics import COLUMNS, counted_rows, read_features, read_statistics
from fonoteca.catalogue.statistics_counter import StatisticsRow
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import UsageError, translate_os_errors
from fonoteca.ground.files import sync_folder
from fonoteca.ground.progress import Progress
from fonoteca.reports import Section, catalogue_report, draw, write_page, write_png
from fonoteca.rights import load_table
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.read_catalogue import opened_edition

TABLE = "statistics.csv"
FEATURES = "features.sqlite3"


class CatalogueStatistics(msgspec.Struct, kw_only=True):
    """All counts of one catalogue, of which day, and where its report was written."""

    title: str
    date: str
    rows: list[StatisticsRow]
    folder: str | None = None
    pictures: int = 0

    @property
    def sections(self) -> list[Section]:
        """The report."""
        licences = {row.name: load_table().short_name(row.name) or row.name for row in self.rows if row.report == "rights" and row.name}
        return catalogue_report(self.rows, int(self.date[:4]) if self.date[:4].isdigit() else 9999, licences)


def count_archive(archive: Archive, progress: Progress) -> CatalogueStatistics:
    """Count the working catalogue, and the audio features beside it."""
    archive.refresh_scores()
    statements = archive.catalogue.statements
    try:
        rows = counted_rows(statements.connection, is_edition=False, progress=progress)
    except apsw.Error as error:
        raise translate_database_error(error, statements.path) from error
    date = datetime.fromtimestamp(archive.now(), UTC).strftime("%Y-%m-%d")
    return CatalogueStatistics(title=archive.settings.name, date=date, rows=[*rows, *read_features(archive.path / FEATURES)])


def read_edition_statistics(path: Path, progress: Progress | None = None) -> CatalogueStatistics:
    """What an edition says of itself: its own counts, or, where it has none, counted now."""
    with opened_edition(path) as edition:
        sql, about = edition.statements, edition.facts
        try:
            has_table = sql.value("SELECT count(*) FROM sqlite_schema WHERE name = 'statistics'")
            rows = read_statistics(sql.connection) if has_table else counted_rows(sql.connection, is_edition=True, progress=progress)
        except apsw.Error as error:
            raise translate_database_error(error, path) from error
    rows += read_features(path.with_name(FEATURES))
    return CatalogueStatistics(title=about.get("title", path.name), date=about.get("date", ""), rows=rows)


def report_files(statistics: CatalogueStatistics, *, png: bool = False) -> Iterator[tuple[str, bytes]]:
    """Every file of the report, name and content: the page, the counts as CSV, each picture. The same counts give the same bytes."""
    sections = statistics.sections
    yield "index.html", write_page(f"Statistics of {statistics.title}", f"As of {statistics.date}", sections).encode()
    yield TABLE, _as_csv(statistics.rows)
    for section in sections:
        for figure in section.figures:
            svg = draw(figure.picture)
            yield f"{figure.picture.name}.svg", svg.encode()
            if png:
                yield f"{figure.picture.name}.png", write_png(svg)


def _as_csv(rows: list[StatisticsRow]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def write_report(statistics: CatalogueStatistics, folder: Path, *, png: bool = False) -> CatalogueStatistics:
    """Write the report to `folder`, whole or not at all. An earlier report there is replaced; anything else is not."""
    folder = folder.absolute()
    with translate_os_errors(folder):
        _check_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fonoteca-report-", dir=folder.parent) as scratch:
            partial, former, pictures = Path(scratch) / "new", Path(scratch) / "former", 0
            partial.mkdir()
            for name, content in report_files(statistics, png=png):
                (partial / name).write_bytes(content)
                pictures += name.endswith(".svg")
            sync_folder(partial)
            if folder.exists():
                folder.rename(former)
            _put_in_place(partial, folder, former)
        sync_folder(folder.parent)
    return msgspec.structs.replace(statistics, folder=str(folder), pictures=pictures)


def _put_in_place(partial: Path, folder: Path, former: Path) -> None:
    """The new report, or, where that fails, the earlier one again."""
    try:
        partial.rename(folder)
    except BaseException:
        if former.exists():
            former.rename(folder)
        raise


def _check_replaceable(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())):
        return
    is_report = folder.is_dir() and not folder.is_symlink() and (folder / TABLE).is_file()
    if not is_report or any(path.suffix not in (".html", ".csv", ".svg", ".png") for path in folder.iterdir()):
        raise UsageError(f"{folder} holds something else than a report", "Name a folder that is new, empty, or a report made before.")
