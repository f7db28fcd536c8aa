"""Bins for activations that need no maximum: the leading bits of a float32. No torch.

A positive float32, read as an integer, grows with its value. Without its last 20 bits it names one of 8 bins per
octave, of equal width within the octave: the bins of a sum of histograms are those of each, whatever was read first.
Two bins per octave (its first and second half) are what is stored of them.
"""

import numpy as np
from jaxtyping import Float, Integer

_DROPPED = 20
N_BINS = 2**31 >> _DROPPED
"""Bins of positive numbers."""
_PER_COARSE = 4
"""Fine bins of a half octave."""


def fine_bins(values: Float[np.ndarray, " K"]) -> Integer[np.ndarray, " K"]:
    """The bin of each positive value: below 2,048."""
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> _DROPPED).astype(np.int64)


def lower_edges(bins: Integer[np.ndarray, "*K"]) -> Float[np.ndarray, "*K"]:
    """The smallest value of each fine bin."""
    return (bins.astype(np.uint32) << np.uint32(_DROPPED)).view(np.float32)


def coarse_bins(bins: Integer[np.ndarray, " K"]) -> Integer[np.ndarray, " K"]:
    """The half octave of each fine bin."""
    return bins // _PER_COARSE


def coarse_edges(largest: float, n_bins: int) -> list[float]:
    """The edges, ascending, of the `n_bins` half octaves of which the last one holds `largest`."""
    top = int(fine_bins(np.array([largest], np.float32))[0]) // _PER_COARSE
    bins = np.arange(top - n_bins + 1, top + 2).clip(min=0) * _PER_COARSE
    return [float(edge) for edge in lower_edges(bins)]
