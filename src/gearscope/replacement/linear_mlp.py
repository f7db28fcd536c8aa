"""A whole MLP as a frozen linear map of its input, position by position: the way past it when no feature stands for it.

    plain     f = s u + act(0)                 s = (act(u) − act(0)) / u at the prompt's own u = W_in x + b_in
    gated     f = the half rule's g and u parts and its constant (neurons.py; Jafari et al. 2025)
    out       Σ_e r_e (W_out_eᵀ f_e + b_out_e)     with the router's weights frozen

Exact at the prompt itself, for every nonlinearity. At constant positions it passes nothing: what the MLP wrote there is
a constant of the prompt. Knows nothing about features.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.models.frozen import FrozenBlock
from gearscope.models.mlp import ExpertWeights, MlpWeights
from gearscope.replacement.neurons import frozen_slope, halves
from gearscope.replacement.replacement import ReadPlace, WritePlace


class _Slopes(NamedTuple):
    """One expert's neurons as functions of what they read: factors of W_gate x and W_in x, and the rest."""

    through_gate: Float[Tensor, "P F"] | None
    through_up: Float[Tensor, "P F"]
    rest: Float[Tensor, "P F"]


@dataclass(frozen=True)
class LinearMlp:
    """One layer's MLP on one prompt. Fulfils `Way`."""

    mlp: MlpWeights | ExpertWeights
    block: FrozenBlock
    n_constant_positions: int

    @property
    def reads_at(self) -> ReadPlace:
        """Behind the norm."""
        return "mlp_in"

    @property
    def writes_at(self) -> WritePlace:
        """What the MLP itself returns."""
        return "before_post_norm"

    @cached_property
    def constant(self) -> Float[Tensor, "P D"]:
        """What it writes whatever it reads."""
        total = torch.zeros_like(self.block.mlp_out)
        for number, (expert, slopes) in enumerate(zip(self.mlp.experts, self._slopes, strict=True)):
            total += slopes.rest @ expert.W_out
            if expert.b_out is not None:
                total += self._weight(number) * expert.b_out
        return total

    @cached_property
    def written(self) -> Float[Tensor, "P D"]:
        """The MLP output without its constant."""
        out = self.block.mlp_out - self.constant
        out[: self.n_constant_positions] = 0
        return out

    def linear(self, x: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
        """What a change of the MLP's input makes of its output."""
        return self.linear_at(x, torch.arange(len(x), device=x.device))

    def linear_at(self, x: Float[Tensor, "K D"], positions: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same for vectors that stand at `positions`."""
        total = torch.zeros_like(x)
        for expert, slopes in zip(self.mlp.experts, self._slopes, strict=True):
            acts = (x @ expert.W_in.T) * slopes.through_up[positions]
            if expert.W_gate is not None and slopes.through_gate is not None:
                acts = acts + (x @ expert.W_gate.T) * slopes.through_gate[positions]
            total += acts @ expert.W_out
        return total

    def adjoint(self, h: Float[Tensor, "Q T D"]) -> Float[Tensor, "Q T D"]:
        """Gradient at the MLP's input, from that at its output."""
        Q, T, _ = h.shape
        positions = torch.arange(Q, device=h.device).repeat_interleave(T)
        return self.adjoint_at(h.flatten(0, 1), positions).view_as(h)

    def adjoint_at(self, h: Float[Tensor, "K D"], positions: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
        """The same for vectors that stand at `positions`."""
        total = torch.zeros_like(h)
        for expert, slopes in zip(self.mlp.experts, self._slopes, strict=True):
            acts = h @ expert.W_out.T
            total += (acts * slopes.through_up[positions]) @ expert.W_in
            if expert.W_gate is not None and slopes.through_gate is not None:
                total += (acts * slopes.through_gate[positions]) @ expert.W_gate
        return total

    def _weight(self, number: int) -> Float[Tensor, "P 1"]:
        """The router's weight of an expert; zero at constant positions."""
        routing = self.block.routing
        weight = self.block.mlp_in.new_ones(len(self.block.mlp_in)) if routing is None else routing[:, number].clone()
        weight[: self.n_constant_positions] = 0
        return weight[:, None]

    @cached_property
    def _slopes(self) -> tuple[_Slopes, ...]:
        return tuple(self._expert(number, expert) for number, expert in enumerate(self.mlp.experts))

    def _expert(self, number: int, expert: MlpWeights) -> _Slopes:
        up, gate = expert.pre_activations(self.block.mlp_in)
        weight = self._weight(number)
        if gate is None:
            through_gate, through_up = None, frozen_slope(expert.act, up)
            rest = expert.act(torch.zeros_like(up))
        else:
            through_gate, through_up, rest = halves(expert, up, gate)
            rest = rest if expert.b_gate is None else rest + through_gate * expert.b_gate
            through_gate = through_gate * weight
        rest = rest if expert.b_in is None else rest + through_up * expert.b_in
        return _Slopes(through_gate, through_up * weight, rest * weight)
