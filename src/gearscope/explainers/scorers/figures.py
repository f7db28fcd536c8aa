"""Figures of predictions against what a feature did. numpy alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Figure(NamedTuple):
    """A score; `value` is None where it could not be measured."""

    value: float | None
    n: int
    """On how many answered questions."""
    details: dict[str, float | int | str | None]


def balanced_accuracy(said: Sequence[bool], true: Sequence[bool]) -> float | None:
    """The mean of the share right among those that are true and among those that are not; None where one is missing."""
    told, known = np.array(said, bool), np.array(true, bool)
    if known.all() or not known.any():
        return None
    return float((told[known].mean() + (~told[~known]).mean()) / 2)


def share(right: Sequence[bool]) -> float | None:
    """Of those that hold; None of nothing."""
    return sum(right) / len(right) if right else None


def correlation(said: Sequence[float], true: Sequence[float]) -> float | None:
    """Pearson's; 0 where all that is said is the same, None where all that is true is."""
    told, known = np.array(said, np.float64), np.array(true, np.float64)
    if len(known) < 2 or np.ptp(known) == 0:
        return None
    if np.ptp(told) == 0:
        return 0.0
    return float(np.corrcoef(told, known)[0, 1])


def auroc(scores: Sequence[float], true: Sequence[bool]) -> float | None:
    """How often a true one is above one that is not, ties counted half; None where one kind is missing."""
    told, known = np.array(scores, np.float64), np.array(true, bool)
    if known.all() or not known.any():
        return None
    pairs = told[known][:, None] - told[~known][None, :]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)
