"""Scales make sites alike; the first weights are tied."""

import torch

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.weights import first_weights, scaling_of


def test_scaled_sites_have_the_same_spread():
    acts = torch.randn(4000, 2, 8) * torch.tensor([0.01, 50.0])[:, None] + torch.tensor([3.0, -7.0])[:, None]
    scaling = scaling_of(acts)
    read = scaling.read(acts)
    assert torch.allclose(read.mean(0), torch.zeros(2, 8), atol=1e-4)
    assert torch.allclose(read.square().sum(2).mean(0), torch.full((2,), 8.0), rtol=1e-4)
    assert torch.allclose(scaling.written(acts) - scaling.written(acts).mean(0), read, atol=1e-3)


def test_a_site_that_never_changes_keeps_its_scale():
    assert scaling_of(torch.ones(5, 1, 3)).factor.tolist() == [1.0]


def test_first_weights_are_tied_in_the_own_layer_and_zero_further_on():
    layout = layout_of(TrainingConfig(kind="clt", n_features=20, k=2), 3)
    first = torch.randn(100, 6, 8) + 1
    weights = first_weights(layout, first, torch.Generator().manual_seed(0))
    assert torch.equal(weights.b_dec, first.mean(0)[3:])
    for coder in weights.coders:
        assert torch.equal(coder.W_dec[:, :8], coder.W_enc)
        assert not coder.W_dec[:, 8:].any()
        assert torch.allclose(coder.W_dec.norm(dim=1), torch.ones(20))
    weights.coders[0].W_dec.mul_(3)
    weights.project()
    assert torch.allclose(weights.coders[0].W_dec.norm(dim=1), torch.ones(20))
