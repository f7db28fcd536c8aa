"""Loss and gradients against dense autograd: every kind, selection, prefixes, skips and the losses of dead features."""

from itertools import pairwise

import pytest
import torch

from gearscope.dictionaries.training.config import STRONGEST, TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.weights import Weights, first_weights

L, D, F, P = 3, 6, 32, 50
KINDS = ("sae", "transcoder", "skip_transcoder", "clt", "crosscoder")


def begun(kind: str, selection: str, **settings) -> tuple[TrainingConfig, Weights, torch.Tensor, torch.Tensor]:
    config = TrainingConfig(kind=kind, n_features=F, k=4, selection=selection, aux_k=3, **settings)
    layout = layout_of(config, L)
    generator = torch.Generator().manual_seed(0)
    acts = torch.randn(P, len(layout.sites), D, generator=generator)
    weights = first_weights(layout, acts, generator)
    for coder in weights.coders:
        if selection == "jumprelu":
            coder.threshold = torch.rand(F, generator=generator) + 0.2
        if selection == "gated":
            coder.r_mag, coder.b_mag = torch.zeros(F), torch.zeros(F)
    for name, tensor in weights.named().items():  # nothing at its first value: zeros hide mistakes
        if not name.endswith("threshold"):
            tensor += torch.randn(tensor.shape, generator=generator) * 0.3
    return config, weights, acts, acts[:, list(layout.targets)] * 1.5 + 0.2


class Jump(torch.autograd.Function):
    """f = pre · H(pre − θ), with the pseudo-gradients of the window."""

    @staticmethod
    def forward(ctx, pre, theta, width, everywhere):
        ctx.save_for_backward(pre, theta)
        ctx.width, ctx.everywhere = width, everywhere
        return pre * (pre > theta)

    @staticmethod
    def backward(ctx, g):
        pre, theta = ctx.saved_tensors
        window = ((pre - theta).abs() < ctx.width / 2).float() * theta / ctx.width
        of_pre = g * (pre > theta) + (g * window if ctx.everywhere else 0)
        return of_pre, (-g * window).sum(0), None, None


def dense_codes(coder, read, config):
    """(f, what the gate alone lets through, what is penalised), tokens x features."""
    pre = read @ coder.W_enc.T + coder.b_enc
    if config.selection == "top_k":
        chosen = torch.zeros_like(pre).scatter(1, pre.topk(config.k, dim=1).indices, 1) > 0
        return pre * (chosen & (pre > 0)), None, None
    if config.selection == "batch_top_k":
        return pre * ((pre >= pre.flatten().topk(config.k * len(read)).values[-1]) & (pre > 0)), None, None
    if config.selection == "relu":
        return pre.relu(), None, pre.relu()
    if config.selection == "jumprelu":
        f = Jump.apply(pre, coder.threshold, config.bandwidth, config.ste_everywhere)
        return f, None, (config.tanh_scale * f).tanh()
    f = (pre > 0) * (coder.r_mag.exp() * (read @ coder.W_enc.T) + coder.b_mag).relu()
    return f, pre.relu(), pre.relu()


def dense_loss(weights: Weights, x, y, config: TrainingConfig, dead, weight: float) -> torch.Tensor:
    """The formulas of the module, with matrices tokens x features and autograd."""
    reads = [x[:, list(coder.reads)].flatten(1) for coder in weights.coders]
    codes = [dense_codes(coder, read, config) for coder, read in zip(weights.coders, reads, strict=True)]

    def squared(pick, decoders, biased=True):
        bias = weights.b_dec if biased else weights.b_dec.detach()
        out = bias.expand(len(x), *weights.b_dec.shape).clone()
        for coder, read, code, W_dec in zip(weights.coders, reads, codes, decoders, strict=True):
            here = slice(coder.writes.start, coder.writes.stop)
            out[:, here] = out[:, here] + (pick(code) @ W_dec).view(len(x), -1, D)
            if coder.W_skip is not None:
                skip = coder.W_skip if biased else coder.W_skip.detach()
                out[:, coder.writes.start] = out[:, coder.writes.start] + read @ skip.T
        return (out - y).square().sum() / (len(x) * D), out

    decoders = [coder.W_dec for coder in weights.coders]
    own = [torch.cat([W[:, :D], torch.zeros_like(W[:, D:])], 1) for W in decoders]
    sizes = sorted({*config.prefixes, F})
    prefixes = [lambda code, m=m: code[0] * (torch.arange(F) < m) for m in sizes]
    terms = [squared(prefix, decoders) for prefix in prefixes]
    out, share = terms[-1][1], config.own_share or 0.0
    loss = (1 - share) * sum(term for term, _ in terms) / len(sizes)
    if share:
        loss = loss + share * sum(squared(prefix, own)[0] for prefix in prefixes) / len(sizes)
    if config.own_first:
        alone = [squared(prefix, own)[1] - weights.b_dec for prefix in prefixes]
        rest = [whole - o + o.detach() - y for (_, whole), o in zip(terms, alone, strict=True)]
        centred = [o - y - (o - y).mean(0) for o in alone]
        loss = sum(left.square().sum() for left in rest + centred) / (len(x) * D * len(sizes))
    for code in codes:
        if code[2] is not None:
            aim = float((code[0] > 0).sum()) / len(x) / config.k - 1 if config.aims_at_k else 1.0
            loss = loss + weight * aim * code[2].sum() / len(x)
    if config.selection == "gated":
        loss = loss + squared(lambda code: code[1], [W.detach() for W in decoders], biased=False)[0]
    for coder, read, silent in zip(weights.coders, reads, dead, strict=True):
        if config.preact_weight and silent.any():
            pre = (read @ coder.W_enc.T + coder.b_enc)[:, silent]
            loss = loss + config.preact_weight * (coder.threshold[silent] - pre).relu().sum() / len(x)
    return loss + aux_loss(weights, reads, (y - out).detach(), config, dead)


def aux_loss(weights: Weights, reads, left, config: TrainingConfig, dead) -> torch.Tensor:
    again = torch.zeros_like(left)
    for coder, read, silent in zip(weights.coders, reads, dead, strict=True):
        if not silent.any():
            continue
        pre = (read @ coder.W_enc.T + coder.b_enc)[:, silent]
        k = min(config.aux_k, pre.shape[1])
        chosen = torch.zeros_like(pre).scatter(1, pre.topk(k, dim=1).indices, 1) > 0
        here = slice(coder.writes.start, coder.writes.stop)
        again[:, here] = again[:, here] + ((pre * (chosen & (pre > 0))) @ coder.W_dec[silent]).view(len(left), -1, D)
    if not any(silent.any() for silent in dead):
        return left.new_zeros(())
    return config.aux_weight * (again - left).square().sum() / (len(left) * D)


def check(config, weights, x, y, n_dead) -> None:
    n = len(weights.coders)
    dead = [torch.arange(F) < n_dead * (number != 1) for number in range(n)]
    measured = take_gradient(weights, x, y, config, [None] * n, dead, config.steps)
    tensors = weights.named()
    found = {name: tensor.grad.clone() for name, tensor in tensors.items()}
    for tensor in tensors.values():
        tensor.requires_grad_().grad = None
    loss = dense_loss(weights, x, y, config, dead, config.sparsity_weight)
    loss.backward()
    for name, tensor in tensors.items():
        scale = float(tensor.grad.abs().max())
        assert scale > 0, name
        assert float((found[name] - tensor.grad).abs().max()) < 1e-5 * max(scale, 1e-2), name
    if not n_dead:
        assert float(measured.loss) == pytest.approx(float(loss.detach()), rel=1e-5)


@pytest.mark.parametrize("selection", [*STRONGEST, "relu", "jumprelu", "gated"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_dead", [0, 2, 9])
def test_gradients_are_those_of_dense_autograd(kind, selection, n_dead):
    check(*begun(kind, selection), n_dead)


@pytest.mark.parametrize("selection", ["batch_top_k", "jumprelu"])
@pytest.mark.parametrize("prefixes", [(), (8, 20)])
@pytest.mark.parametrize("share", [0.0, 0.6, None])
def test_what_is_asked_of_the_layers_own_features(selection, prefixes, share):
    check(*begun("clt", selection, own_share=share, prefixes=prefixes), 2)


@pytest.mark.parametrize("selection", ["batch_top_k", "relu", "jumprelu", "gated"])
@pytest.mark.parametrize("kind", ["sae", "clt", "crosscoder"])
@pytest.mark.parametrize("prefixes", [(8,), (5, 12, 32), (1, 2, 31)])
def test_prefixes_are_losses_of_their_own(kind, selection, prefixes):
    check(*begun(kind, selection, prefixes=prefixes), 0)


@pytest.mark.parametrize(
    "settings",
    [{"ste_everywhere": True}, {"preact_weight": 0.2}, {"aims_at_k": False, "tanh_scale": 1.0, "bandwidth": 2.0}],
)
def test_what_jumprelu_may_have_beside(settings):
    check(*begun("clt", "jumprelu", **settings), 3 if "preact_weight" in settings else 0)


def test_fixed_penalties():
    for selection in ("relu", "gated"):
        check(*begun("transcoder", selection, aims_at_k=False), 0)


def test_what_is_measured():
    config, weights, x, y = begun("clt", "batch_top_k", own_share=0.0)
    measured = take_gradient(weights, x, y, config, [None] * L, [torch.zeros(F, dtype=torch.bool)] * L, 0)
    assert float(measured.squared_error.sum()) / (P * D) == pytest.approx(float(measured.loss), rel=1e-6)
    assert [int(fired.sum()) for fired in measured.fired] == [config.k * P] * L
    assert all(bound is not None and bound > 0 for bound in measured.bounds)
    assert [len(c.writes) for c in weights.coders] == [3, 2, 1]
    assert all(a.W_dec.shape[1] > b.W_dec.shape[1] for a, b in pairwise(weights.coders))


def test_more_features_are_kept_in_the_beginning():
    config, weights, x, y = begun("sae", "top_k", first_k=16, tokens=4096 * 100)
    none = [torch.zeros(F, dtype=torch.bool)] * L
    for step, k in ((0, 16), (25, 8), (50, 4), (99, 4)):
        fired = take_gradient(weights, x, y, config, [None] * L, none, step).fired
        assert int(fired[0].sum()) <= k * P
        assert int(fired[0].sum()) > 0.7 * k * P


def test_a_feature_near_its_threshold_is_not_counted_as_active():
    config, weights, x, y = begun("transcoder", "jumprelu", bandwidth=4.0)
    none = [torch.zeros(F, dtype=torch.bool)] * L
    fired = take_gradient(weights, x, y, config, [None] * L, none, 0).fired
    for coder, counts in zip(weights.coders, fired, strict=True):
        pre = x[:, list(coder.reads)].flatten(1) @ coder.W_enc.T + coder.b_enc
        assert torch.equal(counts, (pre > coder.threshold).sum(0))
