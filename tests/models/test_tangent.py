"""Slopes of MLPs against finite differences of the model's own run, in float64, for every family."""

import pytest
import torch

from gearscope.ids import SiteId
from gearscope.models.model import wrap
from gearscope.models.sites import Edit
from tests.oracles.tiny_models import FAMILIES, prompt, tiny

IN_FLOAT32 = ("gemma2", "gemma3_text", "mixtral", "qwen3_moe")
"""Families with a norm or a router that computes in float32 whatever the model is in."""


@pytest.mark.parametrize("family", FAMILIES)
def test_slopes_are_those_of_finite_differences(family):
    model = wrap(tiny(family).double())
    step, tolerance = (1e-3, 2e-3) if family in IN_FLOAT32 else (1e-6, 1e-6)
    ids = prompt()
    site, out = "blocks.1.mlp_in", "blocks.1.mlp_out"
    x = model.run(ids, read=[site]).sites[site]
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    ends = []
    for sign in (1, -1):
        moved = Edit(site=SiteId.parse(site), value=x + sign * step * v)
        ends.append(model.run(ids, edits=[moved], read=[out]).sites[out])
    assert torch.allclose(model.mlp_tangent(1, x, v), (ends[0] - ends[1]) / (2 * step), rtol=tolerance, atol=tolerance)
