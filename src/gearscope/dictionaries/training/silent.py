"""Losses for features that have not fired for long.

AuxK (Gao et al. 2024, section 2.4): on what is left over, e = y − ŷ, held constant, with weight α,

    ê_t = Σ_c S_c[dead, top k'] W_dec[c → t]             α (1 / P D) Σ_t ‖ê_t − e_t‖²

without biases, so that they are not counted twice. Pre-activations (Anthropic, January 2025), for jumprelu, with weight
λ: λ (1 / P) Σ_dead relu(θ − pre), which pulls dead features up to their threshold. (There it is taken over all
features, which needs a matrix tokens x features.) Gradients are added to `.grad`.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.training.codes import Coded
from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.dictionaries.training.sparse import decode, pattern_of, summed, transposed, value_gradient
from gearscope.dictionaries.training.strongest import top_k
from gearscope.dictionaries.training.weights import Coder, Weights

_ROWS = 256
"""Tokens whose pre-activations exist at one time."""


def write_what_is_left(
    weights: Weights,
    coded: Sequence[Coded],
    left: Float[Tensor, "P S D"],
    config: TrainingConfig,
    dead: Sequence[Bool[Tensor, " F"]],
    shards: Shards = ALONE,
) -> None:
    """AuxK: the dead features learn to write what is left over."""
    P, _, D = left.shape
    if not config.aux_weight:
        return
    parts, again = [], None
    for coder, codes, silent in zip(weights.coders, coded, dead, strict=True):
        chosen = silent.nonzero()[:, 0]
        k = min(config.aux_k or D // 2, int(shards.total(len(chosen))))
        if not k:
            parts.append(None)
            continue
        kept = top_k(codes.x, coder.W_enc[chosen], coder.b_enc[chosen], k, shards)
        pattern = pattern_of(kept.rows, kept.columns, P, len(chosen))
        W_dec = coder.W_dec[chosen]
        again = torch.zeros_like(left) if again is None else again
        again[:, coder.writes.start : coder.writes.stop] += decode(pattern, kept.values, W_dec).view(P, -1, D)
        parts.append((chosen, pattern, kept.values, W_dec))
    if again is None:
        return
    g = (shards.sum(again) - left) * (2 * config.aux_weight / (P * D))
    for coder, codes, part in zip(weights.coders, coded, parts, strict=True):
        if part is None:
            continue
        chosen, pattern, values, W_dec = part
        g_coder = g[:, coder.writes.start : coder.writes.stop].flatten(1).contiguous()
        of_values = value_gradient(pattern, g_coder, W_dec)
        _add(coder.W_dec, chosen, transposed(pattern, values, g_coder))
        _add(coder.W_enc, chosen, transposed(pattern, of_values, codes.x))
        _add(coder.b_enc, chosen, summed(pattern, of_values))


def raise_pre_activations(
    weights: Weights, coded: Sequence[Coded], config: TrainingConfig, dead: Sequence[Bool[Tensor, " F"]]
) -> None:
    """The pre-activations of dead features are pulled up to their thresholds."""
    if not config.preact_weight:
        return
    for coder, codes, silent in zip(weights.coders, coded, dead, strict=True):
        assert coder.threshold is not None
        chosen = silent.nonzero()[:, 0]
        each = config.preact_weight / len(codes.x)
        for start in range(0, len(codes.x), _ROWS):
            _pull_up(coder, chosen, codes.x[start : start + _ROWS], each)


def _pull_up(coder: Coder, chosen: Int[Tensor, " K"], x: Float[Tensor, "P I"], each: float) -> None:
    assert coder.threshold is not None
    pre = torch.addmm(coder.b_enc[chosen], x, coder.W_enc[chosen].T)
    under = (pre < coder.threshold[chosen]).to(x)
    _add(coder.W_enc, chosen, -each * (under.T @ x))
    _add(coder.b_enc, chosen, -each * under.sum(0))
    _add(coder.threshold, chosen, each * under.sum(0))


def _add(weight: Tensor, chosen: Int[Tensor, " K"], rows: Tensor) -> None:
    """Add to the gradient of some rows."""
    assert weight.grad is not None
    weight.grad.index_add_(0, chosen, rows)
