"""Jobs on some threads, that Ctrl-C ends: what is under way gets some seconds, the rest is dropped. No torch."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
_GRACE_SECONDS = 5.0


def run_all(jobs: Sequence[Callable[[], T]], *, workers: int, stopped: threading.Event) -> list[T]:
    """What the jobs return, in order. What one of them raises ends all, and so does Ctrl-C; `stopped` is set then.

    Threads are daemons: an interpreter that ends waits for no host.
    """
    todo: queue.SimpleQueue[tuple[int, Callable[[], T]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()
    for pair in enumerate(jobs):
        todo.put(pair)

    def work() -> None:
        while not stopped.is_set():
            try:
                number, job = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((number, job(), None))
            except BaseException as error:
                stopped.set()
                done.put((number, None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(jobs)))]
    results: list[Any] = [None] * len(jobs)
    try:
        for thread in threads:
            thread.start()
        for _ in jobs:
            number, results[number], error = done.get()
            if error is not None:
                raise error
    except BaseException:
        stopped.set()
        until = time.monotonic() + _GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        raise
    return results
