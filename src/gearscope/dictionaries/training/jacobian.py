"""A transcoder that moves as its MLP moves: the loss β (1 / P D) Σ_c Σ_p ‖J_MLP v − J_c v‖², directions v at random.

With the active features held, a transcoder is linear: J_c v = Σ_i (W_enc,i · v) W_dec,i + W_skip v, of a cross-layer
one what it writes in its own layer. Only kept entries count, so all products are sparse, as everywhere. Without this
loss a feature may stand for a set of inputs, right on each and wrong between them; a circuit follows the slope. (Over v
with independent standard normal entries the mean is the squared distance of the two Jacobians.) Gradients are added
to `.grad`. Knows nothing about models: J_MLP v is given.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.training.codes import Coded
from gearscope.dictionaries.training.shards import ALONE, Shards
from gearscope.dictionaries.training.sparse import decode, pattern_of, transposed, value_gradient
from gearscope.dictionaries.training.weights import Coder, Weights


def match_jacobians(
    weights: Weights, coded: Sequence[Coded], tangents: Float[Tensor, "P C T D"], weight: float, shards: Shards = ALONE
) -> Float[Tensor, ""]:
    """The loss. `tangents` holds for each dictionary (C) the direction v and J_MLP v (T = 2), in normalised units."""
    P, _, _, D = tangents.shape
    loss = tangents.new_zeros(())
    for number, (coder, codes) in enumerate(zip(weights.coders, coded, strict=True)):
        loss = loss + _match(coder, codes, tangents[:, number, 0], tangents[:, number, 1], weight / (P * D), shards)
    return loss


def _match(
    coder: Coder, codes: Coded, v: Float[Tensor, "P D"], moved: Float[Tensor, "P D"], weight: float, shards: Shards
) -> Float[Tensor, ""]:
    active = codes.values > 0
    rows, columns = codes.pattern.rows[active], codes.pattern.columns[active]
    pattern = pattern_of(rows, columns, len(v), len(coder.W_enc))
    v, own = v.contiguous(), coder.W_dec[:, : v.shape[1]].contiguous()
    slopes = value_gradient(pattern, v, coder.W_enc)
    left = shards.sum(decode(pattern, slopes, own)) - moved
    if coder.W_skip is not None:
        left += v @ coder.W_skip.T
    g = left * (2 * weight)
    assert coder.W_enc.grad is not None
    assert coder.W_dec.grad is not None
    coder.W_dec.grad[:, : v.shape[1]] += transposed(pattern, slopes, g)
    coder.W_enc.grad += transposed(pattern, value_gradient(pattern, g, own), v)
    if coder.W_skip is not None:
        assert coder.W_skip.grad is not None
        coder.W_skip.grad += g.T @ v
    return weight * left.square().sum()
