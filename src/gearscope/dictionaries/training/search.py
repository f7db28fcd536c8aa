"""Entries of a matrix of pre-activations: those above a level, and the k largest of each row.

Every pass over the matrix costs as much as a sixth of the product that made it, so there are few, each at the speed of
memory. On CPUs these are numpy's: its comparisons, its search for what is true, its partial sorting use the
processor's vectors, where torch's take two to four times as long. The k largest of a row are found from the maxima of
groups: k groups reach the k-th largest maximum, so at least k entries do, and hardly more; only these are sorted. Knows
nothing about where the matrix comes from.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_GROUPS = (32, 16, 8, 4, 2, 1)
"""Entries of a group."""
_GROUPS_PER_K = 4
"""Times k groups at least, so that few groups hold two of the k largest."""


def above(
    pre: Float[Tensor, "P F"], level: float | Float[Tensor, "P 1"], mask: Bool[Tensor, "P F"]
) -> Int[Tensor, " K"]:
    """Where the entries above a level (one for all, or one for each row) are, in the matrix read row by row.

    `mask` is room to work in, contiguous: to get and to give back memory costs as much as the search.
    """
    if not _numpy_reads(pre):
        return torch.gt(pre, level, out=mask).flatten().nonzero()[:, 0]
    np.greater(pre.numpy(), level.numpy() if isinstance(level, Tensor) else level, out=mask.numpy())
    return torch.from_numpy(np.flatnonzero(mask.numpy()))


def k_largest(
    pre: Float[Tensor, "P F"], k: int, mask: Bool[Tensor, "P F"]
) -> tuple[Float[Tensor, "P K"], Int[Tensor, "P K"]]:
    """Values and columns of the k largest entries of each row, in any order; `mask` as in `above`.

    What is not positive may be missing: a 0 in column 0 is in its place.
    """
    if not k or not _numpy_reads(pre):
        return pre.topk(k, dim=1, sorted=False)
    P, F = pre.shape
    at = above(pre, _under_k(pre, k), mask)
    row = at // F
    counts = torch.bincount(row, minlength=P)
    width = max(k, int(counts.max()))
    place = torch.arange(len(at)) + (torch.arange(P) * width - (counts.cumsum(0) - counts)).index_select(0, row)
    few, columns = pre.new_zeros(P * width), at.new_zeros(P * width)
    few.scatter_(0, place, pre.flatten().index_select(0, at))
    columns.scatter_(0, place, at - row * F)
    values, chosen = few.view(P, width).topk(k, dim=1, sorted=False)
    return values, columns.view(P, width).gather(1, chosen)


def _under_k(pre: Float[Tensor, "P F"], k: int) -> Float[Tensor, "P 1"]:
    """For each row a number, 0 or more, that all of its k largest entries are above, where they are positive."""
    F = pre.shape[1]
    size = next(size for size in _GROUPS if F // size >= _GROUPS_PER_K * k or size == 1)
    n_groups = F // size
    maxima = pre[:, : size * n_groups].unflatten(1, (size, n_groups)).amax(1).numpy()
    reached = np.partition(maxima, n_groups - k, axis=1)[:, n_groups - k, None]
    return torch.from_numpy(np.maximum(np.nextafter(reached, np.float32(-np.inf)), 0))


def _numpy_reads(pre: Tensor) -> bool:
    return pre.device.type == "cpu" and pre.dtype in (torch.float32, torch.float64)
