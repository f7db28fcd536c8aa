"""Progress on stderr. Knows nothing of what advances.

A short task has one line that is rewritten on a terminal, and silence elsewhere; training, which takes minutes, also
leaves a line every half minute where there is no terminal, so that a log tells how it goes.
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gearscope.dictionaries.training.train import Progress

_LOG_SECONDS = 30


@contextmanager
def _line() -> Generator[bool]:
    """Yield whether stderr is a terminal, whose line is then rewritten, and wiped at the end."""
    live = sys.stderr.isatty()
    try:
        yield live
    finally:
        if live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


@contextmanager
def training_lines() -> Generator[Callable[["Progress"], None]]:
    """Yield a callback that shows loss, worst NMSE, L0, dead features, tokens per second and the time left."""
    with _line() as live:
        began = time.monotonic()
        first: list[tuple[int, float]] = []
        shown = [began]

        def show(at: "Progress") -> None:
            now = time.monotonic()
            first.append((at.tokens_done, now)) if not first else None
            since_tokens, since = first[0] if now > first[0][1] else (0, began)
            rate = (at.tokens_done - since_tokens) / max(1e-9, now - since)
            left = (at.tokens - at.tokens_done) / max(1e-9, rate)
            worst = max(at.nmse, key=lambda site: at.nmse[site])
            line = (
                f"{at.tokens_done:,} of {at.tokens:,} tokens: loss {at.loss:.4f}, "
                f"NMSE {at.nmse[worst]:.2%} at {worst}, L0 {at.l0:.1f}, dead {at.dead:.1%}, "
                f"{rate:,.0f} tokens/s, {left / 60:.1f} min left"
            )
            if live:
                sys.stderr.write(f"\r\x1b[2K{line}")
            elif now - shown[0] >= _LOG_SECONDS:
                sys.stderr.write(f"{line}\n")
                shown[0] = now
            sys.stderr.flush()

        yield show


@contextmanager
def status_line(what: str) -> Generator[Callable[[str, int], None]]:
    """Yield a callback (phrase, count) that keeps one line of stderr current and wipes it at the end."""
    with _line() as live:

        def show(phrase: str, count: int) -> None:
            if live:
                sys.stderr.write(f"\r\x1b[2K{what}: {phrase}, {count:,} done")
                sys.stderr.flush()

        yield show
