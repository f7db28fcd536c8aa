"""Dictionaries that write what they read begin as loud as fits best, and select what they selected before."""

import pytest
import torch

from gearscope.dictionaries.training.begin import fit_loudness
from gearscope.dictionaries.training.codes import codes_of
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.sparse import decode
from gearscope.dictionaries.training.weights import first_weights, scaling_of


def begun(kind: str, selection: str):
    config = TrainingConfig(kind=kind, n_features=64, k=6, selection=selection)
    layout = layout_of(config, 2)
    draw = torch.Generator().manual_seed(1)
    acts = torch.randn(300, len(layout.sites), 8, generator=draw) + 1
    scaling = scaling_of(acts)
    x, y = scaling.read(acts), scaling.written(acts)[:, list(layout.targets)]
    return config, first_weights(layout, scaling.written(acts), draw), x, y


def error(coder, config, x, wanted, loudness: float) -> float:
    coded, _ = codes_of(coder, x, config, config.k, None)
    written = decode(coded.pattern, coded.values * loudness, coder.W_dec)
    return float((wanted - written).square().sum())


@pytest.mark.parametrize("selection", ["top_k", "batch_top_k"])
@pytest.mark.parametrize("kind", ["sae", "crosscoder"])
def test_no_other_loudness_fits_better(kind, selection):
    config, weights, x, y = begun(kind, selection)
    before = [codes_of(coder, x, config, config.k, None)[0] for coder in weights.coders]
    fit_loudness(weights, config, x, y)
    for coder, old in zip(weights.coders, before, strict=True):
        wanted = (y - weights.b_dec)[:, coder.writes.start : coder.writes.stop].flatten(1)
        best = error(coder, config, x, wanted, 1.0)
        assert best < wanted.square().sum()
        assert best < min(error(coder, config, x, wanted, other) for other in (0.9, 1.1))
        new = codes_of(coder, x, config, config.k, None)[0]
        assert torch.equal(new.pattern.rows, old.pattern.rows)
        assert torch.equal(new.pattern.columns, old.pattern.columns)


@pytest.mark.parametrize(("kind", "selection"), [("transcoder", "top_k"), ("clt", "batch_top_k"), ("sae", "relu")])
def test_others_are_left_alone(kind, selection):
    config, weights, x, y = begun(kind, selection)
    before = [coder.W_enc.clone() for coder in weights.coders]
    fit_loudness(weights, config, x, y)
    assert all(torch.equal(coder.W_enc, old) for coder, old in zip(weights.coders, before, strict=True))
