"""A cross-layer transcoder whose layers must also do without each other: what keeps a chain of two steps two steps.

Where a feature of one layer causes a feature of the next, both can write what the second one writes: sparsity then
prefers the first alone, and the chain is rewritten into one step. So a share α of the loss is asked of each layer's own
features, without what earlier layers write there:

    L = (1 − α) ‖ŷ − y‖² + α (1 / P D) Σ_t ‖Σ S_t W_dec[t → t] + W_skip x + b_t − y_t‖²

α = 0 is the usual loss; with α = 1 earlier layers write nothing of use, and what is left are transcoders per layer.
Knows nothing about other losses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.training.codes import Coded
from gearscope.dictionaries.training.shards import Shards
from gearscope.dictionaries.training.sparse import decode
from gearscope.dictionaries.training.weights import Weights


class Own(NamedTuple):
    """The loss of the layers' own features, with its share."""

    loss: Float[Tensor, ""]
    g: Float[Tensor, "P S D"]
    """Its gradient by what they write."""


def own_alone(
    weights: Weights, coded: Sequence[Coded], base: Float[Tensor, "P S D"], share: float, shards: Shards
) -> Own | None:
    """From what biases and skips leave over (`base`); None where no share of the loss is asked."""
    if share == 0:
        return None
    P, _, D = base.shape
    added = torch.zeros_like(base)
    for coder, codes in zip(weights.coders, coded, strict=True):
        added[:, coder.writes.start] += decode(codes.pattern, codes.values, coder.W_dec[:, :D].contiguous())
    left = base - shards.sum(added)
    return Own(left.square().sum() * (share / (P * D)), left * (-2 * share / (P * D)))
