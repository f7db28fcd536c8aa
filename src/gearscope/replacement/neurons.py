"""The neuron basis: every MLP neuron is a feature. It needs no training and leaves no error.

    plain MLP    f = act(z), z = W_in x + b_in        reads W_in; its row sums to the pre-activation z
    gated MLP    f = act(g) · u, g = W_gate x, u = W_in x

A gated neuron is not linear in x even when act is frozen. The RelP half rule (Jafari et al. 2025; the LRP rule for
products) takes act(g) ≈ (act(g)/g) · g with the ratio frozen and gives each factor half of the product:

    reads ½ [ (act(g)/g) · u · W_gate + act(g) · W_in ],   whose row sums to the activation f itself.

Knows nothing about targets or graphs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.models.frozen import FrozenPrompt, MlpWeights
from gearscope.replacement.replacement import Active, Read, ReadPlace, Skip, Write, WritePlace

_SLOPE_STEP = 1e-4


def neuron_replacement(prompt: FrozenPrompt, mlps: Sequence[MlpWeights], most: int | None = None) -> "Neurons":
    """Rewrite the MLPs of `prompt` in their own neurons. Neurons that are exactly zero are not features.

    With `most`, only so many neurons per token and layer are features, those that write most (|f| · ‖W_out‖); the sum
    of the others is the basis' error there, so that nothing is lost and rows still sum to their values.
    """
    assert len(mlps) == prompt.n_layers
    parts = [_layer_codes(prompt, layer, mlp, most) for layer, mlp in enumerate(mlps)]
    layer, position, index, activation, value = (torch.cat(column) for column in zip(*parts, strict=True))
    active = Active.build(
        layer, position, index, activation, value, n_layers=prompt.n_layers, n_positions=prompt.n_positions
    )
    bias = [mlp.W_out.new_zeros(prompt.d_model) if mlp.b_out is None else mlp.b_out for mlp in mlps]
    neurons = Neurons(
        active=active,
        bias=torch.stack(bias),
        mlps=tuple(mlps),
        mlp_in=torch.stack([block.mlp_in for block in prompt.blocks]),
        error=None,
    )
    return neurons if most is None else replace(neurons, error=_unwritten(prompt, neurons))


def _pre_activations(x: Float[Tensor, "... D"], mlp: MlpWeights) -> tuple[Tensor, Tensor | None]:
    """The linear part u and the gate g (None where there is none) of an MLP at inputs x."""
    up = torch.nn.functional.linear(x, mlp.W_in, mlp.b_in)
    gate = None if mlp.W_gate is None else torch.nn.functional.linear(x, mlp.W_gate, mlp.b_gate)
    return up, gate


def _layer_codes(prompt: FrozenPrompt, layer: int, mlp: MlpWeights, most: int | None) -> tuple[Tensor, ...]:
    """(layer, position, index, activation, value) of the neurons of one layer that are features."""
    first = prompt.n_constant_positions
    up, gate = _pre_activations(prompt.blocks[layer].mlp_in[first:], mlp)
    acts_PF = mlp.act(up) if gate is None else mlp.act(gate) * up
    chosen_PF = acts_PF != 0
    if most is not None and most < acts_PF.shape[1]:
        strongest = (acts_PF.abs() * mlp.W_out.norm(dim=1)).topk(most, dim=1).indices
        chosen_PF &= torch.zeros_like(chosen_PF).scatter_(1, strongest, True)
    position, index = chosen_PF.nonzero(as_tuple=True)
    activation = acts_PF[position, index]
    value = up[position, index] if gate is None else activation
    return torch.full_like(position, layer), position + first, index, activation, value


def _unwritten(prompt: FrozenPrompt, neurons: "Neurons") -> Float[Tensor, "L P D"]:
    """The MLP outputs less the bias and what the chosen neurons write; zero at constant positions."""
    first = prompt.n_constant_positions
    error = torch.stack([block.mlp_out for block in prompt.blocks]) - neurons.bias[:, None]
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
    bias: Float[Tensor, "L D"]
    mlps: tuple[MlpWeights, ...]
    mlp_in: Float[Tensor, "L P D"]
    error: Float[Tensor, "L P D"] | None

    @property
    def reads_at(self) -> ReadPlace:
        """Behind the norm."""
        return "mlp_in"

    @property
    def writes_at(self) -> WritePlace:
        """Before the norm that may follow."""
        return "before_post_norm"

    def writes(self, layer: int, position: int) -> Iterable[Write]:
        """The neurons of `layer` at `position`, and no others."""
        here = self.active.at(layer, position)
        if here.start == here.stop:
            return ()
        W_out, index = self.mlps[layer].W_out, self.active.index[here]
        everything = len(index) == W_out.shape[0]
        vectors = W_out if everything else W_out[index]
        return (Write(here, vectors, self.active.activation[here]),)

    def read(self, chosen: Int[Tensor, " T"]) -> Read:
        """Rows of W_in, or the half rule's mixture of W_gate and W_in."""
        layer, position = int(self.active.layer[chosen[0]]), int(self.active.position[chosen[0]])
        index, mlp = self.active.index[chosen], self.mlps[layer]
        some = MlpWeights(
            W_gate=None if mlp.W_gate is None else mlp.W_gate[index],
            b_gate=None if mlp.b_gate is None else mlp.b_gate[index],
            W_in=mlp.W_in[index],
            b_in=None if mlp.b_in is None else mlp.b_in[index],
            W_out=mlp.W_out[index],
            b_out=None,
            act=mlp.act,
        )
        up, gate = _pre_activations(self.mlp_in[layer, position], some)
        zero = torch.zeros_like(up)
        b_in = zero if some.b_in is None else some.b_in
        if some.W_gate is None or gate is None:
            return Read(some.W_in, b_in)
        b_gate = zero if some.b_gate is None else some.b_gate
        through_gate = 0.5 * frozen_slope(some.act, gate) * up
        through_up = 0.5 * some.act(gate)
        vectors = through_gate[:, None] * some.W_gate + through_up[:, None] * some.W_in
        return Read(vectors, through_gate * b_gate + through_up * b_in)

    def skip(self, layer: int) -> Skip | None:
        """None: neurons are the whole MLP."""
        del layer

    def take(self, chosen: Int[Tensor, " C"]) -> "Neurons":
        """The same prompt with only the chosen neurons."""
        return replace(self, active=self.active.take(chosen))


def frozen_slope(act: torch.nn.Module, x: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """act(x) / x, continued to x = 0 by the difference quotient there."""
    step = torch.where(x == 0, torch.full_like(x, _SLOPE_STEP), x)
    return act(step) / step
