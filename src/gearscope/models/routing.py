"""Routed experts opened: the router's choice and the experts' neurons, shown, edited or replayed.

    dense form      r [tokens, X], the weight of each expert, zero where it was not chosen
    router's form   (logits, scores [tokens, k], chosen [tokens, k]), as transformers' routers return it

Weights are a softmax over the logits, of the chosen experts alone where the family scales them to sum to one. Modules
inside an MLP see their tokens in one row after the other; here they have their batch and position axes again. Nothing
of this touches a model that is not tapped. It knows nothing about sites or families.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from gearscope.models.mlp import ExpertWeights

Change = Callable[[Tensor], Tensor | None]
"""Sees a tensor; returns its replacement, or None to leave it."""


@dataclass(frozen=True, kw_only=True)
class ExpertTap:
    """What happens to one layer's experts, in order."""

    mlp: nn.Module
    router: nn.Module
    experts: nn.Module
    weights: ExpertWeights
    routing: list[Change] = field(default_factory=list)
    """See the router's choice [B, P, X]."""
    neurons: list[Change] = field(default_factory=list)
    """See the neurons of all experts [B, P, F]."""

    def attach(self, stack: ExitStack) -> None:
        """Put the changes in place until the stack is closed."""
        shape: list[int] = []
        stack.callback(self.mlp.register_forward_pre_hook(partial(_see_shape, shape)).remove)
        if self.routing:
            hook = partial(_router_hook, self.routing, shape, len(self.weights.experts))
            stack.callback(self.router.register_forward_hook(hook).remove)
        if self.neurons:
            hook = partial(_experts_hook, self.neurons, shape, self.weights)
            stack.callback(self.experts.register_forward_hook(hook).remove)


def spread(scores: Float[Tensor, "N k"], chosen: Int[Tensor, "N k"], n_experts: int) -> Float[Tensor, "N X"]:
    """The dense form of a router's choice."""
    return scores.new_zeros(len(scores), n_experts).scatter(1, chosen, scores)


def gathered(routing: Float[Tensor, "N X"]) -> tuple[Float[Tensor, "N k"], Int[Tensor, "N k"]]:
    """The router's form of a choice, as many experts per token as the token with most has."""
    most = routing.shape[1] if routing.requires_grad else max(1, int((routing != 0).sum(1).max()))
    chosen = routing.abs().topk(most, dim=1).indices
    return routing.gather(1, chosen), chosen


def weights_of(logits: Float[Tensor, "N X"], chosen: Int[Tensor, "N k"], *, normalised: bool) -> Float[Tensor, "N k"]:
    """The weights of the chosen experts by their formula, in the logits' own precision."""
    if normalised:
        return logits.gather(1, chosen).softmax(-1)
    return logits.softmax(-1).gather(1, chosen)


def _see_shape(shape: list[int], _: nn.Module, args: tuple[Any, ...]) -> None:
    shape[:] = args[0].shape[:-1]


def _changed(changes: list[Change], x: Tensor) -> Tensor | None:
    """What the changes make of `x`; None when they leave it."""
    result = None
    for change in changes:
        new = change(x if result is None else result)
        result = result if new is None else new
    return result


def _router_hook(
    changes: list[Change], shape: list[int], n_experts: int, _: nn.Module, __: Any, output: tuple[Tensor, ...]
) -> tuple[Tensor, ...] | None:
    logits, scores, chosen = output
    routing = spread(scores, chosen, n_experts).to(logits.dtype)
    new = _changed(changes, routing.view(*shape, n_experts))
    return None if new is None else (logits, *gathered(new.flatten(0, -2)))


def _experts_hook(
    changes: list[Change],
    shape: list[int],
    weights: ExpertWeights,
    _: nn.Module,
    args: tuple[Tensor, Tensor, Tensor],
    __: Tensor,
) -> Tensor | None:
    x, chosen, scores = args
    routing = spread(scores, chosen, len(weights.experts)).to(x.dtype)
    acts = weights.activations(x, routing)
    new = _changed(changes, acts.view(*shape, -1))
    return None if new is None else weights.out(new.flatten(0, -2), routing)
