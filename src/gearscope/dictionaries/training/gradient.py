"""The loss of a batch and its gradient, written out: it is quadratic, so no autograd is needed.

    ŷ_t = Σ_c S_c W_dec[c → t] + W_skip x + b_t          L = (1 / P D) Σ_t ‖ŷ_t − y_t‖²

where S_c are the kept pre-activations of dictionary c (`strongest.py`), and with D features that have not fired for
long (Gao et al. 2024, section 2.4) a second loss of weight α on what is left over, e = y − ŷ, held constant:

    ê_t = Σ_c S_c[dead, top k'] W_dec[c → t]             α (1 / P D) Σ_t ‖ê_t − e_t‖²

without biases, so that they are not counted twice. Gradients: with g = ∂L/∂ŷ, ∂W_dec = Sᵀ g, ∂S = (g W_decᵀ)[kept],
∂W_enc = ∂Sᵀ x, ∂b_enc = Σ ∂S, ∂b = Σ g. All are sparse products (`sparse.py`); they are left in `.grad`.
Knows nothing about optimisers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.dictionaries.training.sparse import Pattern, decode, pattern_of, summed, transposed, value_gradient
from gearscope.dictionaries.training.strongest import Kept, batch_top_k, top_k
from gearscope.dictionaries.training.weights import Coder, Weights


class Measured(NamedTuple):
    """What a batch gave."""

    loss: Float[Tensor, ""]
    squared_error: Float[Tensor, " S"]
    """Sum over tokens and dimensions, per target, in normalised units."""
    fired: tuple[Int[Tensor, " F"], ...]
    """Tokens on which each feature is active, by dictionary."""
    bounds: tuple[float | None, ...]
    """What batch top-k hands on to the next batch."""
    left: Float[Tensor, "P S D"]
    """y − ŷ."""


class Coded(NamedTuple):
    """One dictionary's codes of a batch."""

    x: Float[Tensor, "P I"]
    pattern: Pattern
    values: Float[Tensor, " K"]


def codes_of(
    coder: Coder, x: Float[Tensor, "P M D"], config: TrainingConfig, bound: float | None
) -> tuple[Coded, float | None]:
    """The kept features of a batch, and the next batch's bound."""
    read = x[:, list(coder.reads)].flatten(1)
    if config.selection == "top_k":
        kept: Kept = top_k(read, coder.W_enc, coder.b_enc, config.k)
    else:
        kept, bound = batch_top_k(read, coder.W_enc, coder.b_enc, config.k, bound)
    pattern = pattern_of(kept.rows, kept.columns, len(x), len(coder.W_enc))
    return Coded(read, pattern, kept.values), bound


@torch.no_grad()
def take_gradient(
    weights: Weights,
    x: Float[Tensor, "P M D"],
    y: Float[Tensor, "P S D"],
    config: TrainingConfig,
    bounds: Sequence[float | None],
    dead: Sequence[Bool[Tensor, " F"]],
) -> Measured:
    """Set `.grad` of every weight for one batch; `dead` says, by dictionary, which features have not fired for long."""
    P, _, D = y.shape
    coded, handed_on = zip(
        *(codes_of(coder, x, config, bound) for coder, bound in zip(weights.coders, bounds, strict=True)), strict=True
    )
    left = y - weights.b_dec
    for coder, codes in zip(weights.coders, coded, strict=True):
        written = left[:, coder.writes.start : coder.writes.stop]
        written -= decode(codes.pattern, codes.values, coder.W_dec).view(P, -1, D)
        if coder.W_skip is not None:
            written[:, 0] -= codes.x @ coder.W_skip.T
    g = left * (-2 / (P * D))
    weights.b_dec.grad = g.sum(0)
    for coder, codes in zip(weights.coders, coded, strict=True):
        _leave_gradient(coder, codes, _slice(g, coder))
    _revive(weights, coded, left, config, dead)
    squared = left.square().sum((0, 2))
    return Measured(squared.sum() / (P * D), squared, tuple(c.pattern.counts for c in coded), tuple(handed_on), left)


def _slice(g: Float[Tensor, "P S D"], coder: Coder) -> Float[Tensor, "P W"]:
    return g[:, coder.writes.start : coder.writes.stop].flatten(1).contiguous()


def _leave_gradient(coder: Coder, codes: Coded, g: Float[Tensor, "P W"]) -> None:
    of_values = value_gradient(codes.pattern, g, coder.W_dec)
    coder.W_dec.grad = transposed(codes.pattern, codes.values, g)
    coder.W_enc.grad = transposed(codes.pattern, of_values, codes.x)
    coder.b_enc.grad = summed(codes.pattern, of_values)
    if coder.W_skip is not None:
        coder.W_skip.grad = g[:, : coder.W_skip.shape[0]].T @ codes.x


def _revive(
    weights: Weights,
    coded: Sequence[Coded],
    left: Float[Tensor, "P S D"],
    config: TrainingConfig,
    dead: Sequence[Bool[Tensor, " F"]],
) -> None:
    """Add the gradient of the second loss: the features that never fire learn to write what is left over."""
    P, _, D = left.shape
    parts, missing = [], -left
    for coder, codes, silent in zip(weights.coders, coded, dead, strict=True):
        chosen = silent.nonzero()[:, 0]
        k = min(config.aux_k or D // 2, len(chosen))
        if not k or not config.aux_weight:
            parts.append(None)
            continue
        kept = top_k(codes.x, coder.W_enc[chosen], coder.b_enc[chosen], k)
        pattern = pattern_of(kept.rows, kept.columns, P, len(chosen))
        W_dec = coder.W_dec[chosen]
        missing[:, coder.writes.start : coder.writes.stop] += decode(pattern, kept.values, W_dec).view(P, -1, D)
        parts.append((chosen, pattern, kept.values, W_dec))
    g = missing * (2 * config.aux_weight / (P * D))
    for coder, codes, part in zip(weights.coders, coded, parts, strict=True):
        if part is None:
            continue
        chosen, pattern, values, W_dec = part
        g_coder = _slice(g, coder)
        of_values = value_gradient(pattern, g_coder, W_dec)
        _add(coder.W_dec, chosen, transposed(pattern, values, g_coder))
        _add(coder.W_enc, chosen, transposed(pattern, of_values, codes.x))
        _add(coder.b_enc, chosen, summed(pattern, of_values))


def _add(weight: Tensor, chosen: Int[Tensor, " K"], rows: Tensor) -> None:
    """Add to the gradient of some rows."""
    assert weight.grad is not None
    weight.grad.index_add_(0, chosen, rows)
