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
    columns = scores.T.contiguous()
    ordered = columns.sort(dim=1).values
    below = torch.searchsorted(ordered, columns)
    up_to = torch.searchsorted(ordered, columns, right=True)
    return ((below + up_to + 1).double() / 2).T


def auroc(scores: Float[Tensor, "P F"], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "U F"]:
    """The area for every question (a column of `positive`) and every feature; float64.

    A question must have positives and negatives.
    """
    ones = positive.double()
    n_positive = ones.sum(0)
    n_negative = len(ones) - n_positive
    assert bool((n_positive > 0).all() and (n_negative > 0).all()), "both kinds of tokens"
    parts = scores.split(max(1, _AT_ONCE // len(scores)), dim=1)
    sums = torch.cat([ones.T @ mid_ranks(part) for part in parts], dim=1)
    return (sums - (n_positive * (n_positive + 1) / 2)[:, None]) / (n_positive * n_negative)[:, None]
