"""How well a value can be read from all that stands at a token: linear discriminants of the residual stream.

    w_v = (Σ + λ mean(diag Σ) I)⁻¹ (mean of the tokens with value v - mean of the others)

Σ is the covariance at the place, λ = 0.1. Place and layer are chosen within the first half of the documents (fitted on
half of it, judged on the other), the discriminant is fitted on all of it and measured on the second half. Where that
stays below the bar of `truths.py`, the value is not there as a direction, and no feature can be asked to tell it.
Knows nothing about models.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.evaluation.auroc import auroc
from gearscope.evaluation.best import Plane, Sides

_SHRINKAGE = 0.1


def best_probe(at: Sides, planes: Sequence[Plane]) -> float:
    """Mean AUROC over the values on the second half, at the place and in the plane that the first half prefers."""
    tried = []
    for first, second in at.values():
        for plane in planes:
            x = plane.scores(first.tokens).double()
            tried.append((_within(x, first.positive), x, plane, first, second))
    _, x, plane, first, second = max(tried, key=lambda one: one[0])
    along = discriminant(x, first.positive)
    return float(auroc(plane.scores(second.tokens).double() @ along, second.positive).diagonal().mean())


def discriminant(x: Float[Tensor, "P D"], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "D U"]:
    """One direction for each question."""
    centred, ones = x - x.mean(0), positive.double()
    covariance = centred.T @ centred / len(x)
    ridge = (_SHRINKAGE * covariance.diagonal().mean() + 1e-9) * torch.eye(len(covariance), dtype=x.dtype)
    apart = centred.T @ (ones / ones.sum(0) - (1 - ones) / (1 - ones).sum(0))
    return torch.linalg.solve(covariance + ridge, apart)


def _within(x: Float[Tensor, "P D"], positive: Bool[Tensor, "P U"]) -> float:
    """Fitted on every second token and judged on the others, and the other way round; of values that both have."""
    even = torch.arange(len(x)) % 2 == 0
    asked = [v for v in range(positive.shape[1]) if _varies(positive[even, v]) and _varies(positive[~even, v])]
    if not asked:
        return 0.0
    found = [
        auroc(x[~fit] @ discriminant(x[fit], positive[fit][:, asked]), positive[~fit][:, asked]).diagonal().mean()
        for fit in (even, ~even)
    ]
    return float(sum(found) / 2)


def _varies(asked: Bool[Tensor, " P"]) -> bool:
    return bool(asked.any()) and not bool(asked.all())
