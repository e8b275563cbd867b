"""`build`: the planned containers, one after the other, every member made once and every digest taken while it is written."""

from __future__ import annotations

import shutil

from fonoteca.ground.errors import NotFoundError
from fonoteca.ground.progress import Progress
from fonoteca.ground.workers import Processes, count_cores
from fonoteca.workflows.archive import Archive
from fonoteca.workflows.build_container import ContainerBuilder
from fonoteca.workflows.build_plan import BuildPlan, plan_build, refused_tracks
from fonoteca.workflows.build_report import BuildReport
from fonoteca.workflows.build_resume import give_up_plan, plan_stands
from fonoteca.workflows.picture_shelf import clear_waiting_pictures
from fonoteca.workflows.rights_policy import refresh_rights_table


def build(archive: Archive, progress: Progress) -> BuildReport:
    """Finish the build that an earlier run began, then build what came since. Idempotent, and safe to kill at any moment."""
    report = BuildReport()
    clear_obsolete(archive)
    refresh_rights_table(archive)
    archive.refresh_scores()
    if not plan_stands(archive):
        give_up_plan(archive)
    if archive.ledger.running_build() is None:
        archive.ledger.drop_findings("build")
        _start(archive, report)
        _finish(archive, report, progress)
    else:
        _finish(archive, report, progress)
        _start(archive, report)
        _finish(archive, report, progress)
    clear_waiting_pictures(archive)
    report.findings = list(archive.ledger.findings("build"))
    return report


def _start(archive: Archive, report: BuildReport) -> BuildPlan:
    plan = plan_build(archive, store=True)
    with archive.catalogue.transaction():
        for id, reason in refused_tracks(archive):
            archive.catalogue.set_status(id, "not-kept", reason, only_if_changed=True)
    report.refusals = plan.refusals
    return plan


def _finish(archive: Archive, report: BuildReport, progress: Progress) -> None:
    running = archive.ledger.running_build()
    if running is None:
        return
    number, started_second = running
    _check_replaced(archive, number)
    waiting = [planned for planned in archive.ledger.planned_containers(number) if not planned.is_done]
    progress.start("building", archive.ledger.count_planned_members(number), "files")
    with Processes(count_cores(), ("fonoteca.workflows.members", "fonoteca.audio.encoded_check")) as processes:
        for planned in waiting:
            ContainerBuilder(archive, planned, started_second + planned.number, processes, progress, report).build()
    progress.finish()
    _replace(archive, number, report)
    clear_obsolete(archive)


def _check_replaced(archive: Archive, build: int) -> None:
    """What is to be issued again must be there: a folder that is not mounted is no reason to give up what it holds."""
    for name, _ in archive.ledger.planned_obsolete(build):
        container = archive.ledger.container(name)
        if container and container.data_folder and not (archive.containers / container.data_folder).is_dir():
            raise NotFoundError(
                f"{archive.containers / container.data_folder} is not there, and its members are to be issued again",
                "Mount containers/, or bring the folder back from the release or a mirror. Nothing was changed.",
            )


def _replace(archive: Archive, build: int, report: BuildReport) -> None:
    planned = archive.ledger.planned_obsolete(build)
    # what could not be issued again is still in there: it is kept, out of releases, until verify and heal have seen to it
    kept = {name for name, _ in planned if archive.ledger.count_not_issued_again(build, name)}
    with archive.catalogue.transaction():
        for name, _ in planned:
            if name in kept:
                archive.catalogue.hide_container(name)
            else:
                archive.catalogue.drop_container(name)
    with archive.ledger.transaction():
        for name, reason in planned:
            if name in kept:
                archive.ledger.set_public(name, is_public=False)
            else:
                archive.ledger.set_obsolete(name, reason)
                report.replaced.append(name)
        archive.ledger.finish_build(build)


def clear_obsolete(archive: Archive) -> None:
    """Remove from containers/ what was replaced; a release keeps its own links until the next one is published."""
    for container in archive.ledger.containers(state="obsolete"):
        (archive.containers / container.metadata_file).unlink(missing_ok=True)
        if container.data_folder:
            shutil.rmtree(archive.containers / container.data_folder, ignore_errors=True)
