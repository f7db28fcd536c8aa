"""Sparse products against the dense ones, empty tokens and silent features included."""

import pytest
import torch

from gearscope.dictionaries.training.sparse import decode, pattern_of, summed, transposed, value_gradient

P, F, W = 7, 9, 5


@pytest.fixture(params=["some", "none", "all"])
def dense(request) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    codes = torch.rand(P, F, generator=generator, dtype=torch.float64) + 0.1
    share = {"some": 0.3, "none": 0.0, "all": 1.0}[request.param]
    codes[torch.rand(P, F, generator=generator) >= share] = 0
    if request.param == "some":
        codes[2], codes[:, 4] = 0, 0  # a token without features, a feature without tokens
    return codes


def kept(dense: torch.Tensor):
    rows, columns = dense.nonzero(as_tuple=True)
    return pattern_of(rows, columns, P, F), dense[rows, columns]


def test_decode_is_the_dense_product(dense):
    pattern, values = kept(dense)
    weight = torch.randn(F, W, dtype=torch.float64)
    assert torch.allclose(decode(pattern, values, weight), dense @ weight, atol=1e-12)


def test_value_gradient_is_the_dense_product_at_the_kept_entries(dense):
    pattern, _ = kept(dense)
    g, weight = torch.randn(P, W, dtype=torch.float64), torch.randn(F, W, dtype=torch.float64)
    expected = (g @ weight.T)[pattern.rows, pattern.columns]
    assert torch.allclose(value_gradient(pattern, g, weight), expected, atol=1e-12)


def test_transposed_and_summed_are_the_dense_products(dense):
    pattern, values = kept(dense)
    x = torch.randn(P, W, dtype=torch.float64)
    assert torch.allclose(transposed(pattern, values, x), dense.T @ x, atol=1e-12)
    assert torch.allclose(summed(pattern, values), dense.sum(0), atol=1e-12)
    assert pattern.counts.tolist() == (dense != 0).sum(0).tolist()
