"""A cross-layer transcoder whose layers must also do without each other: what keeps a chain of two steps two steps.

Where a feature of one layer causes a feature of the next, both can write what the second one writes: sparsity then
prefers the first alone, and the chain is rewritten into one step. With o what each layer's own features write there,
c what those of earlier layers write, and b the biases, a share α of the loss can be asked of the own features alone,

    L = (1 − α) ‖o + c + b − y‖² + α ‖o + b − y‖²

or, without a number to choose, the own features come first and the others fit what they leave over,

    L = ‖o − y‖²* + ‖sg(o) + c + b − y‖²

where sg holds constant and * takes the mean over the batch out, which biases will write. Both are means over prefixes,
tokens and dimensions. α = 0 is the usual loss; the second is what is used unless a share is given (decision 0017: on
planted chains it keeps about as many steps as α = .9, at the error of α = .3). Knows nothing about other losses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.training.codes import Coded
from gearscope.dictionaries.training.config import TrainingConfig
from gearscope.dictionaries.training.prefixes import Share, by_group
from gearscope.dictionaries.training.shards import Shards
from gearscope.dictionaries.training.sparse import decode
from gearscope.dictionaries.training.weights import Weights


class Own(NamedTuple):
    """The loss of the layers' own features."""

    loss: Float[Tensor, ""]
    g: tuple[Float[Tensor, "P S D"], ...]
    """Its gradient by what they write, by group of features."""
    is_all: bool
    """Own features have no other loss."""


def own_alone(
    weights: Weights,
    coded: Sequence[Coded],
    shares: Sequence[tuple[Share, ...]],
    base: Float[Tensor, "P S D"],
    config: TrainingConfig,
    shards: Shards,
) -> Own | None:
    """From what biases and skips leave over (`base`); None where nothing is asked of own features alone."""
    share = 1.0 if config.own_first else config.own_share or 0.0
    if share == 0:
        return None
    P, _, D = base.shape
    lefts, left = [], base
    for number in range(len(shares[0])):
        added = torch.zeros_like(base)
        for coder, codes, parts in zip(weights.coders, coded, shares, strict=True):
            part = parts[number]
            own_decoder = coder.W_dec[part.features, :D].contiguous()
            added[:, coder.writes.start] += decode(part.pattern, codes.values[part.entries], own_decoder)
        left = left - shards.sum(added)
        lefts.append(left - left.mean(0) if config.own_first else left)
    weight = share / (len(lefts) * P * D)
    loss = torch.stack([left.square().sum() for left in lefts]).sum() * weight
    return Own(loss, by_group(lefts, -2 * weight), config.own_first)
