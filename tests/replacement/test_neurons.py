"""The neuron basis against the MLP it rewrites, and the half rule against its definition."""

import pytest
import torch

from gearscope.errors import TargetError
from gearscope.ids import FeatureAt
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.model import Model, wrap
from gearscope.replacement.neurons import Neurons, frozen_slope, neuron_replacement
from tests.oracles.tiny_models import FAMILIES, tiny

IDS = torch.tensor([0, 5, 9, 3, 7])


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest) -> tuple[Model, FrozenPrompt]:
    model = wrap(tiny(request.param, dtype=torch.float64, n_layers=3))
    return model, model.record(IDS)


def rewrite(case: tuple[Model, FrozenPrompt], most: int | None = None) -> Neurons:
    model, prompt = case
    return neuron_replacement(prompt, [model.neurons(layer) for layer in range(model.n_layers)], most)


@pytest.mark.parametrize("most", [None, 1, 7])
def test_writes_bias_and_error_make_the_mlp_output(case, most: int | None) -> None:
    prompt, neurons = case[1], rewrite(case, most)
    for layer, block in enumerate(prompt.blocks):
        for position in range(prompt.n_constant_positions, prompt.n_positions):
            bias = neurons.bias[layer]
            total = (bias if bias.ndim == 1 else bias[position]).clone()
            for write in neurons.writes(layer, position):
                total += write.activation @ write.vectors
            if neurons.error is not None:
                total += neurons.error[layer, position]
            torch.testing.assert_close(total, block.mlp_out[position], rtol=1e-9, atol=1e-9)


def test_no_error_when_all_neurons_are_features(case) -> None:
    assert rewrite(case).error is None


def test_most_keeps_the_neurons_that_write_most(case) -> None:
    (model, few_prompt), whole, few = case, rewrite(case), rewrite(case, 4)
    for layer in range(model.n_layers):
        experts, routing = model.neurons(layer).experts, few_prompt.blocks[layer].routing
        W_out = torch.cat([expert.W_out for expert in experts])
        for position in range(1, len(IDS)):
            here, kept = whole.active.at(layer, position), few.active.at(layer, position)
            weights = torch.ones(1).double() if routing is None else routing[position]
            norm = (W_out * weights.repeat_interleave(len(W_out) // len(experts))[:, None]).norm(dim=1)
            strength = whole.active.activation[here].abs() * norm[whole.active.index[here]]
            best = whole.active.index[here][strength.topk(4).indices]
            assert sorted(few.active.index[kept].tolist()) == sorted(best.tolist())


def test_constant_position_has_no_features(case) -> None:
    assert case[1].n_constant_positions == 1
    assert int(rewrite(case).active.position.min()) == 1


def test_reading_the_input_gives_the_value(case) -> None:
    prompt, neurons = case[1], rewrite(case)
    for layer in range(prompt.n_layers):
        here = neurons.active.at(layer, 3)
        read = neurons.read(torch.arange(here.start, here.stop))
        value = read.vectors @ prompt.blocks[layer].mlp_in[3] + read.constant
        torch.testing.assert_close(value, neurons.active.value[here], rtol=1e-9, atol=1e-9)


def test_half_rule_gives_each_factor_half(case) -> None:
    """Moving only what the gate reads, or only what the other factor reads, moves the frozen product by half."""
    model, prompt = case
    experts = model.neurons(1).experts
    if experts[0].W_gate is None:
        pytest.skip("this family's MLP has no gate")
    neurons = rewrite(case)
    here = neurons.active.at(1, 2)
    read, index = neurons.read(torch.arange(here.start, here.stop)), neurons.active.index[here]
    x = prompt.blocks[1].mlp_in[2]
    direction = torch.randn(len(x), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = []
    for mlp in experts:
        gate = torch.nn.functional.linear(x, mlp.W_gate, mlp.b_gate)
        up = torch.nn.functional.linear(x, mlp.W_in, mlp.b_in)
        factor, moved = up, mlp.W_in @ direction
        if model.anatomy.hf.config.model_type == "gpt_oss":  # (clamp(u) + 1): the one moves nothing
            factor, moved = up.clamp(-0.8, 0.8) + 1, moved * up.clamp(-0.8, 0.8) / up
        through_gate = 0.5 * mlp.act(gate) / gate * (mlp.W_gate @ direction) * factor
        expected.append(through_gate + 0.5 * mlp.act(gate) * moved)
    torch.testing.assert_close(read.vectors @ direction, torch.cat(expected)[index])


def test_reading_does_not_depend_on_the_order(case) -> None:
    neurons = rewrite(case)
    here = neurons.active.at(1, 2)
    chosen = torch.arange(here.start, here.stop)
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))
    whole, shuffled = neurons.read(chosen), neurons.read(chosen[order])
    torch.testing.assert_close(shuffled.vectors, whole.vectors[order])
    torch.testing.assert_close(shuffled.constant, whole.constant[order])


def test_neurons_of_experts_stand_side_by_side(case) -> None:
    """Only those of chosen experts are active, and the router's weight is part of what they write."""
    (model, prompt), neurons = case, rewrite(case)
    for layer, block in enumerate(prompt.blocks):
        mlp = model.neurons(layer)
        width = mlp.experts[0].n_neurons
        for position in range(1, len(IDS)):
            here = neurons.active.at(layer, position)
            found = (neurons.active.index[here] // width).unique().tolist()
            chosen = [0] if block.routing is None else block.routing[position].nonzero()[:, 0].tolist()
            assert found == chosen
            for number, write in zip(chosen, neurons.writes(layer, position), strict=True):
                weight = 1.0 if block.routing is None else block.routing[position, number]
                index = neurons.active.index[neurons.active.by_column[write.columns]] - number * width
                torch.testing.assert_close(write.vectors, weight * mlp.experts[number].W_out[index])


def test_slope_is_continued_to_zero() -> None:
    x = torch.tensor([0.0, 1e-9, 2.0], dtype=torch.float64)
    slope = frozen_slope(torch.nn.SiLU(), x)
    assert slope.isfinite().all()
    assert slope[0] == pytest.approx(0.5, abs=1e-4)
    assert slope[2] == pytest.approx(torch.sigmoid(x[2]).item())


def test_take_keeps_the_chosen(case) -> None:
    neurons = rewrite(case)
    chosen = torch.arange(0, len(neurons.active), 3)
    fewer = neurons.take(chosen)
    assert torch.equal(fewer.active.activation, neurons.active.activation[chosen])
    for layer in range(case[1].n_layers):
        for position in range(len(IDS)):
            here = fewer.active.at(layer, position)
            assert (fewer.active.layer[here] == layer).all()
            assert (fewer.active.position[here] == position).all()


def test_features_are_found_by_name(case) -> None:
    neurons = rewrite(case)
    for number in (0, len(neurons.active) // 2, len(neurons.active) - 1):
        active = neurons.active
        name = FeatureAt(int(active.layer[number]), int(active.index[number]), int(active.position[number]))
        assert active.find(name) == number
    with pytest.raises(TargetError, match="not active"):
        neurons.active.find(FeatureAt(0, 0, 0))
