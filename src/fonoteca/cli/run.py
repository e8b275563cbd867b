"""One run of the program: parse, do, turn every failure into words and an exit status."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence

import apsw
from cyclopts import CycloptsError, UnusedCliTokensError

from fonoteca.cli.commands import app
from fonoteca.cli.output import escape_controls
from fonoteca.ground.database import translate_database_error
from fonoteca.ground.errors import AccessError, DiskFullError, FonotecaError, StoppedError, translate_os_errors


def run(arguments: Sequence[str]) -> int:
    """The exit status of one command."""
    try:
        result = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        return int(result or 0)
    except CycloptsError as error:
        _say(f"{_words(error)}\n  fonoteca -h lists the commands; -h after a command tells how to use it.")
        return 2
    except FonotecaError as error:
        _say(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        _say(str(StoppedError("stopped", "Nothing is lost: the same command goes on.")))
        return StoppedError.exit_status
    except apsw.Error as error:
        _say(str(translate_database_error(error, "the database")))
        return 1
    except OSError as error:
        _say(str(_translated(error)))
        return 1


def _words(error: CycloptsError) -> str:
    """What is wrong with the command line."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        word = error.unused_tokens[0]
        if error.command_chain:
            return f"{' '.join(error.command_chain)} does not take {word!r}"
        close = difflib.get_close_matches(word, [name for name in app if not name.startswith("-")], 1)
        return f"there is no command {word!r}" + (f"; did you mean {close[0]!r}?" if close else "")
    return str(error).strip().replace("\n", "\n  ")


def _translated(error: OSError) -> FonotecaError:
    try:
        with translate_os_errors(error.filename or "a file"):
            raise error
    except (AccessError, DiskFullError) as translated:
        return translated


def _say(words: str) -> None:
    print(f"fonoteca: {escape_controls(words)}", file=sys.stderr)
