"""Which firings of a feature become examples: an even draw that does not depend on the order of reading. No torch.

Each firing has a number that follows from feature and place alone (splitmix64, Steele et al. 2014). The firings with
the smallest numbers are a draw without replacement, and the draw of two halves together is a draw of the whole.
"""

import numpy as np
from jaxtyping import Integer

DECILES = 10


def lots(features: Integer[np.ndarray, " K"], places: Integer[np.ndarray, " K"]) -> Integer[np.ndarray, " K"]:
    """The number of each firing, as if drawn: 64 bits, unsigned."""
    with np.errstate(over="ignore"):
        x = features.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + places.astype(np.uint64)
        x = (x + np.uint64(1)) * np.uint64(0xD1342543DE82EF95)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def deciles_of(ranks: Integer[np.ndarray, " K"], n: Integer[np.ndarray, " K"]) -> Integer[np.ndarray, " K"]:
    """The tenth, from 1 to 10, of the `ranks`-th smallest of `n`, counted from 0."""
    return 1 + DECILES * ranks // np.maximum(n, 1)
