"""How many threads compute: one where sums need one order; or several, each with a whole piece of work of its own."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

J = TypeVar("J")
R = TypeVar("R")


@contextmanager
def one_thread() -> Generator[None]:
    """Compute with one thread inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_order(make: Callable[[J], R], jobs: Iterable[J], *, threads: int) -> Generator[R]:
    """`make` of each job, in their order, made ahead by so many threads of which each computes alone.

    Two products at a time are faster than one that two threads share, where products are small; and what is made does
    not depend on how many threads there are. At most `threads` results wait. Whoever takes them computes with one
    thread meanwhile: threads that share a product wait for each other in a loop, and take the cores from those here.
    """
    if threads == 1:
        yield from map(make, jobs)
        return
    inference = torch.is_inference_mode_enabled()

    def made(job: J) -> R:
        with torch.inference_mode(inference), torch.no_grad():  # neither is known to a new thread
            return make(job)

    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    waiting: deque[Future[R]] = deque()
    with one_thread():
        try:
            for job in jobs:
                waiting.append(pool.submit(made, job))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
