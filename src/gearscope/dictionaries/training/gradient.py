"""The loss of a batch and its gradient, written out: it is quadratic in what is written, so no autograd is needed.

    ŷ_m,t = Σ_c S_c[first m features] W_dec[c → t] + W_skip x + b_t
    L = mean over prefixes m of (1 / P D) Σ_t ‖ŷ_m,t − y_t‖²  +  λ (1 / P) Σ penalties

where S_c are the kept values of dictionary c (`codes.py`); without prefixes (`prefixes.py`) m is all of them. λ is the
penalty's weight at this step, times (active / k − 1) where it aims at k, the bracket held constant. A gated dictionary
adds (1 / P D) Σ_t ‖ŷ(relu π)_t − y_t‖² with decoders and biases held constant. Gradients: with g = ∂L/∂ŷ,
∂W_dec = Sᵀ g, ∂S = (g W_decᵀ)[kept], ∂W_enc = ∂preᵀ x, ∂b_enc = Σ ∂pre, ∂b = Σ g. All are sparse products
(`sparse.py`); they are left in `.grad`. `own.py` trains the own features of
a cross-layer transcoder alone, `jacobian.py` adds a loss of
slopes, `silent.py` losses for dead features, which are not counted in L. Knows nothing about optimisers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.training.codes import Coded, codes_of, penalties, pull_back
from gearscope.dictionaries.training.config import STRONGEST, TrainingConfig
from gearscope.dictionaries.training.jacobian import match_jacobians
from gearscope.dictionaries.training.own import Own, own_alone
from gearscope.dictionaries.training.prefixes import (
    Share,
    by_group,
    gradient_of_decoder,
    gradient_of_values,
    groups_here,
    shares_of,
    written,
)
from gearscope.dictionaries.training.schedule import k_at, sparsity_weight
from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.dictionaries.training.silent import raise_pre_activations, write_what_is_left
from gearscope.dictionaries.training.sparse import decode, summed, transposed, value_gradient
from gearscope.dictionaries.training.weights import Coder, Weights


class Measured(NamedTuple):
    """What a batch gave."""

    loss: Float[Tensor, ""]
    squared_error: Float[Tensor, " S"]
    """Sum over tokens and dimensions, per target, in normalised units; of the whole code."""
    fired: tuple[Int[Tensor, " F"], ...]
    """Tokens on which each feature is active, by dictionary."""
    bounds: tuple[float | None, ...]
    """What batch top-k hands on to the next batch."""
    left: Float[Tensor, "P S D"]
    """y − ŷ, of the whole code."""


@torch.no_grad()
def take_gradient(
    weights: Weights,
    x: Float[Tensor, "P M D"],
    y: Float[Tensor, "P S D"],
    config: TrainingConfig,
    bounds: Sequence[float | None],
    dead: Sequence[Bool[Tensor, " F"]],
    step: int,
    tangents: Float[Tensor, "P C T D"] | None = None,
    shards: Shards = ALONE,
) -> Measured:
    """Set `.grad` of every weight for one batch.

    `dead` says, by dictionary, which features have not fired for long; `tangents` belong to `jacobian.py`. Where
    processes share the features, weights, `dead` and what fired are those of this one's block.
    """
    P, _, D = y.shape
    k = k_at(config, step)
    for tensor in weights.named().values():
        tensor.grad = None  # so that the last step's and this step's are not held at the same time
    coded, handed_on = zip(
        *(codes_of(coder, x, config, k, bound, shards) for coder, bound in zip(weights.coders, bounds, strict=True)),
        strict=True,
    )
    groups = groups_here(config.groups, *shards.block(config.n_features))
    shares = [shares_of(codes.pattern, groups) for codes in coded]
    base = _without_features(weights, coded, y)
    lefts = _left_by_prefix(weights, coded, shares, base, shards)
    own = own_alone(weights, coded, shares, base, config, shards)
    gate, gate_loss = _gate_gradient(weights, coded, base, config, shards)
    del base
    share = (1 - (config.own_share or 0.0)) / (len(lefts) * P * D)
    loss = sum(left.square().sum() for left in lefts) * share
    squared_error = lefts[-1].square().sum((0, 2))
    of_group = by_group(lefts, -2 * share)
    weights.b_dec.grad = of_group[0].sum(0)
    if own is not None:
        weights.b_dec.grad += own.g[0].sum(0)
        loss = loss + own.loss
    for coder, codes, parts, bare in zip(weights.coders, coded, shares, gate, strict=True):
        of_groups = tuple(_slice(part, coder, own, number) for number, part in enumerate(of_group))
        coder.W_dec.grad = gradient_of_decoder(codes, parts, of_groups)
        of_values = gradient_of_values(coder, codes, parts, of_groups)
        of_gate = bare
        if config.selection not in STRONGEST:
            weight = _penalty_weight(codes, config, step, shards)
            penalty, slope = penalties(coder, codes, config)
            loss = loss + weight / P * shards.sum(penalty)
            if coder.r_mag is None:
                of_values += weight / P * slope
            else:
                of_gate = bare + weight / P * slope
        pulled = pull_back(coder, codes, of_values, of_gate, config)
        coder.W_enc.grad = transposed(codes.pattern, pulled.of_x, codes.x)
        coder.b_enc.grad = summed(codes.pattern, pulled.of_bias)
        if coder.W_skip is not None:
            coder.W_skip.grad = of_groups[0][:, :D].T @ codes.x
    if tangents is not None:
        loss = loss + match_jacobians(weights, coded, tangents, config.jacobian_weight, shards)
    write_what_is_left(weights, coded, lefts[-1], config, dead, shards)
    raise_pre_activations(weights, coded, config, dead)
    fired = tuple(codes.fired() for codes in coded)
    return Measured(loss + gate_loss, squared_error, fired, tuple(handed_on), lefts[-1])


def _without_features(weights: Weights, coded: Sequence[Coded], y: Float[Tensor, "P S D"]) -> Float[Tensor, "P S D"]:
    """What biases and skips leave over."""
    left = y - weights.b_dec
    for coder, codes in zip(weights.coders, coded, strict=True):
        if coder.W_skip is not None:
            left[:, coder.writes.start] -= codes.x @ coder.W_skip.T
    return left


def _left_by_prefix(
    weights: Weights,
    coded: Sequence[Coded],
    shares: Sequence[tuple[Share, ...]],
    base: Float[Tensor, "P S D"],
    shards: Shards,
) -> list[Float[Tensor, "P S D"]]:
    """y − ŷ of every prefix."""
    P, _, D = base.shape
    found, left = [], base
    for number in range(len(shares[0])):
        added = torch.zeros_like(base)
        for coder, codes, parts in zip(weights.coders, coded, shares, strict=True):
            added[:, coder.writes.start : coder.writes.stop] += written(coder, codes, parts[number]).view(P, -1, D)
        added = shards.sum(added)
        left = torch.sub(left, added, out=added)
        found.append(left)
    return found


def _gate_gradient(
    weights: Weights, coded: Sequence[Coded], base: Float[Tensor, "P S D"], config: TrainingConfig, shards: Shards
) -> tuple[list[Float[Tensor, "..."]], Float[Tensor, ""]]:
    """Of gated: the gradient of relu(π), from what it would write, and that loss. Zero for the others."""
    if config.selection != "gated":
        return [base.new_zeros(()) for _ in coded], base.new_zeros(())
    P, _, D = base.shape
    open_gates = torch.zeros_like(base)
    for coder, codes in zip(weights.coders, coded, strict=True):
        open_gate = decode(codes.pattern, codes.pre, coder.W_dec)
        open_gates[:, coder.writes.start : coder.writes.stop] += open_gate.view(P, -1, D)
    left = base - shards.sum(open_gates)
    g = left * (-2 / (P * D))
    of_gate = [
        value_gradient(codes.pattern, _slice(g, coder), coder.W_dec)
        for coder, codes in zip(weights.coders, coded, strict=True)
    ]
    return of_gate, left.square().sum() / (P * D)


def _penalty_weight(codes: Coded, config: TrainingConfig, step: int, shards: Shards) -> float:
    weight = sparsity_weight(config, step)
    if not config.aims_at_k:
        return weight
    return weight * (shards.total(float((codes.values > 0).sum())) / len(codes.x) / config.k - 1)


def _slice(g: Float[Tensor, "P S D"], coder: Coder, own: Own | None = None, group: int = 0) -> Float[Tensor, "P W"]:
    part = g[:, coder.writes.start : coder.writes.stop].flatten(1).contiguous()
    if own is not None:  # flattening one site is a view of g
        D = g.shape[2]
        here = own.g[group][:, coder.writes.start]
        part = torch.cat([here if own.is_all else part[:, :D] + here, part[:, D:]], 1)
    return part
