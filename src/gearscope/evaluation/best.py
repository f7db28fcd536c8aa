"""The feature that tells a variable's value best: chosen on one half of the documents, measured on the other.

Features are the columns of a plane [tokens, features]; every value asks its own question. Documents of even number are
the first half. Knows nothing about models.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.evaluation.auroc import areas, auroc, mid_ranks
from gearscope.evaluation.places import Labelled, Where
from gearscope.organism.world.document import Value


class Plane:
    """Scores of features at tokens; ranks are made once for each choice of tokens."""

    def __init__(self, scores: Float[Tensor, "P F"], row: Mapping[tuple[int, int], int]) -> None:
        """`row` finds the row of a (document, word)."""
        self._scores, self._row = scores, row
        self._known: dict[tuple[int, ...], Tensor] = {}

    def scores(self, tokens: Sequence[Labelled]) -> Float[Tensor, "P F"]:
        """Of these tokens."""
        return self._scores[list(self._rows(tokens))]

    def ranks(self, tokens: Sequence[Labelled]) -> Float[Tensor, "P F"]:
        """Of these tokens, among themselves."""
        rows = self._rows(tokens)
        if rows not in self._known:
            self._known[rows] = mid_ranks(self._scores[list(rows)])
        return self._known[rows]

    def _rows(self, tokens: Sequence[Labelled]) -> tuple[int, ...]:
        return tuple(self._row[token.document, token.word] for token in tokens)


class Found(NamedTuple):
    """The best features of one variable."""

    area: float
    """Mean AUROC over the values, on the second half."""
    where: Where
    columns: tuple[int, ...]
    """The column chosen for each value."""


class _Side(NamedTuple):
    """One half's tokens, and which of the values each has."""

    tokens: tuple[Labelled, ...]
    positive: Bool[Tensor, "P U"]


def best(at: Mapping[Where, tuple[Labelled, ...]], values: tuple[Value, ...], plane: Plane) -> Found:
    """The place and features that the first half prefers, and what they are worth on the second half."""
    tried = []
    for where, tokens in at.items():
        sides = _sides(tokens, values)
        if sides is not None:
            first, second = (areas(plane.ranks(side.tokens), side.positive) for side in sides)
            tried.append(_found(first, second, first.argmax(1), where))
    return max(tried, key=lambda one: one[0])[1]


def best_probe(at: Mapping[Where, tuple[Labelled, ...]], values: tuple[Value, ...], planes: Sequence[Plane]) -> Found:
    """The same with one direction for each value, between means of the first half, in the best of several planes."""
    tried = []
    for where, tokens in at.items():
        sides = _sides(tokens, values)
        if sides is None:
            continue
        for plane in planes:
            scores = [plane.scores(side.tokens).double() for side in sides]
            along = _direction(scores[0], sides[0].positive)
            first, second = (auroc(x @ along, side.positive) for x, side in zip(scores, sides, strict=True))
            tried.append(_found(first, second, torch.arange(len(values)), where))
    return max(tried, key=lambda one: one[0])[1]


def _found(first: Tensor, second: Tensor, columns: Tensor, where: Where) -> tuple[float, Found]:
    own = torch.arange(len(columns))
    return float(first[own, columns].mean()), Found(float(second[own, columns].mean()), where, tuple(columns.tolist()))


def _direction(rows: Float[Tensor, "P D"], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "D U"]:
    """From the mean of the other tokens to the mean of those with a value, for each value."""
    ones = positive.double()
    inside = rows.T @ ones / ones.sum(0)
    outside = rows.T @ (1 - ones) / (1 - ones).sum(0)
    return inside - outside


def _sides(tokens: tuple[Labelled, ...], values: tuple[Value, ...]) -> tuple[_Side, _Side] | None:
    """Both halves; None where a value lacks positives or negatives in one. The place `settled` never does."""
    made = []
    for parity in (0, 1):
        here = tuple(token for token in tokens if token.document % 2 == parity)
        positive = torch.tensor([[token.value == value for value in values] for token in here])
        count = positive.sum(0)
        if not here or bool((count == 0).any() or (count == len(here)).any()):
            return None
        made.append(_Side(here, positive))
    return made[0], made[1]
