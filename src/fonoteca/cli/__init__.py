"""The command line: the only place that prints."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run one command and exit: 0 fine, 1 failed, 2 wrong usage, 3 finished and found damage, 130 stopped."""
    try:
        from fonoteca.cli.run import run

        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        # before anything was begun, or a second time while the first was being obeyed
        print("fonoteca: stopped", file=sys.stderr)
        status = 130
    # all is said and done: Ctrl-C now changes nothing, a second one ends at once what the first one stopped
    signal.signal(signal.SIGINT, signal.SIG_DFL if status == 130 else signal.SIG_IGN)
    sys.exit(status)
