"""The loss of slopes against dense autograd, and what it is for: slopes that are right where outputs are."""

import pytest
import torch

from gearscope.dictionaries.training.codes import codes_of
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.train import train
from gearscope.dictionaries.training.weights import first_weights
from gearscope.errors import ConfigError
from tests.oracles.planted_activations import FixedSource

L, D, F, P = 2, 5, 24, 40


def gradients(weights) -> dict[str, torch.Tensor]:
    return {name: tensor.grad.clone() for name, tensor in weights.named().items() if tensor.grad is not None}


@pytest.mark.parametrize("selection", ["top_k", "batch_top_k", "relu", "jumprelu"])
@pytest.mark.parametrize("kind", ["transcoder", "skip_transcoder", "clt"])
def test_gradients_are_those_of_dense_autograd(kind, selection):
    config = TrainingConfig(kind=kind, n_features=F, k=3, selection=selection, jacobian_weight=0.7)
    layout = layout_of(config, L)
    assert (layout.tangents, layout.n_planes) == ((0, 1), 8)
    draw = torch.Generator().manual_seed(0)
    acts, tangents = torch.randn(P, len(layout.sites), D, generator=draw), torch.randn(P, L, 2, D, generator=draw)
    weights = first_weights(layout, acts, draw)
    for coder in weights.coders:
        coder.threshold = torch.full((F,), 0.3) if selection == "jumprelu" else None
    for tensor in weights.named().values():
        tensor += torch.rand(tensor.shape, generator=draw) * 0.3
    none = [torch.zeros(F, dtype=torch.bool)] * L
    call = (weights, acts, acts[:, list(layout.targets)], config, [None] * L, none, 0)
    without, first = float(take_gradient(*call).loss), gradients(weights)
    both = float(take_gradient(*call, tangents).loss)
    found = {name: grad - first[name] for name, grad in gradients(weights).items()}

    for tensor in weights.named().values():
        tensor.requires_grad_().grad = None
    loss = torch.zeros(())
    for number, coder in enumerate(weights.coders):
        with torch.no_grad():
            codes = codes_of(coder, acts, config, config.k, None)[0]
        active = torch.zeros(P, F)
        active[codes.pattern.rows, codes.pattern.columns] = (codes.values > 0).float()
        v, moved = tangents[:, number].unbind(1)
        slope = ((v @ coder.W_enc.T) * active) @ coder.W_dec[:, :D]
        slope = slope if coder.W_skip is None else slope + v @ coder.W_skip.T
        loss = loss + 0.7 * (slope - moved).square().sum() / (P * D)
    loss.backward()
    assert both - without == pytest.approx(float(loss.detach()), rel=1e-4)
    for name, tensor in weights.named().items():
        expected = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        assert torch.allclose(found[name], expected, atol=1e-5), name


def test_slopes_become_those_of_the_function(tmp_path):
    """y = relu(A x): outputs alone leave slopes that are wrong between the inputs that were seen."""
    draw = torch.Generator().manual_seed(5)
    A = torch.randn(6, D, generator=draw)
    B = torch.randn(D, 6, generator=draw)
    x, v = torch.randn(4000, D, generator=draw) + 0.3, torch.randn(4000, D, generator=draw)
    gates = (x @ A.T > 0).float()
    planes = torch.stack([x, (x @ A.T).relu() @ B.T, v, ((v @ A.T) * gates) @ B.T], dim=1)
    errors = {}
    for weight in (0.0, 1.0):
        config = TrainingConfig(
            kind="transcoder", n_features=32, k=6, jacobian_weight=weight, tokens=256 * 300, batch_tokens=256,
            clip_norm=1 / D, learning_rate=1e-2, revive_every=0,
        )  # fmt: skip
        source = FixedSource(planes if weight else planes[:, :2])
        made = train(config, layout_of(config, 1), source, [planes[:2000, :2]], tmp_path / str(weight)).dictionaries[0]
        active = made.encode(x[:, None]).dense(32) > 0
        slope = ((v @ made.W_enc[:, 0].T) * active) @ made.W_dec[:, 0]
        errors[weight] = float((slope - planes[:, 3]).square().sum() / planes[:, 3].square().sum())
    assert errors[1.0] < 0.5 * errors[0.0], errors


@pytest.mark.parametrize("changes", [{"kind": "sae"}, {"kind": "clt", "selection": "gated"}])
def test_only_transcoders_without_gates(changes):
    with pytest.raises(ConfigError, match="transcoders without gates"):
        TrainingConfig.of(jacobian_weight=0.1, **changes)
