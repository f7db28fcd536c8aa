"""Work done ahead by threads: the same results in the same order, the caller's modes, errors and an early end."""

import threading

import pytest
import torch

from gearscope.threads import in_order, one_thread


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_the_order_of_the_jobs(threads: int) -> None:
    first_is_late = threading.Event()

    def made(job: int) -> int:
        if job == 0 and threads > 1:
            first_is_late.wait(10)
        first_is_late.set()
        return job * job

    assert list(in_order(made, range(10), threads=threads)) == [n * n for n in range(10)]


def test_each_thread_computes_alone_and_as_its_caller_does() -> None:
    def made(_: int) -> tuple[int, bool, bool]:
        return torch.get_num_threads(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    with torch.inference_mode():
        assert list(in_order(made, range(3), threads=2)) == [(1, True, False)] * 3
    assert [inference for _, inference, _ in in_order(made, range(3), threads=2)] == [False] * 3


def test_whoever_takes_results_computes_alone_meanwhile() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = in_order(lambda job: job, range(10), threads=2)
        assert {(next(found), torch.get_num_threads())[1] for _ in range(10)} == {1}
        assert list(found) == []
        assert torch.get_num_threads() == 2
        found = in_order(lambda job: job, range(10), threads=2)
        next(found)
        found.close()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_error_reaches_the_caller_and_no_further_job_begins() -> None:
    begun = []

    def made(job: int) -> int:
        begun.append(job)
        if job == 1:
            raise ValueError("one")
        return job

    found = in_order(made, range(100), threads=2)
    assert next(found) == 0
    with pytest.raises(ValueError, match="one"):
        next(found)
    assert len(begun) <= 6


def test_whoever_stops_early_waits_for_no_further_job() -> None:
    begun = []
    found = in_order(lambda job: begun.append(job), range(100), threads=2)
    next(found)
    found.close()
    assert len(begun) <= 4


def test_one_thread_is_put_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
