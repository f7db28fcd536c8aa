"""How well a number tells two sets of tokens apart: the area under the ROC curve.

    AUROC = P(score of a positive > score of a negative) + ½ P(equal) = (Σ ranks of positives − n₊(n₊+1)/2) / (n₊ n₋)

Ranks of equal scores are their mean (Mann-Whitney), so a feature that never fires has exactly one half. All features
and all questions at once: ranks are made once per feature, and one matrix product sums them. Of sparse codes only the
entries are ranked; all that is 0 in a column is one tie.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_AT_ONCE = 2_000_000


def mid_ranks(scores: Float[Tensor, "P F"]) -> Float[Tensor, "P F"]:
    """The rank of each score in its column, from 1, the mean of them where scores are equal."""
    n = len(scores)
    ranks = torch.full(scores.shape, (n + 1) / 2)
    varied = (scores != scores[:1]).any(0).nonzero()[:, 0]  # the others are one tie
    for part in varied.split(max(1, _AT_ONCE // n)):
        columns = scores[:, part].T.contiguous()
        ordered = columns.sort(dim=1).values
        below = torch.searchsorted(ordered, columns)
        up_to = torch.searchsorted(ordered, columns, right=True)
        ranks[:, part] = ((below + up_to + 1) / 2).T
    return ranks


def areas(ranks: Float[Tensor, "P F"], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "U F"]:
    """The area for every question (a column of `positive`) and every feature, from its ranks; float64.

    A question must have positives and negatives.
    """
    ones = positive.double()
    n_positive = ones.sum(0)
    n_negative = len(ones) - n_positive
    assert bool((n_positive > 0).all() and (n_negative > 0).all()), "both kinds of tokens"
    sums = ones.T @ ranks.double()
    return (sums - (n_positive * (n_positive + 1) / 2)[:, None]) / (n_positive * n_negative)[:, None]


def auroc(scores: Float[Tensor, "P F"], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "U F"]:
    """`areas` of scores."""
    return areas(mid_ranks(scores), positive)


def sparse_areas(
    rows: Int[Tensor, " K"],
    columns: Int[Tensor, " K"],
    values: Float[Tensor, " K"],
    n_columns: int,
    positive: Bool[Tensor, "P U"],
) -> Float[Tensor, "U F"]:
    """`areas` of the columns of a matrix that is 0 but for these entries; no entry is 0, no place has two."""
    order = values.argsort(stable=True)
    order = order[columns[order].argsort(stable=True)]
    rows, columns, values = rows[order], columns[order], values[order]
    count = torch.bincount(columns, minlength=n_columns)
    below = torch.bincount(columns[values < 0], minlength=n_columns)
    zeros = len(positive) - count
    number = _mid_places(columns, values) - (count.cumsum(0) - count)[columns]
    ranks = (number + zeros[columns] * (values > 0)).double()
    zero_rank = below + (zeros + 1) / 2
    ones = positive.double()
    sums = ones.new_zeros(n_columns, ones.shape[1])
    sums.index_add_(0, columns, ones[rows] * (ranks - zero_rank[columns])[:, None])
    n_positive = ones.sum(0)
    n_negative = len(ones) - n_positive
    assert bool((n_positive > 0).all() and (n_negative > 0).all()), "both kinds of tokens"
    sums = sums.T + n_positive[:, None] * zero_rank
    return (sums - (n_positive * (n_positive + 1) / 2)[:, None]) / (n_positive * n_negative)[:, None]


def _mid_places(columns: Int[Tensor, " K"], values: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """The place of each entry in their order, from 1, the mean of them where column and value are the same."""
    new = torch.ones(len(values), dtype=torch.bool)
    new[1:] = (columns[1:] != columns[:-1]) | (values[1:] != values[:-1])
    run = new.cumsum(0) - 1
    length = torch.bincount(run)
    return (length.cumsum(0) - (length - 1) / 2)[run]
