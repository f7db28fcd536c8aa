"""An MLP as a frozen linear map: exact at the prompt, and its adjoint is its transpose."""

import pytest
import torch

from gearscope.models.model import wrap
from gearscope.replacement.linear_mlp import LinearMlp
from tests.oracles.tiny_models import CASES, case

IDS = torch.tensor([0, 5, 9, 3, 7])


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_mlp_at_the_prompt_and_its_own_transpose(name: str) -> None:
    model = wrap(case(name, dtype=torch.float64))
    prompt = model.record(IDS)
    first, generator = prompt.n_constant_positions, torch.Generator().manual_seed(0)
    for layer, block in enumerate(prompt.blocks):
        way = LinearMlp(model.neurons(layer), block, first)
        out = way.linear(block.mlp_in) + way.constant
        torch.testing.assert_close(out[first:], block.mlp_out[first:], rtol=1e-6, atol=1e-8)
        assert not out[:first].any()
        torch.testing.assert_close(way.written + way.constant, out, rtol=1e-6, atol=1e-8)
        x = torch.randn(len(IDS), model.d_model, generator=generator, dtype=torch.float64)
        h = torch.randn(len(IDS), 3, model.d_model, generator=generator, dtype=torch.float64)
        forward = torch.einsum("ptd,pd->t", h, way.linear(x))
        torch.testing.assert_close(torch.einsum("ptd,pd->t", way.adjoint(h), x), forward)
