"""Folding is exact, and thresholds keep the number of active features that was asked for."""

import pytest
import torch

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.finish import finished, thresholds_of
from gearscope.dictionaries.training.weights import first_weights, scaling_of

L, D, F, P = 3, 6, 40, 3000


@pytest.mark.parametrize("kind", ["sae", "transcoder", "skip_transcoder", "clt"])
def test_stored_dictionaries_do_on_raw_activations_what_trained_ones_do_on_normalised_ones(kind):
    layout = layout_of(TrainingConfig(kind=kind, n_features=F, k=4), L)
    generator = torch.Generator().manual_seed(3)
    acts = torch.randn(P, len(layout.sites), D, generator=generator) * 7 + 2
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), generator)
    for tensor in weights.named().values():
        tensor += torch.randn(tensor.shape, generator=generator) * 0.3
    thresholds = thresholds_of(weights, scaling, acts.split(1000), 4)
    stored = finished(weights, scaling, layout, thresholds, model="m").dictionaries

    x = scaling.read(acts)
    expected = weights.b_dec.expand(P, -1, -1).clone()
    for coder, threshold in zip(weights.coders, thresholds, strict=True):
        pre = x[:, list(coder.reads)].flatten(1) @ coder.W_enc.T + coder.b_enc
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
    layout = layout_of(TrainingConfig(kind="sae", n_features=F, k=F), 1)
    acts = torch.randn(200, 1, D)
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), torch.Generator().manual_seed(0))
    assert thresholds_of(weights, scaling, [acts], F) == (0.0,)
