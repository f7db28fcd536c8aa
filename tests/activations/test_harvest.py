"""Activations are those of one plain run of the model, without the first position."""

import pytest
import torch

from gearscope.activations.harvest import passes
from gearscope.errors import ModelError
from gearscope.models.model import wrap
from tests.oracles.counted_corpus import Counted
from tests.oracles.tiny_models import tiny

SITES = ["blocks.0.mlp_in", "blocks.1.mlp_out"]


@pytest.mark.parametrize("pass_tokens", [1, 13, 1000])
def test_against_one_run(pass_tokens):
    model, ids = wrap(tiny("llama")), Counted().take(7, None).ids
    found = torch.cat(list(passes(model, ids, SITES, pass_tokens=pass_tokens)))
    whole = model.run(ids, read=SITES).sites
    expected = torch.stack([whole[site][:, 1:].flatten(0, 1) for site in SITES], dim=1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_activations_that_are_not_finite_name_their_site():
    hf = tiny("llama")
    model = wrap(hf)
    with torch.no_grad():
        hf.model.layers[1].mlp.down_proj.weight[3, 2] = torch.nan
    with pytest.raises(ModelError, match=r"NaN or infinity at blocks\.1\.mlp_out"):
        list(passes(model, Counted().take(2, None).ids, SITES, pass_tokens=64))


def test_directions_and_slopes_come_behind_the_sites():
    model, ids = wrap(tiny("llama")), Counted().take(5, None).ids
    draw = torch.Generator().manual_seed(1)
    found = torch.cat(list(passes(model, ids, SITES, pass_tokens=13, tangents=[0], draw=draw)))
    assert found.shape[1] == 4
    assert torch.allclose(found[:, :2], torch.cat(list(passes(model, ids, SITES, pass_tokens=13))), atol=1e-6)
    x, v, moved = found[:, 0], found[:, 2], found[:, 3]
    assert abs(float(v.std()) - 1) < 0.1
    assert torch.allclose(moved, model.mlp_tangent(0, x, v), atol=1e-5)
