"""One run of the program: parse, do, turn every failure into words and an exit status."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence

import apsw
import msgspec
from cyclopts import CycloptsError, UnusedCliTokensError

from fonoteca.cli import catalogue_build as _catalogue_build  # noqa: F401 registers its commands
from fonoteca.cli import catalogue_import as _catalogue_import  # noqa: F401 registers its commands
from fonoteca.cli import doctor as _doctor  # noqa: F401 registers its command
from fonoteca.cli import editions as _editions  # noqa: F401 registers its commands
from fonoteca.cli import heal as _heal  # noqa: F401 registers its command
from fonoteca.cli import identify as _identify  # noqa: F401 registers its command
from fonoteca.cli import mirror as _mirror  # noqa: F401 registers its commands
from fonoteca.cli import mirror_plan as _mirror_plan  # noqa: F401 registers its command
from fonoteca.cli import missing as _missing  # noqa: F401 registers its command
from fonoteca.cli import pool_app as _pool  # noqa: F401 registers its commands
from fonoteca.cli import pool_configure as _pool_configure  # noqa: F401 registers its command
from fonoteca.cli import pool_create as _pool_create  # noqa: F401 registers its command
from fonoteca.cli import pool_disks as _pool_disks  # noqa: F401 registers its command
from fonoteca.cli import pool_plan as _pool_plan  # noqa: F401 registers its command
from fonoteca.cli import pool_replace as _pool_replace  # noqa: F401 registers its command
from fonoteca.cli import pool_replicate as _pool_replicate  # noqa: F401 registers its commands
from fonoteca.cli import pool_restore as _pool_restore  # noqa: F401 registers its command
from fonoteca.cli import pool_scrub as _pool_scrub  # noqa: F401 registers its command
from fonoteca.cli import pool_snapshot as _pool_snapshot  # noqa: F401 registers its commands
from fonoteca.cli import pool_status as _pool_status  # noqa: F401 registers its command
from fonoteca.cli import roster as _roster  # noqa: F401 registers its commands
from fonoteca.cli import search as _search  # noqa: F401 registers its command
from fonoteca.cli import shuffle as _shuffle  # noqa: F401 registers its command
from fonoteca.cli import stats as _stats  # noqa: F401 registers its command
from fonoteca.cli.commands import app
from fonoteca.cli.output import escape_controls, storable
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import AccessError, DiskFullError, FonotecaError, StoppedError, UsageError, translate_os_errors


def run(arguments: Sequence[str]) -> int:
    """The exit status of one command. BrokenPipeError passes: whoever read the results has had enough."""
    try:
        result = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        return int(result or 0)
    except BrokenPipeError:
        raise
    except (CycloptsError, FonotecaError, KeyboardInterrupt, apsw.Error, OSError) as failure:
        error = _translated(failure)
        _say(error, as_json="--json" in arguments)
        return error.exit_status


def _translated(failure: BaseException) -> FonotecaError:
    """Any failure as an error of our tree."""
    if isinstance(failure, FonotecaError):
        return failure
    if isinstance(failure, CycloptsError):
        return UsageError(_words(failure), "fonoteca -h lists the commands; -h after a command tells how to use it.")
    if isinstance(failure, apsw.Error):
        return translate_database_error(failure, "the database")
    if isinstance(failure, OSError):
        return _translate_os_error(failure)
    return StoppedError("stopped", "Nothing is lost: the same command goes on.")


def _words(error: CycloptsError) -> str:
    """What is wrong with the command line."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        word = error.unused_tokens[0]
        if error.command_chain:
            return f"{' '.join(error.command_chain)} does not take {word!r}"
        close = difflib.get_close_matches(word, [name for name in app if not name.startswith("-")], 1)
        return f"there is no command {word!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    return str(error).strip().replace("\n", "\n  ")


def _translate_os_error(error: OSError) -> FonotecaError:
    try:
        with translate_os_errors(error.filename or "a file"):
            raise error
    except (AccessError, DiskFullError) as translated:
        return translated


def _say(error: FonotecaError, *, as_json: bool) -> None:
    """One error on stderr: words for people, one line of JSON for programs."""
    if as_json:
        told = {"code": error.code, "message": storable(error.message), "hint": storable(error.hint)}
        print(msgspec.json.encode(told).decode(), file=sys.stderr)
    else:
        print(f"fonoteca: {escape_controls(str(error))}", file=sys.stderr)
