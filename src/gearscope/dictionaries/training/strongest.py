"""Which features are kept in training: the exact largest pre-activations, without the matrix tokens x features.

    top_k          the k largest of each token                     Gao et al. 2024
    batch_top_k    the k x tokens largest of the whole batch       Bussmann et al. 2024
    above          all above a bound, one for all features or one for each

All compute `x W_encᵀ + b_enc` for a few rows at a time, into one buffer that stays in cache. Top-k is grouped: the
k largest entries of a row lie in the k groups with the largest maxima, so only those are searched; k entries at
least reach the smallest of these maxima, so on CPUs, where sorting is what costs, only those that reach it are sorted.
Batch top-k keeps a lower bound of the cut from batch to batch: only groups whose maximum is above it are searched, and
if too few entries are found the bound is lowered and the batch read again, so the result does not depend on the bound.
Entries that are not positive are never kept. `largest` and `above_level`, which read all features, are references: on a
GPU the functions of the same names in `kernels/encoder.py` stand in (`backend.py`). Knows nothing about gradients.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.training.backend import has_kernel
from gearscope.dictionaries.training.shards import ALONE, Shards

_ROWS = 256
"""Tokens whose pre-activations exist at one time."""
_GROUP = 16
"""Features of one group."""
_SLACK = 0.97
"""The next batch's bound, as a share of this batch's cut."""


class Kept(NamedTuple):
    """The kept entries, sorted by token."""

    rows: Int[Tensor, " K"]
    columns: Int[Tensor, " K"]
    values: Float[Tensor, " K"]
    cut: float
    """batch_top_k: the smallest kept value. top_k: 0."""


def top_k(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], k: int, shards: Shards = ALONE
) -> Kept:
    """The k largest positive pre-activations of each token, exactly; of all processes, those that are held here."""
    wanted, k = k, min(k, len(W_enc))
    found, columns = largest(x, W_enc, b_enc, k)
    positive = found > 0
    if shards.count > 1:
        positive &= found >= shards.beside(found, wanted).topk(wanted, dim=1).values[:, -1:]
    value, column, positive = found.flatten(), columns.flatten(), positive.flatten()
    row = torch.arange(len(x), device=x.device).repeat_interleave(k)
    if bool(positive.all()):
        return Kept(row, column, value, 0.0)
    return Kept(row[positive], column[positive], value[positive], 0.0)


@has_kernel
def largest(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], k: int
) -> tuple[Float[Tensor, "P K"], Int[Tensor, "P K"]]:
    """Values and features of the k largest pre-activations of each token, in any order.

    What is not positive may be missing: a 0 is in its place.
    """
    P, F = len(x), len(W_enc)
    buffer, columns, values = x.new_empty(min(_ROWS, P), F), [], []
    for start in range(0, P, _ROWS):
        some = x[start : start + _ROWS]
        pre = torch.addmm(b_enc, some, W_enc.T, out=buffer[: len(some)])
        value, column = grouped_top_k(pre, k)
        values.append(value)
        columns.append(column)
    return torch.cat(values), torch.cat(columns)


def grouped_top_k(pre: Float[Tensor, "P F"], k: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the k largest entries of each row, in any order. Feature f is in group f mod F / 16."""
    P, F = pre.shape
    n_groups = F // _GROUP
    if F % _GROUP or n_groups <= k:
        return pre.topk(k, dim=1, sorted=False)
    grouped = pre.view(P, _GROUP, n_groups)
    maxima, groups = grouped.amax(1).topk(k, dim=1, sorted=False)
    candidates = grouped.gather(2, groups[:, None].expand(-1, _GROUP, -1)).reshape(P, _GROUP * k)
    if pre.device.type == "cpu":
        values, found = _reaching(candidates, maxima.amin(1, keepdim=True), k)
    else:
        values, found = candidates.topk(k, dim=1, sorted=False)
    return values, (found // k) * n_groups + groups.gather(1, found % k)


def _reaching(values: Float[Tensor, "P C"], bound: Float[Tensor, "P 1"], k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, of which at least k reach the row's bound: only these are sorted."""
    P = len(values)
    row, column = (~(values < bound)).nonzero(as_tuple=True)  # NaN too: it has to reach the loss
    counts = torch.bincount(row, minlength=P)
    place = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
    few = values.new_full((P, int(counts.max())), -torch.inf)
    few[row, place] = values[row, column]
    columns = column.new_zeros(few.shape)
    columns[row, place] = column
    largest, at = few.topk(k, dim=1, sorted=False)
    return largest, columns.gather(1, at)


def batch_top_k(
    x: Float[Tensor, "P I"],
    W_enc: Float[Tensor, "F I"],
    b_enc: Float[Tensor, " F"],
    k: int,
    bound: float | None,
    shards: Shards = ALONE,
) -> tuple[Kept, float]:
    """The k x P largest positive pre-activations of the batch, exactly, and the next batch's bound.

    `bound` is a guess of the cut from below, None for the first batch. Equal values at the cut are all kept. Where
    processes share the features, the largest are those of all, and what is returned are those that are held here.
    """
    needed = k * len(x)
    if bound is None:
        sample = torch.addmm(b_enc, x[:_ROWS], W_enc.T).flatten()
        bound = max(0.0, shards.least(0.9 * float(sample.topk(min(len(sample), k * len(x[:_ROWS]))).values[-1])))
    while True:
        rows, columns, values = above(x, W_enc, b_enc, bound)
        if shards.total(len(values)) >= needed or bound == 0:
            break
        bound = 0.9 * bound if bound > 1e-3 else 0.0
    cut = 0.0
    every = shards.all_values(values)
    if len(every) > needed:
        cut = float(every.kthvalue(len(every) - needed + 1).values)
        kept = (values >= cut).nonzero()[:, 0]
        rows, columns, values = (part.index_select(0, kept) for part in (rows, columns, values))
    return Kept(rows, columns, values, cut), _SLACK * cut


def above(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], bound: float | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """All pre-activations above `bound` (a number, or [F]), sorted by token: rows, columns, values."""
    if isinstance(bound, Tensor):
        rows, columns, values = above_level(x, W_enc, b_enc - bound, 0.0)
        return rows, columns, values + bound[columns]
    return above_level(x, W_enc, b_enc, bound)


@has_kernel
def above_level(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], level: float
) -> tuple[Tensor, Tensor, Tensor]:
    """All pre-activations above one number, sorted by token: rows, columns, values."""
    P, F = len(x), len(W_enc)
    size = _GROUP if F % _GROUP == 0 else 1
    n_groups = F // size
    buffer, found = x.new_empty(min(_ROWS, P), F), []
    for start in range(0, P, _ROWS):
        some = x[start : start + _ROWS]
        grouped = torch.addmm(b_enc, some, W_enc.T, out=buffer[: len(some)]).view(len(some), size, n_groups)
        at = (grouped.amax(1) > level).flatten().nonzero()[:, 0]
        row = at // n_groups
        group = at - row * n_groups
        candidates = grouped[row, :, group]
        hit = (candidates > level).flatten().nonzero()[:, 0]
        which = hit // size
        columns = (hit - which * size) * n_groups + group.index_select(0, which)
        found.append((row.index_select(0, which) + start, columns, candidates.flatten().index_select(0, hit)))
    rows, columns, values = zip(*found, strict=True)
    return torch.cat(rows), torch.cat(columns), torch.cat(values)
