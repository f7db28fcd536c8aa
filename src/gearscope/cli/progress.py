"""Progress on stderr: one line that is rewritten on a terminal, silence elsewhere. Knows nothing of what advances."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def status_line(what: str) -> Generator[Callable[[str, int], None]]:
    """Yield a callback (phrase, count) that keeps one line of stderr current and wipes it at the end."""
    live = sys.stderr.isatty()

    def show(phrase: str, count: int) -> None:
        if live:
            sys.stderr.write(f"\r\x1b[2K{what}: {phrase}, {count:,} done")
            sys.stderr.flush()

    try:
        yield show
    finally:
        if live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
