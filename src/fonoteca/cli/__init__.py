"""The command line: the only place that prints."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run one command and exit: 0 fine, 1 failed, 2 wrong usage, 3 finished and found damage, 130 stopped."""
    from fonoteca.cli.run import run

    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
