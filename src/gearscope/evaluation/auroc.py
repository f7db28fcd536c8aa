"""How well a number tells two sets of tokens apart: the area under the ROC curve.

    AUROC = P(score of a positive > score of a negative) + ½ P(equal) = (Σ ranks of positives − n₊(n₊+1)/2) / (n₊ n₋)

Ranks of equal scores are their mean (Mann-Whitney), so a feature that never fires has exactly one half. All features
and all questions at once: ranks are made once per feature, and one matrix product sums them.
"""

import torch
from jaxtyping import Bool, Float
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
