"""Loss and gradients against dense autograd, for every kind, selection, skip and the second loss."""

from itertools import pairwise

import pytest
import torch

from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.weights import Weights, first_weights

L, D, F, P = 3, 6, 32, 50


def begun(kind: str, selection: str) -> tuple[TrainingConfig, Weights, torch.Tensor, torch.Tensor]:
    config = TrainingConfig(kind=kind, n_features=F, k=4, selection=selection, aux_k=3)
    layout = layout_of(config, L)
    generator = torch.Generator().manual_seed(0)
    acts = torch.randn(P, len(layout.sites), D, generator=generator)
    weights = first_weights(layout, acts, generator)
    for tensor in weights.named().values():  # nothing at its first value: zeros hide mistakes
        tensor += torch.randn(tensor.shape, generator=generator) * 0.3
    return config, weights, acts, acts[:, list(layout.targets)] * 1.5 + 0.2


def dense_loss(weights: Weights, x, y, config: TrainingConfig, dead) -> torch.Tensor:
    """The formulas of the module, with matrices tokens x features and autograd."""
    out, codes = weights.b_dec.expand(len(x), *weights.b_dec.shape).clone(), []
    for coder in weights.coders:
        read = x[:, list(coder.reads)].flatten(1)
        pre = read @ coder.W_enc.T + coder.b_enc
        if config.selection == "top_k":
            chosen = torch.zeros_like(pre).scatter(1, pre.topk(config.k, dim=1).indices, 1) > 0
        else:
            chosen = pre >= pre.flatten().topk(config.k * len(x)).values[-1]
        codes.append(pre)
        written = (pre * (chosen & (pre > 0))) @ coder.W_dec
        here = slice(coder.writes.start, coder.writes.stop)
        out[:, here] = out[:, here] + written.view(len(x), -1, D)
        if coder.W_skip is not None:
            out[:, coder.writes.start] = out[:, coder.writes.start] + read @ coder.W_skip.T
    loss = (out - y).square().sum() / (len(x) * D)
    left, again = (y - out).detach(), torch.zeros_like(out)
    for coder, pre, silent in zip(weights.coders, codes, dead, strict=True):
        if not silent.any():
            continue
        pre = pre[:, silent]
        k = min(config.aux_k, pre.shape[1])
        chosen = torch.zeros_like(pre).scatter(1, pre.topk(k, dim=1).indices, 1) > 0
        here = slice(coder.writes.start, coder.writes.stop)
        again[:, here] = again[:, here] + ((pre * (chosen & (pre > 0))) @ coder.W_dec[silent]).view(len(x), -1, D)
    if any(silent.any() for silent in dead):
        loss = loss + config.aux_weight * (again - left).square().sum() / (len(x) * D)
    return loss


@pytest.mark.parametrize("selection", ["top_k", "batch_top_k"])
@pytest.mark.parametrize("kind", ["sae", "transcoder", "skip_transcoder", "clt"])
@pytest.mark.parametrize("n_dead", [0, 2, 9])
def test_gradients_are_those_of_dense_autograd(kind, selection, n_dead):
    config, weights, x, y = begun(kind, selection)
    dead = [torch.arange(F) < n_dead * (number != 1) for number in range(L)]
    measured = take_gradient(weights, x, y, config, [None] * L, dead)
    found = {name: tensor.grad.clone() for name, tensor in weights.named().items()}
    tensors = weights.named()
    for tensor in tensors.values():
        tensor.requires_grad_().grad = None
    loss = dense_loss(weights, x, y, config, dead)
    loss.backward()
    for name, tensor in tensors.items():
        scale = float(tensor.grad.abs().max())
        assert scale > 0, name
        assert float((found[name] - tensor.grad).abs().max()) < 1e-5 * max(scale, 1e-2), name
    if not n_dead:
        assert float(measured.loss) == pytest.approx(float(loss.detach()), rel=1e-5)


def test_what_is_measured():
    config, weights, x, y = begun("clt", "batch_top_k")
    measured = take_gradient(weights, x, y, config, [None] * L, [torch.zeros(F, dtype=torch.bool)] * L)
    assert float(measured.squared_error.sum()) / (P * D) == pytest.approx(float(measured.loss), rel=1e-6)
    assert [int(fired.sum()) for fired in measured.fired] == [config.k * P] * L
    assert all(bound is not None and bound > 0 for bound in measured.bounds)
    assert [len(c.writes) for c in weights.coders] == [3, 2, 1]
    assert all(a.W_dec.shape[1] > b.W_dec.shape[1] for a, b in pairwise(weights.coders))
