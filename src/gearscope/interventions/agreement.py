"""How well predictions agree with measurements: rank correlation, signs, and how far a distribution moved.

Knows nothing about what was predicted.
"""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor


def spearman(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> float | None:
    """Rank correlation, ties at their mean rank; None for fewer than three pairs or where nothing varies."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def sign_agreement(x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"]) -> float | None:
    """Share of the pairs with equal signs, among those where neither is exactly zero; None when there are none."""
    both = (x != 0) & (y != 0)
    return float((np.sign(x[both]) == np.sign(y[both])).mean()) if both.any() else None


def divergence(before: Float[Tensor, " V"], after: Float[Tensor, "B V"]) -> Float[Tensor, " B"]:
    """KL(before ‖ after) in nats, from logits, by row of `after`."""
    p, q = before.double().log_softmax(-1), after.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).clamp(min=0)
