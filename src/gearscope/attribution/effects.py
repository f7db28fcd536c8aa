"""What a feature says to the output directly: the tokens it promotes and suppresses.

The direct path runs from the feature's writes through the residual stream and the final norm, frozen at the feature's
own position, to the demeaned unembedding; it passes no attention, no other feature and no skip ("logit lens" of a
decoder row, scaled by the activation). Units: logits. Knows nothing about graphs.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement

_ROWS = 512


class Effects(NamedTuple):
    """Tokens each feature promotes most (descending) and suppresses most (ascending), with logits."""

    promoted: Int[Tensor, "C M"]
    promoted_by: Float[Tensor, "C M"]
    suppressed: Int[Tensor, "C M"]
    suppressed_by: Float[Tensor, "C M"]


def direct_effects(prompt: FrozenPrompt, replacement: Replacement, chosen: Int[Tensor, " C"], most: int) -> Effects:
    """The `most` promoted and suppressed tokens of the chosen features (ascending numbers into `active`)."""
    some = replacement.take(chosen)
    written = _residual_writes(prompt, some)[some.active.column]
    writes = prompt.final_norm.linear_at(written, some.active.position)
    read = (prompt.W_U - prompt.W_U.mean(0)).T
    parts = []
    for rows in torch.split(writes, _ROWS):
        effect = rows @ read
        up, down = effect.topk(most), effect.topk(most, largest=False)
        parts.append((up.indices, up.values, down.indices, down.values))
    return Effects(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _residual_writes(prompt: FrozenPrompt, replacement: Replacement) -> Float[Tensor, "C D"]:
    """What each active feature adds to the residual stream, over all layers it writes to; by column."""
    active = replacement.active
    total = prompt.W_U.new_zeros(len(active), prompt.d_model)
    for layer, block in enumerate(prompt.blocks):
        post = block.mlp_post_norm if replacement.writes_at == "before_post_norm" else None
        for position in range(prompt.n_positions):
            for write in replacement.writes(layer, position):
                vectors = write.vectors * write.activation[:, None]
                if post is not None:
                    vectors = post.linear_at(vectors, active.position[active.by_column[write.columns]])
                total[write.columns] += vectors
    return total
