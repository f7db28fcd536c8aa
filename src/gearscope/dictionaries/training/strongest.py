"""Which features are kept in training: the exact largest pre-activations, without the matrix tokens x features.

    top_k          the k largest of each token                     Gao et al. 2024
    batch_top_k    the k x tokens largest of the whole batch       Bussmann et al. 2024
    above          all above a bound, one for all features or one for each

All compute `x W_encᵀ + b_enc` for a few rows at a time, into one buffer, and search it at once (`search.py`). Batch
top-k keeps a lower bound of the cut from batch to batch: only what is above it is looked at, and if that is too little
the bound is lowered and the batch read again, so the result does not depend on the bound. Entries that are not positive
are never kept. `largest` and `above_level`, which read all features, are references: on a GPU the functions of the same
names in `kernels/encoder.py` stand in (`backend.py`). Knows nothing about gradients.
"""

from collections.abc import Generator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.training import search
from gearscope.dictionaries.training.backend import has_kernel
from gearscope.dictionaries.training.shards import ALONE, Shards

_ROWS, _ENTRIES = 256, 2**20
"""Tokens whose pre-activations exist at one time, at least, and more where these are fewer than so many."""
_SAMPLED = 64
"""Tokens from which the first bound is guessed."""
_SLACK, _FIRST_SLACK = 0.97, 0.95
"""The next batch's bound, as a share of this batch's cut; the first one's, as a share of the cut of a few tokens."""


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
    found = [search.k_largest(pre, k, mask) for pre, mask in _pre_activations(x, W_enc, b_enc)]
    values, columns = zip(*found, strict=True)
    return torch.cat(values), torch.cat(columns)


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
        some = x[:: max(1, len(x) // _SAMPLED)]
        sample = torch.addmm(b_enc, some, W_enc.T).flatten()
        cut = sample.kthvalue(max(1, len(sample) - k * len(some))).values
        bound = max(0.0, shards.least(_FIRST_SLACK * float(cut)))
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
    found = list(_hits(x, W_enc, b_enc, level))  # the buffer is gone before they are put together
    rows, columns, values = zip(*found, strict=True)
    return torch.cat(rows), torch.cat(columns), torch.cat(values)


def _hits(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"], level: float
) -> Generator[tuple[Tensor, Tensor, Tensor]]:
    """The same, of a few rows after the other."""
    F, start = len(W_enc), 0
    for pre, mask in _pre_activations(x, W_enc, b_enc):
        at = search.above(pre, level, mask)
        row = at // F
        yield row + start, at - row * F, pre.flatten().index_select(0, at)
        start += len(pre)


def _pre_activations(
    x: Float[Tensor, "P I"], W_enc: Float[Tensor, "F I"], b_enc: Float[Tensor, " F"]
) -> Generator[tuple[Float[Tensor, "R F"], Bool[Tensor, "R F"]]]:
    """A few rows after the other, all in one buffer, and as much room to mark them."""
    n_rows = min(len(x), max(_ROWS, _ENTRIES // max(1, len(W_enc))))
    buffer = x.new_empty(n_rows, len(W_enc))
    mask = torch.empty_like(buffer, dtype=torch.bool)
    for some in x.split(n_rows):
        yield torch.addmm(b_enc, some, W_enc.T, out=buffer[: len(some)]), mask[: len(some)]
