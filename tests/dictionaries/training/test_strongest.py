"""The kept features are exactly the largest ones, whatever the chunks, groups and bounds are."""

import pytest
import torch

from gearscope.dictionaries.training.strongest import batch_top_k, top_k

D = 8


def drawn(n_tokens: int, n_features: int, bias: float = 0.0):
    generator = torch.Generator().manual_seed(n_tokens + n_features)
    x = torch.randn(n_tokens, D, generator=generator)
    weight = torch.randn(n_features, D, generator=generator)
    b = torch.randn(n_features, generator=generator) * 0.1 + bias
    return x, weight, b, x @ weight.T + b


def as_matrix(kept, shape) -> torch.Tensor:
    out = torch.zeros(shape)
    out[kept.rows, kept.columns] = kept.values
    return out


@pytest.mark.parametrize(("n_features", "k"), [(64, 3), (64, 4), (64, 5), (50, 7), (16, 16), (160, 2)])
def test_top_k_of_every_token(n_features, k):
    x, weight, b, pre = drawn(300, n_features)
    kept = top_k(x, weight, b, k)
    expected = torch.zeros_like(pre).scatter_(1, pre.topk(k, dim=1).indices, 1) * pre.clamp(min=0)
    assert torch.allclose(as_matrix(kept, pre.shape), expected, atol=1e-5)
    assert (kept.rows.diff() >= 0).all()
    assert (kept.values > 0).all()


@pytest.mark.parametrize("bound", [None, 0.0, 1.5, 1e6])
@pytest.mark.parametrize("n_features", [64, 50])
def test_batch_top_k_does_not_depend_on_the_bound(bound, n_features):
    x, weight, b, pre = drawn(300, n_features)
    kept, handed_on = batch_top_k(x, weight, b, 3, bound)
    cut = pre.flatten().topk(3 * len(x)).values[-1]
    assert len(kept.values) == 3 * len(x)
    assert torch.allclose(as_matrix(kept, pre.shape), torch.where(pre >= cut - 1e-5, pre, 0.0), atol=1e-4)
    assert (kept.rows.diff() >= 0).all()
    assert 0 < handed_on < kept.cut


def test_the_same_entries_in_the_same_order_from_another_bound():
    """A run that is resumed has another history of bounds; its sums must still run in the same order."""
    x, weight, b, _ = drawn(300, 64)
    left, right = batch_top_k(x, weight, b, 3, None)[0], batch_top_k(x, weight, b, 3, 0.2)[0]
    assert torch.equal(left.rows, right.rows)
    assert torch.equal(left.columns, right.columns)


def test_entries_that_are_not_positive_are_never_kept():
    x, weight, b, pre = drawn(40, 32, bias=-3.0)
    kept, handed_on = batch_top_k(x, weight, b, 20, None)
    assert len(kept.values) == int((pre > 0).sum()) < 20 * 40
    assert (kept.cut, handed_on) == (0.0, 0.0)
    assert len(top_k(x, weight, b, 32).values) == int((pre > 0).sum())
