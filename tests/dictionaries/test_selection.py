"""Sparse triples against the activation functions written out densely."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gearscope.dictionaries.selection import select

PRE = torch.tensor([[1.0, -2.0, 0.5, 0.0], [-1.0, -3.0, -0.5, -4.0]])


def test_relu_by_hand():
    codes = select(PRE, "relu")
    assert (codes.rows.tolist(), codes.columns.tolist(), codes.values.tolist()) == ([0, 0], [0, 2], [1.0, 0.5])
    assert codes.offsets().tolist() == [0, 2]


def test_jumprelu_keeps_what_is_above_its_threshold_and_a_negative_threshold_lets_negatives_pass():
    threshold = torch.tensor([1.0, -2.5, 0.4, -1.0])
    codes = select(PRE, "jumprelu", threshold=threshold)
    assert list(zip(codes.rows.tolist(), codes.columns.tolist(), codes.values.tolist(), strict=True)) == [
        (0, 1, -2.0),
        (0, 2, 0.5),
    ], "a pre-activation equal to its threshold is off, and exact zeros are no features"


def test_topk_keeps_the_largest_even_when_they_are_negative():
    codes = select(PRE, "topk", k=2)
    assert codes.dense(4).tolist() == [[1.0, 0.0, 0.5, 0.0], [-1.0, 0.0, -0.5, 0.0]]


def dense(pre: Tensor, activation: str, k: int, threshold: Tensor) -> Tensor:
    if activation == "relu":
        return torch.where(pre > 0, pre, 0.0)
    if activation == "jumprelu":
        return pre * (pre > threshold)
    return torch.stack([torch.where(row >= row.sort(descending=True).values[k - 1], row, 0.0) for row in pre])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 5),
    n_features=st.integers(1, 9),
    activation=st.sampled_from(["relu", "jumprelu", "topk"]),
    seed=st.integers(0, 10**6),
    data=st.data(),
)
def test_triples_are_sorted_and_equal_the_dense_codes(rows, n_features, activation, seed, data):
    generator = torch.Generator().manual_seed(seed)
    pre, threshold = torch.randn(rows, n_features, generator=generator), torch.randn(n_features, generator=generator)
    k = data.draw(st.integers(1, n_features))
    codes = select(
        pre,
        activation,
        k=k if activation == "topk" else None,
        threshold=threshold if activation == "jumprelu" else None,
    )
    assert torch.equal(codes.dense(n_features), dense(pre, activation, k, threshold))
    key = codes.rows * n_features + codes.columns
    assert bool((key[1:] > key[:-1]).all())
    assert bool((codes.values != 0).all())
    assert codes.n_rows == rows


def test_no_rows_have_no_features():
    codes = select(PRE[:0], "topk", k=2)
    assert (len(codes.rows), codes.n_rows, len(codes.offsets())) == (0, 0, 0)


def test_a_threshold_without_jumprelu_is_a_broken_invariant():
    with pytest.raises(AssertionError):
        select(PRE, "relu", threshold=torch.zeros(4))
