"""Kernels of sparse products against the reference: numbers whose sums are exact, so that results must be equal."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.dictionaries.training.backend import computing_with
from gearscope.dictionaries.training.sparse import counted, decode, pattern_of, summed, transposed, value_gradient

pytest.importorskip("triton", reason="kernels are tested where Triton is installed: pip install 'gearscope[gpu]'")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def quarters(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Multiples of 1/4: their products and sums are exact in float32, in any order."""
    return (torch.randint(-8, 9, shape, generator=generator) / 4).to(DEVICE)


def compare(P: int, F: int, W: int, share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(P, F, generator=generator) < share
    kept[P // 2], kept[:, F // 3] = False, False  # a token without features, a feature without tokens
    kept[:, F // 2] |= torch.rand(P, generator=generator) < min(1.0, 3 * share)  # a feature with many
    rows, columns = kept.to(DEVICE).nonzero(as_tuple=True)
    values, more = quarters(generator, len(rows)), quarters(generator, len(rows))
    W_dec, g = quarters(generator, F, W), quarters(generator, P, W)
    with computing_with("stock"):
        pattern = pattern_of(rows, columns, P, F)
    calls: list[tuple[Callable[..., Any], tuple]] = [
        (pattern_of, (rows, columns, P, F)),
        (decode, (pattern, values, W_dec)),
        (value_gradient, (pattern, g, W_dec)),
        (transposed, (pattern, values, g)),
        (summed, (pattern, more)),
        (counted, (pattern, more > 0)),
    ]
    for function, arguments in calls:
        with computing_with("stock"):
            expected = function(*arguments)
        with computing_with("triton"):
            found = function(*arguments)
        pairs = [(found, expected)] if isinstance(found, torch.Tensor) else zip(found, expected, strict=True)
        assert all(torch.equal(one, other) for one, other in pairs), function


@pytest.mark.parametrize(
    ("P", "F", "W", "share"),
    [
        (7, 9, 5, 0.3),
        (7, 9, 5, 0.0),
        (6, 4, 1, 1.0),
        (8, 8, 128, 0.2),
        (3, 12, 130, 0.4),  # width: more than one block
        (270, 2, 4, 1.0),  # features with more entries than one program adds up
        (1, 3, 16, 1.0),
    ],
)
def test_kernels_give_what_the_reference_gives(P, F, W, share):
    compare(P, F, W, share, 0)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    st.integers(1, 12), st.integers(1, 20), st.integers(1, 40), st.sampled_from([0.02, 0.2, 0.9]), st.integers(0, 99)
)
def test_kernels_give_what_the_reference_gives_for_any_sizes(P, F, W, share, seed):
    compare(P, F, W, share, seed)


def test_matrices_need_not_be_contiguous():
    generator = torch.Generator().manual_seed(3)
    rows, columns = (torch.rand(5, 6, generator=generator) < 0.5).to(DEVICE).nonzero(as_tuple=True)
    values, wide, across = (quarters(generator, *shape) for shape in ((len(rows),), (6, 20), (9, 5)))
    for W_dec, g in ((wide[:, 3:12], across.T), (wide.T[:6, :6].T.contiguous().T, wide[:5, ::3])):
        with computing_with("stock"):
            pattern = pattern_of(rows, columns, 5, 6)
            expected = [
                decode(pattern, values, W_dec.contiguous()),
                transposed(pattern, values, g.contiguous()),
            ]
        with computing_with("triton"):
            found = [decode(pattern, values, W_dec), transposed(pattern, values, g)]
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_real_numbers_agree_to_rounding_and_two_runs_bit_for_bit():
    generator = torch.Generator().manual_seed(5)
    P, F, W = 140, 8, 24
    kept = torch.rand(P, F, generator=generator) < 0.2
    kept[:, 4] = True
    rows, columns = kept.to(DEVICE).nonzero(as_tuple=True)
    values, W_dec, g = (torch.randn(*s, generator=generator).to(DEVICE) for s in ((len(rows),), (F, W), (P, W)))
    pattern = pattern_of(rows, columns, P, F)
    calls: list[tuple[Callable[..., Any], tuple]] = [
        (decode, (values, W_dec)),
        (value_gradient, (g, W_dec)),
        (transposed, (values, g)),
    ]
    for function, arguments in calls:
        with computing_with("stock"):
            expected = function(pattern, *arguments)
        with computing_with("triton"):
            found, again = function(pattern, *arguments), function(pattern, *arguments)
        assert torch.equal(found, again)
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5)
