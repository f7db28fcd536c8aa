"""CPU seconds and memory of one piece of work, the floor under attribution rows, and this machine's speed.

    with Measured() as measured:
        ...
        measured.mark("load")       # CPU seconds since the last mark, by name
    measured.found()                {"load": ..., "cpu_seconds": ..., "seconds": ..., "extra_mib": ...}

    laps = Laps()                   # of a loop that others run
    laps.mark()                     # whenever it asks for its next batch
    laps.found()                    {"laps": [CPU seconds between marks, ...], "extra_mib": up to the last mark}

CPU time is the whole process', so that waiting on a busy machine does not count. `extra_mib` is the peak of resident
memory beyond what was resident at the start (Linux, whose process files reset the peak). Standard library only, until
`product_rate` is called: another program's environment runs this file too.
"""

import threading
import time
from pathlib import Path
from typing import Any

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(field: str) -> float:
    """VmRSS (now), VmHWM (peak since the last reset), RssFile (pages of files) or RssAnon (others), MiB."""
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


class Measured:
    """A `with` block's CPU seconds, seconds and extra peak memory."""

    cpu_seconds = seconds = extra_mib = float("nan")

    def __enter__(self) -> "Measured":
        self._marks: dict[str, float] = {}
        _RESET.write_text("5", encoding="ascii")
        self._resident = resident("VmRSS")
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_seconds = time.process_time() - self._cpu
        self.seconds = time.perf_counter() - self._wall
        self.extra_mib = resident("VmHWM") - self._resident

    def mark(self, name: str) -> None:
        self._marks[name] = time.process_time() - self._cpu - sum(self._marks.values())

    def found(self) -> dict[str, float]:
        return self._marks | {"cpu_seconds": self.cpu_seconds, "seconds": self.seconds, "extra_mib": self.extra_mib}


class Private:
    """The peak of memory that is no page of a file, beyond that at the start, MiB: looked at every few milliseconds.

    Pages of mapped files count as resident as long as nobody needs their place.
    """

    extra_mib = float("nan")

    def __enter__(self) -> "Private":
        self._first = self._most = resident("RssAnon")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.extra_mib = self._most - self._first

    def _look(self) -> None:
        while not self._ended.wait(0.005):
            self._most = max(self._most, resident("RssAnon"))


class Laps:
    """CPU seconds from each mark to the next, and the extra peak memory up to the last one.

    Pages of files (the code of libraries that is touched for the first time) do not count as extra.
    """

    def __init__(self) -> None:
        _RESET.write_text("5", encoding="ascii")
        self._begin = self._peak = resident("RssAnon")
        self._times: list[float] = []

    def mark(self) -> None:
        self._peak = resident("VmHWM") - resident("RssFile") - resident("RssShmem")
        self._times.append(time.process_time())

    def found(self) -> dict[str, Any]:
        laps = [end - begin for begin, end in zip(self._times, self._times[1:], strict=False)]
        return {"laps": laps, "extra_mib": self._peak - self._begin}


def product_rate() -> float:
    """Multiply-adds per CPU second of one large float32 matrix product on one thread, the best of five."""
    import torch

    torch.set_num_threads(1)
    n, best = 2048, float("inf")
    a, b = torch.randn(n, n), torch.randn(n, n)
    for _ in range(5):
        begin = time.process_time()
        a @ b
        best = min(best, time.process_time() - begin)
    return n**3 / best


def row_cost(layer: int, position: int, sources: int, d_model: int) -> int:
    """Multiply-adds of one row: W_O and W_V at every position of each layer of the cone, and one product per source.

    Of the row's own layer, W_O acts on its own position only.
    """
    attention = (layer + 1) * 2 * (position + 1) * d_model**2 - position * d_model**2
    return attention + sources * d_model
