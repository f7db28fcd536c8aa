"""Folding is exact, and thresholds keep the number of active features that was asked for."""

import pytest
import torch

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.finish import finished, thresholds_of
from gearscope.dictionaries.training.weights import begin_selection, first_weights, scaling_of

L, D, F, P = 3, 6, 40, 3000


@pytest.mark.parametrize("kind", ["sae", "transcoder", "skip_transcoder", "clt", "crosscoder"])
def test_stored_dictionaries_do_on_raw_activations_what_trained_ones_do_on_normalised_ones(kind):
    config = TrainingConfig(kind=kind, n_features=F, k=4)
    layout = layout_of(config, L)
    generator = torch.Generator().manual_seed(3)
    acts = torch.randn(P, len(layout.sites), D, generator=generator) * 7 + 2
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), generator)
    for tensor in weights.named().values():
        tensor += torch.randn(tensor.shape, generator=generator) * 0.3
    thresholds = thresholds_of(weights, scaling, acts.split(1000), config)
    stored = finished(weights, scaling, layout, thresholds, model="m").dictionaries

    x = scaling.read(acts)
    expected = weights.b_dec.expand(P, -1, -1).clone()
    for coder, threshold in zip(weights.coders, thresholds, strict=True):
        pre = x[:, list(coder.reads)].flatten(1) @ coder.W_enc.T + coder.b_enc
        assert threshold.unique().numel() == 1
        codes = torch.where(pre > threshold, pre, 0.0)
        assert float((codes > 0).sum()) / P == pytest.approx(4, abs=0.01)
        expected[:, coder.writes.start : coder.writes.stop] += (codes @ coder.W_dec).view(P, -1, D)
        if coder.W_skip is not None:
            expected[:, coder.writes.start] += x[:, coder.reads[0]] @ coder.W_skip.T
    expected /= scaling.factor[list(layout.targets)][:, None]

    found = torch.zeros_like(expected)
    for dictionary, coder in zip(stored, weights.coders, strict=True):
        found[:, coder.writes.start : coder.writes.stop] += dictionary.reconstruct(acts[:, list(coder.reads)])
    differs = ((found - expected).abs() > 1e-3).flatten(1).any(1)
    assert differs.float().mean() < 0.002, "only where a value stands at the threshold itself"


def test_a_threshold_is_zero_where_there_are_too_few_features():
    config = TrainingConfig(kind="sae", n_features=F, k=F)
    layout = layout_of(config, 1)
    acts = torch.randn(200, 1, D)
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), torch.Generator().manual_seed(0))
    (threshold,) = thresholds_of(weights, scaling, [acts], config)
    assert not threshold.any()


def test_the_strongest_of_every_token_stay_that():
    """A threshold in their place would leave some tokens without features and give others far too many."""
    config = TrainingConfig(kind="transcoder", n_features=F, k=4, selection="top_k")
    layout = layout_of(config, 1)
    generator = torch.Generator().manual_seed(3)
    sizes = torch.logspace(-1, 1, P)[:, None, None]
    acts = torch.randn(P, 2, D, generator=generator) * sizes
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), generator)
    thresholds = thresholds_of(weights, scaling, [], config)
    (stored,) = finished(weights, scaling, layout, thresholds, k=config.k, model="m").dictionaries
    assert (stored.config.activation, stored.config.k, stored.threshold) == ("topk_relu", 4, None)
    (coder,) = weights.coders
    pre = scaling.read(acts)[:, 0] @ coder.W_enc.T + coder.b_enc
    kept = torch.zeros_like(pre).scatter(1, pre.topk(4).indices, pre.topk(4).values.relu())
    assert torch.allclose(stored.encode(acts[:, :1]).dense(F), kept, atol=1e-4)
    per_token = (kept > 0).sum(1)
    assert per_token.max() == 4
    assert per_token.double().mean() > 3.5


@pytest.mark.parametrize("selection", ["relu", "jumprelu", "gated"])
def test_own_thresholds_and_gates_are_stored_exactly(selection):
    config = TrainingConfig(kind="crosscoder", n_features=F, k=2, selection=selection)
    layout = layout_of(config, L)
    generator = torch.Generator().manual_seed(3)
    acts = torch.randn(P, L, D, generator=generator) * 7 + 2
    scaling = scaling_of(acts)
    x = scaling.read(acts)
    weights = first_weights(layout, scaling.written(acts), generator)
    begin_selection(weights, config, x)
    (coder,) = weights.coders
    pre = x.flatten(1) @ coder.W_enc.T + coder.b_enc
    lowest = config.first_threshold if selection == "jumprelu" else 0.0
    assert float((pre > lowest).float().mean()) == pytest.approx(16 / F, abs=0.01), "8 k at the start"
    for name, tensor in weights.named().items():
        if not name.endswith("W_dec"):
            tensor += torch.rand(tensor.shape, generator=generator) * 0.3
    (stored,) = finished(weights, scaling, layout, thresholds_of(weights, scaling, [], config), model="m").dictionaries
    pre = x.flatten(1) @ coder.W_enc.T + coder.b_enc
    if selection == "gated":
        codes = (pre > 0) * (coder.r_mag.exp() * (x.flatten(1) @ coder.W_enc.T) + coder.b_mag).relu()
    else:
        codes = pre.relu() if selection == "relu" else pre * (pre > coder.threshold)
    found = stored.encode(acts).dense(F)
    assert stored.config.activation == ("relu" if selection == "relu" else "jumprelu")
    assert ((found - codes).abs() > 1e-3).float().mean() < 1e-3, "only where a value stands at the threshold itself"
    assert 0.02 < float((codes > 0).float().mean()) < 0.9
