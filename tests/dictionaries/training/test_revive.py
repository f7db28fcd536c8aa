"""A revived feature writes what was missing on one token, and is silent on inputs that are unlike it or lack that."""

import pytest
import torch

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.revive import revive
from gearscope.dictionaries.training.schedule import make_optimizer
from gearscope.dictionaries.training.weights import first_weights

D, F, P = 8, 12, 30


def begun(kind: str = "clt"):
    config = TrainingConfig(kind=kind, n_features=F, k=2)
    generator = torch.Generator().manual_seed(2)
    layout = layout_of(config, 2)
    weights = first_weights(layout, torch.randn(P, len(layout.sites), D, generator=generator), generator)
    optimizer = make_optimizer(config, weights.named().values())
    for tensor in weights.named().values():
        tensor.grad = torch.randn(tensor.shape, generator=generator)
    optimizer.step()
    x = torch.randn(P, len(layout.sites), D, generator=generator)
    return weights, optimizer, x, torch.randn(P, 2, D, generator=generator)


def test_only_dead_features_change_and_each_stands_for_one_token():
    weights, optimizer, x, left = begun()
    before = {name: tensor.clone() for name, tensor in weights.named().items()}
    dead = [torch.arange(F) % 4 == 1, torch.zeros(F, dtype=torch.bool)]
    revive(weights, optimizer, x, left, dead, torch.Generator().manual_seed(0))
    changed, kept = weights.coders
    assert all(torch.equal(tensor, before[f"1.{name}"]) for name, tensor in kept.named().items())
    assert torch.equal(changed.W_enc[~dead[0]], before["0.W_enc"][~dead[0]])
    pre = x[:, 0] @ changed.W_enc.T + changed.b_enc
    cosine = torch.nn.functional.normalize(x[:, 0], dim=1)
    for feature in dead[0].nonzero()[:, 0].tolist():
        missing = left.flatten(1)
        token = int((missing @ changed.W_dec[feature] / missing.norm(dim=1)).argmax())
        assert torch.allclose(pre[token, feature] * changed.W_dec[feature], missing[token], atol=1e-4)
        same_size = cosine * x[token, 0].norm()
        others = same_size @ changed.W_enc[feature] + changed.b_enc[feature]
        assert bool((others[(cosine @ cosine[token]) < 0.69] < 0).all())
        assert not optimizer.state[changed.W_dec]["exp_avg"][feature].any()
        assert not optimizer.state[changed.W_enc]["exp_avg_sq"][feature].any()
    assert optimizer.state[changed.W_enc]["exp_avg"][~dead[0]].any()


@pytest.mark.parametrize("kind", ["sae", "crosscoder"])
def test_where_the_same_is_read_and_written_a_feature_reads_what_it_writes(kind):
    """It fires where at least the share 0.3 of what was missing is in the input, whatever else is there."""
    weights, optimizer, x, left = begun(kind)
    x[:, :, 0] += 100  # what all tokens have in common
    left[:, :, 0] = 0
    dead = [torch.ones(F, dtype=torch.bool)] * len(weights.coders)
    revive(weights, optimizer, x, left, dead, torch.Generator().manual_seed(0))
    for coder in weights.coders:
        missing = left[:, coder.writes.start : coder.writes.stop].flatten(1)
        read = x[:, list(coder.reads)].flatten(1)
        cosine = coder.W_dec @ torch.nn.functional.normalize(missing, dim=1).T
        assert torch.allclose(cosine.amax(1), torch.ones(F), atol=1e-5)
        size = missing.norm(dim=1)[cosine.argmax(1)]
        expected = (read @ coder.W_dec.T - 0.3 * size) / 0.7
        assert torch.allclose(read @ coder.W_enc.T + coder.b_enc, expected, atol=1e-3)


def test_tokens_without_error_are_not_drawn():
    weights, optimizer, x, left = begun()
    left[5:] = 0
    dead = [torch.ones(F, dtype=torch.bool)] * 2
    revive(weights, optimizer, x, left, dead, torch.Generator().manual_seed(0))
    directions = torch.nn.functional.normalize(left[:5].flatten(1), dim=1)
    new = weights.coders[0].W_dec[:5]
    assert torch.allclose((new @ directions.T).amax(1), torch.ones(5), atol=1e-5)
    assert all(torch.isfinite(tensor).all() for tensor in weights.named().values())
