"""`fonoteca doctor`: what around an archive or a mirror is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from fonoteca.cli.commands import JsonOption, app
from fonoteca.cli.output import emit, storable

if TYPE_CHECKING:
    from fonoteca.workflows.doctor import Diagnosis


@app.command(sort_key=9)
def doctor(
    path: Annotated[Path | None, Parameter(help="An archive or a mirror; else the nearest one from here upwards.")] = None,
    /,
    *,
    mirror: Annotated[Path | None, Parameter(name="--mirror", help="The mirror to look at.")] = None,
    archive: Annotated[Path | None, Parameter(name="--archive", help="The archive to look at.")] = None,
    outside: Annotated[
        bool, Parameter(name="--outside", negative="", help="Let Transmission ask its makers' server whether its port can be reached.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Look at disk, databases, key and the torrent client's settings; nothing is changed. Status 3: something is wrong."""
    from fonoteca.workflows.doctor import examine
    from fonoteca.workflows.schedule_open import what_is_proved

    named = next((given for given in (path, mirror, archive) if given is not None), None)
    diagnosis = examine(what_is_proved(Path.cwd()) if named is None else named.resolve(), outside=outside)
    emit(diagnosis, storable(_words(diagnosis)), json)
    return 3 if diagnosis.findings else 0


def _words(diagnosis: Diagnosis) -> str:
    from fonoteca.ground.quantities import format_bytes

    lines = [f"{diagnosis.kind} {diagnosis.place}: {format_bytes(diagnosis.free_bytes)} free"]
    if diagnosis.needed_bytes:
        lines[0] += f", {format_bytes(diagnosis.needed_bytes)} still to come"
    if client := diagnosis.client:
        reach = {True: "reached from outside", False: "closed", None: "not yet known whether others reach it"}[client.port_open]
        lines.append(f"client {client.name} {client.version}".rstrip() + f", port {client.listen_port or 'any'}: {reach}")
    for finding in diagnosis.findings:
        lines += [f"{finding.code}: {finding.path}", f"  {finding.fact}", f"  {finding.way_out}"]
    return "\n".join([*lines, "" if diagnosis.findings else "nothing is wrong"]).rstrip("\n")
