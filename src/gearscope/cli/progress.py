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
    from gearscope.organism.stages import StageProgress

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
def _log() -> Generator[Callable[[str], None]]:
    """Yield a callback that rewrites the line of a terminal; elsewhere it leaves a line every half minute."""
    with _line() as live:
        shown = [time.monotonic()]

        def show(line: str) -> None:
            now = time.monotonic()
            if live:
                sys.stderr.write(f"\r\x1b[2K{line}")
            elif now - shown[0] >= _LOG_SECONDS:
                sys.stderr.write(f"{line}\n")
                shown[0] = now
            sys.stderr.flush()

        yield show


class _Pace:
    """How fast a count has grown since it was first seen: a run that goes on does not begin at nothing."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def per_second(self, done: int) -> float:
        """The pace so far; 0 until the count has grown."""
        now = time.monotonic()
        if self._first is None:
            self._first = (done, now)
        count, since = self._first
        return (done - count) / max(1e-9, now - since)

    def left(self, done: int, total: int) -> str:
        """How long it takes to the end at this pace, in words."""
        rate = self.per_second(done)
        return f"{(total - done) / rate / 60:.1f} min left" if rate else "time left not known yet"


@contextmanager
def training_lines() -> Generator[Callable[["Progress"], None]]:
    """Yield a callback that shows loss, worst NMSE, L0, dead features, tokens per second and the time left."""
    with _log() as write:
        pace = _Pace()

        def show(at: "Progress") -> None:
            rate = pace.per_second(at.tokens_done)
            worst = max(at.nmse, key=lambda site: at.nmse[site])
            write(
                f"{at.tokens_done:,} of {at.tokens:,} tokens: loss {at.loss:.4f}, "
                f"NMSE {at.nmse[worst]:.2%} at {worst}, L0 {at.l0:.1f}, dead {at.dead:.1%}, "
                f"{rate:,.0f} tokens/s, {pace.left(at.tokens_done, at.tokens)}"
            )

        yield show


@contextmanager
def reading_lines() -> Generator[Callable[[str, int, int], None]]:
    """Yield a callback (stage, tokens done, of how many) that shows what is read, and the time left."""
    with _log() as write:
        paces: dict[str, _Pace] = {}

        def show(stage: str, done: int, of: int) -> None:
            left = paces.setdefault(stage, _Pace()).left(done, of)
            write(f"{stage}: {done:,} of {of:,} tokens, {left}")

        yield show


@contextmanager
def stage_lines() -> Generator[Callable[["StageProgress"], None]]:
    """Yield a callback that shows which model of how many is trained, its steps and loss, and the time left."""
    with _log() as write:
        paces: dict[str, _Pace] = {}

        def show(stage: "StageProgress") -> None:
            at, pace = stage.at, paces.setdefault(stage.part, _Pace())
            left = pace.left(at.steps_done, at.steps)
            write(
                f"{stage.part} ({stage.number} of {stage.count}): {at.steps_done:,} of {at.steps:,} steps, "
                f"loss {at.loss:.3f}, {left}"
            )

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


@contextmanager
def counting_line(what: str) -> Generator[Callable[[str, int], None]]:
    """The same for a callback (phrase, how much more of it is done)."""
    done: dict[str, int] = {}
    with status_line(what) as show:

        def count(phrase: str, more: int) -> None:
            done[phrase] = done.get(phrase, 0) + more
            show(phrase, done[phrase])

        yield count
