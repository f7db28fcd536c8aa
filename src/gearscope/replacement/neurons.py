"""The neuron basis: every MLP neuron is a feature. It needs no training and leaves no error.

    plain MLP    f = act(z), z = W_in x + b_in        reads W_in; its row sums to the pre-activation z
    gated MLP    f = act(g) · h(u), g = W_gate x, u = W_in x, h the identity in most families

A gated neuron is not linear in x even when act is frozen. The RelP half rule (Jafari et al. 2025; the LRP rule for
products) takes act(g) ≈ (act(g)/g) · g and h(u) ≈ ((h(u) − h(0))/u) · u + h(0) with both ratios frozen, and gives each
factor half of the product:

    reads ½ [ (act(g)/g) · h(u) · W_gate + act(g) · ((h(u) − h(0))/u) · W_in ],   constant ½ act(g) · h(0),

whose row sums to the activation f itself, clamped or not. Routed experts: their neurons stand side by side, those of
experts that the prompt did not choose are zero, and the router's weight (frozen) is part of what a neuron writes.

Knows nothing about targets or graphs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gearscope.models.frozen import FrozenPrompt
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.replacement.replacement import Active, Read, ReadPlace, Way, Write, WritePlace

Mlp = MlpWeights | ExpertWeights

_SLOPE_STEP = 1e-4


def neuron_replacement(prompt: FrozenPrompt, mlps: Sequence[Mlp], most: int | None = None) -> "Neurons":
    """Rewrite the MLPs of `prompt` in their own neurons. Neurons that are exactly zero are not features.

    With `most`, only so many neurons per token and layer are features, those that write most (|f| · ‖W_out‖, times the
    weight of their expert); the sum of the others is the basis' error there, so that nothing is lost and rows still sum
    to their values.
    """
    assert len(mlps) == prompt.n_layers
    parts = [_layer_codes(prompt, layer, mlp, most) for layer, mlp in enumerate(mlps)]
    layer, position, index, activation, value = (torch.cat(column) for column in zip(*parts, strict=True))
    active = Active.build(
        layer, position, index, activation, value, n_layers=prompt.n_layers, n_positions=prompt.n_positions
    )
    neurons = Neurons(
        active=active,
        bias=_biases(prompt, mlps),
        mlps=tuple(mlps),
        mlp_in=torch.stack([block.mlp_in for block in prompt.blocks]),
        routing=tuple(block.routing for block in prompt.blocks),
        error=None,
    )
    return neurons if most is None else replace(neurons, error=_unwritten(prompt, neurons))


def _biases(prompt: FrozenPrompt, mlps: Sequence[Mlp]) -> Float[Tensor, "L *P D"]:
    """What each MLP writes whatever its neurons are; by position where experts with biases are routed by position."""
    zero, found = prompt.W_U.new_zeros(prompt.d_model), []
    for block, mlp in zip(prompt.blocks, mlps, strict=True):
        bias = zero if mlp.b_out is None else mlp.b_out
        found.append(bias if bias.ndim == 1 or block.routing is None else block.routing @ bias)
    if all(bias.ndim == 1 for bias in found):
        return torch.stack(found)
    return torch.stack([bias.expand(prompt.n_positions, -1) for bias in found])


def _layer_codes(prompt: FrozenPrompt, layer: int, mlp: Mlp, most: int | None) -> tuple[Tensor, ...]:
    """(layer, position, index, activation, value) of the neurons of one layer that are features."""
    first, block = prompt.n_constant_positions, prompt.blocks[layer]
    x, routing = block.mlp_in[first:], None if block.routing is None else block.routing[first:]
    acts_PF = x.new_zeros(len(x), mlp.n_neurons)
    value_PF, weight_PF = torch.zeros_like(acts_PF), torch.ones_like(acts_PF)
    width = mlp.experts[0].n_neurons
    for number, expert in enumerate(mlp.experts):
        here = slice(number * width, (number + 1) * width)
        rows = torch.arange(len(x), device=x.device)
        if routing is not None:
            weight_PF[:, here] = routing[:, number, None]
            rows = routing[:, number].nonzero()[:, 0]
        up, gate = expert.pre_activations(x[rows])
        acts = expert.act(up) if gate is None else expert.act(gate) * expert.factor(up)
        acts_PF[rows, here] = acts
        value_PF[rows, here] = up if gate is None else acts
    chosen_PF = acts_PF != 0
    if most is not None and most < acts_PF.shape[1]:
        norms = torch.cat([expert.W_out.norm(dim=1) for expert in mlp.experts])
        strongest = ((acts_PF * weight_PF).abs() * norms).topk(most, dim=1).indices
        chosen_PF &= torch.zeros_like(chosen_PF).scatter_(1, strongest, True)
    position, index = chosen_PF.nonzero(as_tuple=True)
    activation, value = acts_PF[position, index], value_PF[position, index]
    return torch.full_like(position, layer), position + first, index, activation, value


def _unwritten(prompt: FrozenPrompt, neurons: "Neurons") -> Float[Tensor, "L P D"]:
    """The MLP outputs less the bias and what the chosen neurons write; zero at constant positions."""
    first = prompt.n_constant_positions
    bias = neurons.bias if neurons.bias.ndim == 3 else neurons.bias[:, None]
    error = torch.stack([block.mlp_out for block in prompt.blocks]) - bias
    error[:, :first] = 0
    for layer in range(prompt.n_layers):
        for position in range(first, prompt.n_positions):
            for write in neurons.writes(layer, position):
                error[layer, position] -= write.activation @ write.vectors
    return error


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """A prompt in the neuron basis. Fulfils `Replacement`."""

    active: Active
    bias: Float[Tensor, "L *P D"]
    mlps: tuple[Mlp, ...]
    mlp_in: Float[Tensor, "L P D"]
    routing: tuple[Float[Tensor, "P X"] | None, ...]
    """By layer: the weights of experts, None for dense layers."""
    error: Float[Tensor, "L P D"] | None

    @property
    def reads_at(self) -> ReadPlace:
        """Behind the norm."""
        return "mlp_in"

    @property
    def writes_at(self) -> WritePlace:
        """Before the norm that may follow."""
        return "before_post_norm"

    @cached_property
    def _runs(self) -> list[list[int]]:
        """Where the columns of each expert's neurons begin, and the last one's end, by layer and position."""
        active, found = self.active, []
        for layer, mlp in enumerate(self.mlps):
            width = mlp.experts[0].n_neurons
            edges = torch.arange(len(mlp.experts) + 1, device=active.index.device) * width
            for position in range(active.bounds.shape[1] - 1):
                start = active.columns(position, layer, layer).start
                stops = torch.searchsorted(active.index[active.at(layer, position)], edges)
                found.append((start + stops).tolist())
        return found

    @cached_property
    def _by_column(self) -> tuple[Int[Tensor, " K"], Float[Tensor, " K"]]:
        order = self.active.by_column
        return self.active.index[order], self.active.activation[order]

    def writes(self, layer: int, position: int) -> Iterable[Write]:
        """The neurons of `layer` at `position`, and no others: one run for each of its experts."""
        index, activation = self._by_column
        experts, routing = self.mlps[layer].experts, self.routing[layer]
        width = experts[0].n_neurons
        edges = self._runs[layer * (self.active.bounds.shape[1] - 1) + position]
        for number, (expert, start, stop) in enumerate(zip(experts, edges, edges[1:], strict=False)):
            if stop > start:
                some = index[start:stop]
                vectors = expert.W_out if len(some) == width else expert.W_out[some - number * width]
                vectors = vectors if routing is None else vectors * routing[position, number]
                yield Write(slice(start, stop), vectors, activation[start:stop])

    def read(self, chosen: Int[Tensor, " T"]) -> Read:
        """Rows of W_in, or the half rule's mixture of W_gate and W_in."""
        layer = int(self.active.layer[chosen[0]])
        some = self.mlps[layer].rows(self.active.index[chosen])
        zero = some.W_in.new_zeros(len(chosen))
        b_in = zero if some.b_in is None else some.b_in
        if some.W_gate is None:
            return Read(some.W_in, b_in)
        b_gate = zero if some.b_gate is None else some.b_gate
        x = self.mlp_in[layer, self.active.position[chosen]]
        up, gate = (some.W_in * x).sum(1) + b_in, (some.W_gate * x).sum(1) + b_gate
        through_gate, through_up, constant = halves(some, up, gate)
        vectors = through_gate[:, None] * some.W_gate + through_up[:, None] * some.W_in
        return Read(vectors, through_gate * b_gate + through_up * b_in + constant)

    def way(self, layer: int) -> Way | None:
        """None: neurons are the whole MLP."""
        del layer

    def stream(self, layer: int) -> Float[Tensor, "P D"] | None:
        """None: the residual stream stays as it is."""
        del layer

    def take(self, chosen: Int[Tensor, " C"]) -> "Neurons":
        """The same prompt with only the chosen neurons."""
        return replace(self, active=self.active.take(chosen))


class Halves(NamedTuple):
    """The half rule's factors: a gated neuron is `through_gate · g + through_up · u + constant`."""

    through_gate: Float[Tensor, "*P F"]
    through_up: Float[Tensor, "*P F"]
    constant: Float[Tensor, "*P F"]


def halves(mlp: MlpWeights, up: Float[Tensor, "*P F"], gate: Float[Tensor, "*P F"]) -> Halves:
    """Both factors of gated neurons with their ratios frozen, each given half of the product."""
    half_act = 0.5 * mlp.act(gate)
    through_gate = 0.5 * frozen_slope(mlp.act, gate) * mlp.factor(up)
    through_up = half_act if mlp.up_act is None else half_act * frozen_slope(mlp.up_act, up)
    return Halves(through_gate, through_up, half_act * mlp.factor(torch.zeros_like(up)))


def frozen_slope(act: nn.Module, x: Float[Tensor, "*P F"]) -> Float[Tensor, "*P F"]:
    """(act(x) − act(0)) / x, continued to x = 0 by the difference quotient there."""
    step = torch.where(x == 0, torch.full_like(x, _SLOPE_STEP), x)
    return (act(step) - act(torch.zeros_like(x))) / step
