"""Products with sparse codes in stock operators: nothing of size tokens x features ever exists.

With S the codes of a batch as a matrix [P, F] of which only K entries are kept:

    decode            S W           one bag of decoder rows per token
    value_gradient    (g Wᵀ)[K]     at the kept entries only (a sampled dense-dense product)
    transposed        Sᵀ g          the kept entries sorted by feature, then one bag of tokens per feature

The cost is K x (width of W) each, where dense products pay P x F x (width of W). Gradients of a dictionary are made of
these three (`gradient.py`). This is the reference; on a GPU the functions of the same names in `kernels/products.py`
stand in (`backend.py`). Knows nothing about which entries are kept, or why.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.training.backend import has_kernel
from gearscope.dictionaries.training.pattern import Pattern


@has_kernel
def pattern_of(rows: Int[Tensor, " K"], columns: Int[Tensor, " K"], n_rows: int, n_features: int) -> Pattern:
    """The pattern of entries that are sorted by token."""
    order = _narrow(columns, n_features).argsort(stable=True)
    counts = torch.bincount(columns, minlength=n_features)
    per_row = torch.bincount(rows, minlength=n_rows)
    return Pattern(
        rows=rows,
        columns=columns,
        offsets=per_row.cumsum(0) - per_row,
        order=order,
        rows_by_feature=rows.index_select(0, order),
        starts=counts.cumsum(0) - counts,
        counts=counts,
    )


def _narrow(columns: Int[Tensor, " K"], n_features: int) -> Int[Tensor, " K"]:
    """The same numbers in fewer bytes: sorting passes over each byte."""
    for dtype in (torch.int16, torch.int32):
        if n_features <= torch.iinfo(dtype).max:
            return columns.to(dtype)
    return columns


@has_kernel
def decode(pattern: Pattern, values: Float[Tensor, " K"], W: Float[Tensor, "F W"]) -> Float[Tensor, "P W"]:
    """What the codes write: S W."""
    if not len(values):
        return W.new_zeros(len(pattern.offsets), W.shape[1])
    return torch.nn.functional.embedding_bag(pattern.columns, W, pattern.offsets, mode="sum", per_sample_weights=values)


@has_kernel
def value_gradient(pattern: Pattern, g: Float[Tensor, "P W"], W: Float[Tensor, "F W"]) -> Float[Tensor, " K"]:
    """The gradient of the kept values, for a gradient `g` of what they write.

    Entries are the products of a row of g and a row of W. They are read in the order of the longer one.
    """
    if not len(pattern.rows):
        return g.new_zeros(0)
    products = torch.ops.aten._embedding_bag_per_sample_weights_backward
    if len(g) >= len(W):
        return products(g, W, pattern.columns, pattern.offsets, pattern.rows, 0)
    columns = pattern.columns.index_select(0, pattern.order)
    by_feature = products(W, g, pattern.rows_by_feature, pattern.starts, columns, 0)
    return torch.empty_like(by_feature).index_copy_(0, pattern.order, by_feature)


@has_kernel
def transposed(pattern: Pattern, values: Float[Tensor, " K"], x: Float[Tensor, "P W"]) -> Float[Tensor, "F W"]:
    """Sᵀ x: for each feature, the tokens it is active on, weighted by its values there."""
    if not len(values):
        return x.new_zeros(len(pattern.starts), x.shape[1])
    return torch.nn.functional.embedding_bag(
        pattern.rows_by_feature, x, pattern.starts, mode="sum", per_sample_weights=values.index_select(0, pattern.order)
    )


@has_kernel
def summed(pattern: Pattern, values: Float[Tensor, " K"]) -> Float[Tensor, " F"]:
    """Sᵀ 1: the sum of each feature's values."""
    return values.new_zeros(len(pattern.starts)).index_add_(0, pattern.columns, values)


@has_kernel
def counted(pattern: Pattern, chosen: Bool[Tensor, " K"]) -> Int[Tensor, " F"]:
    """How many of each feature's entries are chosen."""
    return torch.bincount(pattern.columns[chosen], minlength=len(pattern.starts))
