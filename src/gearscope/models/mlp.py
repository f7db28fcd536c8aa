"""The weights of a layer's MLP in one shape for every family, neurons along F: dense, or routed experts.

    plain      f = act(x W_inᵀ + b_in)
    gated      f = act(x W_gateᵀ + b_gate) · up_act(x W_inᵀ + b_in)          up_act is the identity in most families
    dense      out = f W_out + b_out
    experts    out = Σ_e r_e (f_e W_out_e + b_out_e),   r the router's weights, zero for experts not chosen

Neurons of experts stand side by side: neuron n of expert e has the index e · width + n. Nothing here knows about
modules or prompts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class MlpWeights:
    """The weights of one dense MLP, or of one expert."""

    W_gate: Float[Tensor, "F D"] | None
    b_gate: Float[Tensor, " F"] | None
    W_in: Float[Tensor, "F D"]
    b_in: Float[Tensor, " F"] | None
    W_out: Float[Tensor, "F D"]
    b_out: Float[Tensor, " D"] | None
    act: nn.Module
    """The elementwise nonlinearity, applied to the gate (or to the only pre-activation)."""
    up_act: nn.Module | None = None
    """What the other factor of a gated MLP passes through, elementwise, where it does."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.W_out.shape[0])

    @property
    def experts(self) -> "tuple[MlpWeights, ...]":
        """Itself: a dense MLP is one expert that is always chosen."""
        return (self,)

    def pre_activations(self, x: Float[Tensor, "... D"]) -> tuple[Tensor, Tensor | None]:
        """The linear part u and the gate g (None where there is none) at inputs x."""
        up = nn.functional.linear(x, self.W_in, self.b_in)
        gate = None if self.W_gate is None else nn.functional.linear(x, self.W_gate, self.b_gate)
        return up, gate

    def factor(self, up: Float[Tensor, "*N F"]) -> Float[Tensor, "*N F"]:
        """The factor beside the gate, from the linear part u."""
        return up if self.up_act is None else self.up_act(up)

    def activations(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... F"]:
        """What the neurons are at inputs x."""
        up, gate = self.pre_activations(x)
        return self.act(up) if gate is None else self.act(gate) * self.factor(up)

    def out(self, acts: Float[Tensor, "... F"]) -> Float[Tensor, "... D"]:
        """What neurons at these activations write, bias included."""
        written = acts @ self.W_out
        return written if self.b_out is None else written + self.b_out

    def rows(self, index: Int[Tensor, " K"]) -> "MlpWeights":
        """Some of the neurons, without the output's bias."""
        return replace(
            self,
            W_gate=None if self.W_gate is None else self.W_gate[index],
            b_gate=None if self.b_gate is None else self.b_gate[index],
            W_in=self.W_in[index],
            b_in=None if self.b_in is None else self.b_in[index],
            W_out=self.W_out[index],
            b_out=None,
        )


@dataclass(frozen=True, kw_only=True)
class ExpertWeights:
    """The experts of one routed MLP, alike in shape."""

    experts: tuple[MlpWeights, ...]

    @property
    def width(self) -> int:
        """Neurons of one expert."""
        return self.experts[0].n_neurons

    @property
    def n_neurons(self) -> int:
        """Neurons of all experts together."""
        return self.width * len(self.experts)

    def activations(self, x: Float[Tensor, "N D"], routing: Float[Tensor, "N X"]) -> Float[Tensor, "N F"]:
        """What the neurons are, all experts side by side; zero in experts that were not chosen."""
        acts = x.new_zeros(len(x), self.n_neurons)
        for number, expert in enumerate(self.experts):
            rows = routing[:, number].nonzero()[:, 0]
            here = slice(number * self.width, (number + 1) * self.width)
            acts[rows, here] = expert.activations(x[rows])
        return acts

    def out(self, acts: Float[Tensor, "N F"], routing: Float[Tensor, "N X"]) -> Float[Tensor, "N D"]:
        """What neurons at these activations write, each expert with its weight, biases included."""
        total = acts.new_zeros(len(acts), self.experts[0].W_out.shape[1])
        for number, (expert, some) in enumerate(zip(self.experts, acts.split(self.width, dim=1), strict=True)):
            total = total + routing[:, number, None] * expert.out(some)
        return total

    def rows(self, index: Int[Tensor, " K"]) -> MlpWeights:
        """Some of the neurons of all experts, in the order of `index`, as one MLP without a bias."""
        expert = index // self.width
        order = expert.argsort(stable=True)
        back = order.argsort()
        numbers, counts = expert[order].unique_consecutive(return_counts=True)
        parts = [
            self.experts[int(number)].rows(some % self.width)
            for number, some in zip(numbers, index[order].split(counts.tolist()), strict=True)
        ]

        def joined(of: Callable[[MlpWeights], Tensor | None]) -> Tensor | None:
            pieces = [piece for piece in map(of, parts) if piece is not None]
            return torch.cat(pieces)[back] if pieces else None

        W_in, W_out = joined(lambda mlp: mlp.W_in), joined(lambda mlp: mlp.W_out)
        assert W_in is not None, "some neurons were expected"
        assert W_out is not None, "some neurons were expected"
        return replace(
            parts[0],
            W_gate=joined(lambda mlp: mlp.W_gate),
            b_gate=joined(lambda mlp: mlp.b_gate),
            W_in=W_in,
            b_in=joined(lambda mlp: mlp.b_in),
            W_out=W_out,
        )

    @cached_property
    def b_out(self) -> Float[Tensor, "X D"] | None:
        """The experts' output biases."""
        biases = [expert.b_out for expert in self.experts if expert.b_out is not None]
        return torch.stack(biases) if biases else None


class ClampedSwish(nn.Module):
    """`g · sigmoid(α g)` with g cut off above at a limit."""

    def __init__(self, alpha: float, limit: float) -> None:
        super().__init__()
        self.alpha, self.limit = alpha, limit

    def forward(self, gate: Tensor) -> Tensor:
        """Elementwise."""
        gate = gate.clamp(max=self.limit)
        return gate * torch.sigmoid(self.alpha * gate)


class ClampedPlusOne(nn.Module):
    """`u + 1` with u cut off at ± a limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, up: Tensor) -> Tensor:
        """Elementwise."""
        return up.clamp(-self.limit, self.limit) + 1
