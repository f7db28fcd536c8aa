"""A whole step with the kernels: the gradients of the reference, and the same bits again."""

import pytest
import torch

from gearscope.dictionaries.training.backend import computing_with
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.weights import Weights, first_weights

pytest.importorskip("triton", reason="kernels are tested where Triton is installed: pip install 'gearscope[gpu]'")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
L, D, F, P = 2, 6, 24, 14
CASES = {
    "a cross-layer transcoder": {"kind": "clt"},
    "top-k, a skip": {"kind": "skip_transcoder", "selection": "top_k"},
    "prefixes": {"kind": "crosscoder", "prefixes": (5, 13)},
    "thresholds": {"kind": "sae", "selection": "jumprelu", "preact_weight": 0.1},
    "gates": {"kind": "transcoder", "selection": "gated"},
    "slopes": {"kind": "transcoder", "selection": "relu", "jacobian_weight": 0.5},
}


def begun(settings: dict) -> tuple[TrainingConfig, Weights, tuple]:
    config = TrainingConfig(n_features=F, k=4, aux_k=3, **settings)
    layout, generator = layout_of(config, L), torch.Generator().manual_seed(0)
    acts = torch.randn(P, len(layout.sites), D, generator=generator).to(DEVICE)
    weights = first_weights(layout, acts, generator)
    for coder in weights.coders:
        if config.selection == "jumprelu":
            coder.threshold = torch.full((F,), 0.5, device=DEVICE)
        if config.selection == "gated":
            coder.r_mag, coder.b_mag = torch.zeros(F, device=DEVICE), torch.zeros(F, device=DEVICE)
    for name, tensor in weights.named().items():
        if not name.endswith("threshold"):
            tensor += torch.randn(tensor.shape, generator=generator).to(DEVICE) * 0.3
    dead = [torch.arange(F, device=DEVICE) < 5] * len(weights.coders)
    tangents = torch.randn(P, L, 2, D, generator=generator).to(DEVICE) if config.jacobian_weight else None
    targets = acts[:, list(layout.targets)] * 1.5 + 0.2
    n = len(weights.coders)
    return config, weights, (acts, targets, config, [None] * n, dead, config.steps, tangents)


def step_of(weights: Weights, arguments: tuple, backend: str) -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
    with computing_with(backend):
        measured = take_gradient(weights, *arguments)
    gradients = {name: tensor.grad.clone() for name, tensor in weights.named().items()}
    return gradients, [measured.loss, measured.squared_error, measured.left, *measured.fired]


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_the_reference(case):
    _, weights, arguments = begun(CASES[case])
    expected, told = step_of(weights, arguments, "stock")
    found, said = step_of(weights, arguments, "triton")
    for name, gradient in expected.items():
        scale = max(float(gradient.abs().max()), 1e-2)
        assert float((found[name] - gradient).abs().max()) < 1e-5 * scale, name
    for one, other in zip(said, told, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_same_step_gives_the_same_bits():
    _, weights, arguments = begun(CASES["a cross-layer transcoder"])
    found, said = step_of(weights, arguments, "triton")
    again, repeated = step_of(weights, arguments, "triton")
    assert all(torch.equal(found[name], again[name]) for name in found)
    assert all(torch.equal(one, other) for one, other in zip(said, repeated, strict=True))
