"""A step is where the activations are. The device `meta` has no numbers, and refuses tensors of other devices."""

import pytest
import torch

from gearscope.dictionaries.training import codes, sparse
from gearscope.dictionaries.training.config import TrainingConfig, layout_of
from gearscope.dictionaries.training.gradient import take_gradient
from gearscope.dictionaries.training.strongest import Kept
from gearscope.dictionaries.training.weights import begin_selection, first_weights, numbers_on, scaling_of

F, P, D = 32, 64, 6


@pytest.fixture
def sizes_known(monkeypatch):
    """Selections and counts whose sizes depend on numbers, with made-up ones on the device of what they are given."""

    def some(x, *_):
        entries = torch.zeros(100, dtype=torch.int64, device=x.device)
        return Kept(entries, entries.clone(), x.new_ones(100), 0.0)

    monkeypatch.setattr(codes, "above", lambda *given: some(*given)[:3])
    monkeypatch.setattr(codes, "top_k", some)
    monkeypatch.setattr(codes, "batch_top_k", lambda *given: (some(*given), 1.0))
    monkeypatch.setattr(codes, "counted", lambda pattern, _: torch.zeros_like(pattern.counts))
    monkeypatch.setattr(
        sparse.torch,
        "bincount",
        lambda numbers, minlength: torch.zeros(minlength, dtype=torch.int64, device=numbers.device),
    )


@pytest.mark.usefixtures("sizes_known")
@pytest.mark.parametrize("selection", ["batch_top_k", "top_k", "jumprelu", "gated", "relu"])
@pytest.mark.parametrize("kind", ["clt", "skip_transcoder", "crosscoder"])
def test_weights_and_gradients_are_where_the_activations_are(kind, selection):
    config = TrainingConfig(kind=kind, n_features=F, k=4, selection=selection, aux_weight=0, aims_at_k=False)
    layout = layout_of(config, 2)
    acts = torch.empty(P, len(layout.sites), D, device="meta")
    scaling = scaling_of(acts)
    weights = first_weights(layout, scaling.written(acts), torch.Generator().manual_seed(0))
    begin_selection(weights, config, scaling.read(acts))
    y = scaling.written(acts)[:, numbers_on(acts.device, layout.targets)]
    dead = [torch.zeros(F, dtype=torch.bool, device="meta") for _ in weights.coders]
    measured = take_gradient(weights, scaling.read(acts), y, config, [None] * len(weights.coders), dead, 0)
    torch.nn.utils.clip_grad_norm_(list(weights.named().values()), 1.0)
    weights.project()
    for tensor in weights.named().values():
        assert tensor.device.type == "meta"
        assert tensor.grad is not None
        assert tensor.grad.shape == tensor.shape
    assert measured.left.device.type == "meta"
