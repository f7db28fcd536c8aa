"""Which features fire in one text, or one corpus, and not in the other.

    z = (p_a − p_b) / √(p (1 − p) (1/n_a + 1/n_b))     p the shares of tokens on which a feature fires

The usual test for two shares, as an order and not as a probability: tokens of one text are not independent.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from gearscope.features.reading import Subject, blocks, windows_per_pass


class Rates(NamedTuple):
    """How often features fire in some windows."""

    fired: Integer[np.ndarray, " F"]
    n_tokens: int


def rates(subject: Subject, windows: Integer[np.ndarray, "W P"]) -> Rates:
    """Count firings behind the first position of each window. Raises ModelError."""
    fired = np.zeros(subject.n_features, np.int64)
    n_passes = -(-len(windows) // windows_per_pass(windows.shape[1]))
    for block, _ in blocks(subject, windows, range(n_passes)):
        fired += np.diff(block.begin)
    return Rates(fired, len(windows) * (windows.shape[1] - 1))


def contrast(a: Rates, b: Rates) -> Float[np.ndarray, " F"]:
    """The z of each feature that fires more often in `a`; NaN for the others."""
    share_a, share_b = a.fired / max(1, a.n_tokens), b.fired / max(1, b.n_tokens)
    share = (a.fired + b.fired) / max(1, a.n_tokens + b.n_tokens)
    spread = np.sqrt(share * (1 - share) * (1 / max(1, a.n_tokens) + 1 / max(1, b.n_tokens)))
    z = (share_a - share_b) / np.where(spread > 0, spread, 1)
    return np.where(z > 0, z, np.nan)
