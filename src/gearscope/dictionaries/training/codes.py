"""What is kept of a batch, and how a gradient of the kept values goes back to pre-activations.

    top_k, batch_top_k   f = pre where it is kept                 Gao et al. 2024; Bussmann et al. 2024
    relu                 f = pre where it is positive             Bricken et al. 2023
    jumprelu             f = pre · H(pre − θ)                     Rajamanoharan et al. 2024b
    gated                f = H(π) · relu(e^r (π − b_enc) + b_mag)     with π = x W_encᵀ + b_enc; the same 2024a

The step H has no gradient. Thresholds get a pseudo-gradient from a window of width ε around them (jumprelu),

    ∂f/∂θ = −(θ / ε) · [|pre − θ| < ε / 2]

so entries in the window are kept too, with a value of 0 below the threshold; the gate learns from a second loss, of
relu(π) written by the same decoder (`gradient.py`). The penalty of an entry is f (relu), tanh(c f) (jumprelu; decoders
have norm 1) or relu(π) (gated). Knows nothing about decoders.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.dictionaries.training.pattern import Pattern
from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.dictionaries.training.sparse import counted, pattern_of, summed
from gearscope.dictionaries.training.strongest import above, batch_top_k, top_k
from gearscope.dictionaries.training.weights import Coder, numbers_on


class Coded(NamedTuple):
    """One dictionary's codes of a batch."""

    x: Float[Tensor, "P I"]
    pattern: Pattern
    values: Float[Tensor, " K"]
    """f at the kept entries."""
    pre: Float[Tensor, " K"]
    """The pre-activations there; of the gate, where there is one."""

    def fired(self) -> Int[Tensor, " F"]:
        """Tokens on which each feature is active."""
        if self.values is self.pre:  # only what is positive is kept
            return self.pattern.counts
        return counted(self.pattern, self.values > 0)


class Pulled(NamedTuple):
    """Gradients at the kept entries."""

    of_x: Float[Tensor, " K"]
    """Of x W_encᵀ."""
    of_bias: Float[Tensor, " K"]
    """Of what `b_enc` is added to."""


def codes_of(
    coder: Coder,
    x: Float[Tensor, "P M D"],
    config: TrainingConfig,
    k: int,
    bound: float | None,
    shards: Shards = ALONE,
) -> tuple[Coded, float | None]:
    """The kept features of a batch, and the next batch's bound (of batch top-k)."""
    reads_all = coder.reads == tuple(range(x.shape[1]))
    read = x.flatten(1) if reads_all else x[:, numbers_on(x.device, coder.reads)].flatten(1)
    if config.selection == "top_k":
        rows, columns, pre, _ = top_k(read, coder.W_enc, coder.b_enc, k, shards)
    elif config.selection == "batch_top_k":
        (rows, columns, pre, _), bound = batch_top_k(read, coder.W_enc, coder.b_enc, k, bound, shards)
    else:
        lowest = 0.0 if coder.threshold is None else coder.threshold - config.bandwidth / 2
        rows, columns, pre = above(read, coder.W_enc, coder.b_enc, lowest)
    values = pre
    if coder.threshold is not None:
        values = torch.where(pre > coder.threshold[columns], pre, 0.0)
    if coder.r_mag is not None:
        values = _magnitude(coder, columns, pre).clamp(min=0)
    return Coded(read, pattern_of(rows, columns, len(x), len(coder.W_enc)), values, pre), bound


def _magnitude(coder: Coder, columns: Int[Tensor, " K"], pre: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    assert coder.r_mag is not None
    assert coder.b_mag is not None
    return coder.r_mag.exp()[columns] * (pre - coder.b_enc[columns]) + coder.b_mag[columns]


def penalties(coder: Coder, coded: Coded, config: TrainingConfig) -> tuple[Tensor, Tensor]:
    """The sum of the penalties of all entries, and its derivative by f (gated: by π) at each.

    Of selections that have one; where a fixed number is kept there is none.
    """
    if coder.threshold is not None:
        bent = (config.tanh_scale * coded.values).tanh()
        return bent.sum(), config.tanh_scale * (1 - bent.square())
    if coder.r_mag is not None:
        return coded.pre.sum(), torch.ones_like(coded.pre)
    return coded.values.sum(), torch.ones_like(coded.values)


def pull_back(
    coder: Coder, coded: Coded, of_values: Float[Tensor, " K"], of_gate: Float[Tensor, "..."], config: TrainingConfig
) -> Pulled:
    """From the gradient of f to those of pre-activations; thresholds and magnitudes get their `.grad` here.

    `of_gate` is the gradient of relu(π), of gated only.
    """
    pattern = coded.pattern
    if coder.threshold is not None:
        theta = coder.threshold[pattern.columns]
        near = ((coded.pre - theta).abs() < config.bandwidth / 2) * (theta / config.bandwidth)
        coder.threshold.grad = summed(pattern, -near * of_values)
        slope = (coded.pre > theta).to(of_values) + (near if config.ste_everywhere else 0.0)
        return Pulled(slope * of_values, slope * of_values)
    if coder.r_mag is not None:
        assert coder.b_mag is not None
        shown = of_values * (coded.values > 0)
        grown = shown * coder.r_mag.exp()[pattern.columns]
        coder.b_mag.grad = summed(pattern, shown)
        coder.r_mag.grad = summed(pattern, grown * (coded.pre - coder.b_enc[pattern.columns]))
        return Pulled(grown + of_gate, of_gate)
    return Pulled(of_values, of_values)
