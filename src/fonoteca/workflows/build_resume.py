"""Whether a build that was stopped may go on as it was planned: rights, withdrawals and settings may have changed since."""

from __future__ import annotations

import shutil

from fonoteca.containers import data_folder_name, format_timestamp, metadata_file_name
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_plan import gather_choices, settings_digest

_NO_LONGER = """SELECT 1 FROM planned_members p JOIN planned_containers c USING (build, number)
    LEFT JOIN choices k ON k.content = c.content AND k.id = p.id AND k.action = p.action AND k.is_public = c.is_public
        AND k.tier = c.tier AND k.refusal = '' AND k.held_aacid IS p.replaces
    WHERE p.build = ? AND NOT c.is_done AND k.id IS NULL LIMIT 1"""


def plan_stands(archive: Archive) -> bool:
    """Whether everything that the running build has still to make would be decided the same now; true where none runs."""
    running = archive.ledger.running_build()
    if running is None:
        return True
    settings = next(archive.ledger.rows("SELECT settings_sha256 FROM builds WHERE build = ?", running[0]))[0]
    if settings != settings_digest(archive):
        return False
    gather_choices(archive)
    return next(archive.ledger.rows(_NO_LONGER, running[0]), None) is None


def give_up_plan(archive: Archive) -> None:
    """Forget what is not made yet, and its half-written files. What is made stays; the next plan moves what may not stay."""
    running = archive.ledger.running_build()
    assert running is not None
    build, started_second = running
    for planned in archive.ledger.planned_containers(build):
        if not planned.is_done:
            stamp = format_timestamp(started_second + planned.number)
            named = archive.settings.institution, planned.collection, stamp, stamp
            (archive.containers / metadata_file_name(*named)).unlink(missing_ok=True)
            shutil.rmtree(archive.containers / data_folder_name(*named), ignore_errors=True)
    for leftover in archive.staging.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    with archive.ledger.transaction():
        archive.ledger.finish_build(build)
