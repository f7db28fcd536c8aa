"""What a feature says to the output directly: the tokens it promotes and suppresses.

The direct path runs from the feature's writes through the residual stream and the final norm, frozen at the feature's
own position, to the demeaned unembedding; it passes no attention, no other feature and no skip ("logit lens" of a
decoder row, scaled by the activation). Units: logits.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.graph.graph import AttributionGraph, TokenEffects
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Replacement

_ROWS = 512
_MOST_EFFECTS = 1000
"""Token effects are worked out for so many features of a graph, the most influential."""


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


def with_token_effects(
    graph: AttributionGraph, prompt: FrozenPrompt, replacement: Replacement, *, most: int, names: Sequence[str]
) -> AttributionGraph:
    """The graph with the `most` tokens that its strongest features promote and suppress; `names` are of all tokens."""
    assert graph.influence is not None
    nodes, features = graph.nodes, graph.layout.features
    rows = sorted(np.argsort(-graph.influence[features])[:_MOST_EFFECTS].tolist())
    places = map(nodes.place, rows)
    chosen = [replacement.active.find(place) for place in places]
    if not chosen or not most:
        return graph
    found = direct_effects(prompt, replacement, torch.tensor(chosen), min(most, prompt.W_U.shape[0]))

    def side(ids: Tensor, values: Tensor) -> tuple[tuple[str, float], ...]:
        return tuple((names[token], value) for token, value in zip(ids.tolist(), values.tolist(), strict=True))

    effects = {
        nodes.ids[row]: TokenEffects(
            side(found.promoted[i], found.promoted_by[i]),
            side(found.suppressed[i], found.suppressed_by[i]),
        )
        for i, row in enumerate(rows)
    }
    return replace(graph, effects=effects)
