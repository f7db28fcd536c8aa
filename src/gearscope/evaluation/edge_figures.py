"""Predicted edges beside true ones: counts, areas, and what chance would find. Nothing here knows what an edge is."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Counts(NamedTuple):
    """How many of the predicted are true."""

    right: float = 0.0
    false: float = 0.0
    missed: float = 0.0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def precision(self) -> float | None:
        """Share of the predicted that is true; None where nothing is predicted."""
        return _share(self.right, self.right + self.false)

    @property
    def recall(self) -> float | None:
        """Share of the true that is predicted; None where nothing is true."""
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None where there is neither."""
        return _share(2 * self.right, 2 * self.right + self.false + self.missed)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def counted(predicted: Bool[np.ndarray, " K"], true: Bool[np.ndarray, " K"]) -> Counts:
    """The counts of one prompt."""
    right = float((predicted & true).sum())
    return Counts(right, float(predicted.sum()) - right, float(true.sum()) - right)


def average_precision(score: Float[np.ndarray, " K"], true: Bool[np.ndarray, " K"]) -> float | None:
    """Precision at every true one, averaged, equal scores taken at once; None where nothing is true."""
    if not true.any():
        return None
    bars, number = np.unique(-score, return_inverse=True)
    right = np.bincount(number, weights=true, minlength=len(bars))
    precision = right.cumsum() / np.bincount(number, minlength=len(bars)).cumsum()
    return float((precision * right).sum() / right.sum())


def shuffled(
    predicted: Bool[np.ndarray, " K"], classes: Int[np.ndarray, " K"], rng: np.random.Generator
) -> Bool[np.ndarray, " K"]:
    """As many at random, in every class as many as there are."""
    drawn = np.zeros_like(predicted)
    for number in np.unique(classes[predicted]):
        here = np.flatnonzero(classes == number)
        drawn[rng.choice(here, int(predicted[here].sum()), replace=False)] = True
    return drawn


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of those that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def together(counts: Iterable[Counts]) -> Counts:
    """The counts of many prompts."""
    return reduce(Counts.plus, counts, Counts())
