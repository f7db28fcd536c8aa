"""Exit codes, and what is said where Ctrl-C ends a command. Imports nothing that takes time."""

import sys

USER_ERROR, INTERRUPTED = 2, 130


def say_interrupted() -> int:
    """One sentence on stderr; returns the exit code."""
    print("gearscope: interrupted; nothing was left half-written", file=sys.stderr)
    return INTERRUPTED
