"""The kernels that select, against the reference: exact numbers, ties included."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.dictionaries.training.backend import computing_with
from gearscope.dictionaries.training.strongest import above, above_level, batch_top_k, largest, top_k

pytest.importorskip("triton", reason="kernels are tested where Triton is installed: pip install 'gearscope[gpu]'")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def drawn(P: int, F: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x, W_enc, b_enc in multiples of 1/4: pre-activations are exact in float32, and many are equal."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((P, width), (F, width), (F,))
    x, W_enc, b_enc = ((torch.randint(-4, 5, shape, generator=generator) / 4).to(DEVICE) for shape in shapes)
    return x, W_enc, b_enc


def in_order(rows, columns, values):
    order = (rows * (int(columns.max()) + 1 if len(columns) else 1) + columns).argsort()
    return rows[order], columns[order], values[order]


def check_above(P: int, F: int, width: int, level: float, seed: int) -> None:
    arguments = (*drawn(P, F, width, seed), level)
    with computing_with("stock"):
        expected = in_order(*above_level(*arguments))
    with computing_with("triton"):
        found = above_level(*arguments)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def check_largest(P: int, F: int, width: int, k: int, seed: int) -> None:
    x, W_enc, b_enc = drawn(P, F, width, seed)
    with computing_with("stock"):
        expected = largest(x, W_enc, b_enc, k)[0].clamp(min=0).sort(1, descending=True).values
    with computing_with("triton"):
        found, columns = largest(x, W_enc, b_enc, k)
    assert torch.equal(found, expected)
    pre = x @ W_enc.T + b_enc
    assert torch.equal(pre.gather(1, columns)[found > 0], found[found > 0])
    for row, positive in zip(columns, found > 0, strict=True):
        assert len(row[positive].unique()) == int(positive.sum())


@pytest.mark.parametrize(
    ("P", "F", "width"), [(1, 1, 1), (5, 33, 7), (64, 64, 32), (65, 130, 33), (3, 300, 70), (70, 16, 4)]
)
@pytest.mark.parametrize("level", [-1000.0, 1.25, 1000.0])
def test_all_above_a_level(P, F, width, level):
    check_above(P, F, width, level, P)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    st.integers(1, 90), st.integers(1, 200), st.integers(1, 50), st.sampled_from([0.0, 0.5, 4.0]), st.integers(0, 99)
)
def test_all_above_a_level_for_any_sizes(P, F, width, level, seed):
    check_above(P, F, width, level, seed)


def test_a_list_that_is_too_short_is_made_again(monkeypatch):
    from gearscope.dictionaries.training.kernels import encoder

    monkeypatch.setattr(encoder, "_ROOM", 1)
    check_above(20, 70, 5, 0.0, 1)
    check_largest(20, 70, 5, 2, 1)


@pytest.mark.parametrize(
    ("P", "F", "width", "k"),
    [(5, 33, 7, 1), (5, 33, 7, 2), (9, 200, 4, 12), (9, 200, 4, 13), (66, 130, 3, 8), (4, 7, 3, 7)],
)
def test_the_largest_of_each_token(P, F, width, k):
    check_largest(P, F, width, k, k)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.integers(1, 70), st.integers(1, 200), st.integers(1, 40), st.integers(1, 20), st.integers(0, 99))
def test_the_largest_of_each_token_for_any_sizes(P, F, width, k, seed):
    check_largest(P, F, width, min(k, F), seed)


def test_more_wanted_than_is_positive():
    x, W_enc, b_enc = drawn(6, 40, 5, 0)
    for some in (b_enc - 100, torch.where(torch.arange(40, device=DEVICE) < 3, 100.0, -100.0)):
        with computing_with("stock"):
            expected = in_order(*top_k(x, W_enc, some, 5)[:3])
        with computing_with("triton"):
            found = in_order(*top_k(x, W_enc, some, 5)[:3])
        assert len(found[0]) == (18 if some.max() > 50 else 0)
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("bound", [None, 0.0, 2.0, 50.0])
def test_the_largest_of_a_batch(bound):
    arguments = (*drawn(30, 100, 9, 4), 3, bound)
    with computing_with("stock"):
        expected, then = batch_top_k(*arguments)
    with computing_with("triton"):
        found, later = batch_top_k(*arguments)
    assert found.cut == expected.cut
    assert then == later
    pairs = zip(found[:3], in_order(*expected[:3]), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_bound_for_each_feature():
    x, W_enc, b_enc = drawn(20, 50, 6, 7)
    bounds = torch.linspace(-8, 8, 50, device=DEVICE).round() / 4
    with computing_with("stock"):
        expected = in_order(*above(x, W_enc, b_enc, bounds))
    with computing_with("triton"):
        found = above(x, W_enc, b_enc, bounds)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_two_runs_are_equal_bit_for_bit_and_real_numbers_to_rounding():
    generator = torch.Generator().manual_seed(0)
    x, W_enc = torch.randn(70, 40, generator=generator).to(DEVICE), torch.randn(90, 40, generator=generator).to(DEVICE)
    b_enc = torch.zeros(90, device=DEVICE)
    with computing_with("triton"):
        one, two = above_level(x, W_enc, b_enc, 9.0), above_level(x, W_enc, b_enc, 9.0)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    pre = x.double() @ W_enc.double().T
    assert torch.allclose(pre[one[0], one[1]].float(), one[2], rtol=1e-5)
    assert abs(len(one[0]) - int((pre > 9).sum())) <= 1
