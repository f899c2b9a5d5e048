"""Run a command that the kernel kills when the process that started it dies, however it dies.

    python -I -S tether.py PARENT_PID COMMAND [ARGUMENT ...]

A program of its own instead of a ``preexec_fn``: Python code between fork and exec may deadlock in a process
with threads, and gRPC has threads. Linux binds the signal to the *thread* that started the child, so children
are to be started from a thread that lives as long as they shall.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above took effect
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
