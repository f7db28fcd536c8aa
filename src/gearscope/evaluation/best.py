"""The feature that tells a variable's value best: chosen on one half of the documents, measured on the other.

Features are the columns of a plane [tokens, features]; every value asks its own question. Knows nothing about models.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.evaluation.auroc import auroc
from gearscope.evaluation.places import Labelled, Where
from gearscope.organism.world.document import Value


class Found(NamedTuple):
    """The best features of one variable."""

    area: float
    """Mean AUROC over the values, on the second half."""
    where: Where
    columns: tuple[int, ...]
    """The column chosen for each value."""


class _Halves(NamedTuple):
    """Labelled tokens: which of their values, and on which side."""

    rows: Float[Tensor, "P F"]
    positive: Bool[Tensor, "P U"]
    first: Bool[Tensor, " P"]


def best(
    at: Mapping[Where, tuple[Labelled, ...]],
    values: tuple[Value, ...],
    row: Mapping[tuple[int, int], int],
    planes: Sequence[Float[Tensor, "P F"]],
    *,
    probe: bool = False,
) -> Found:
    """The place, plane and columns that the first half prefers, and what they are worth on the second half.

    `row` finds the row of a (document, word) in the planes. Documents of even number are the first half.
    With `probe`, a plane's columns are replaced by one direction for each value, fitted on the first half.
    """
    tried = []
    for where, tokens in at.items():
        for plane in planes:
            half = _halves(tokens, values, row, plane)
            if half is not None:
                tried.append(_choose(half, where, probe=probe))
    assert tried, "`settled` holds every value often enough"
    return max(tried, key=lambda one: one[0])[1]


def _choose(half: _Halves, where: Where, *, probe: bool) -> tuple[float, Found]:
    """The best columns by the first half: what they are worth there, and on the second half."""
    scores, own = _probe(half) if probe else half.rows, torch.arange(half.positive.shape[1])
    first = auroc(scores[half.first], half.positive[half.first])
    second = auroc(scores[~half.first], half.positive[~half.first])
    columns = own if probe else first.argmax(1)
    found = Found(float(second[own, columns].mean()), where, tuple(columns.tolist()))
    return float(first[own, columns].mean()), found


def _probe(half: _Halves) -> Float[Tensor, "P U"]:
    """How far each token lies along the direction of each value."""
    rows, ones = half.rows[half.first].double(), half.positive[half.first].double()
    inside = ones.T @ rows / ones.sum(0)[:, None]
    outside = (1 - ones).T @ rows / (1 - ones).sum(0)[:, None]
    return half.rows.double() @ (inside - outside).T


def _halves(
    tokens: tuple[Labelled, ...],
    values: tuple[Value, ...],
    row: Mapping[tuple[int, int], int],
    plane: Float[Tensor, "P F"],
) -> _Halves | None:
    """The tokens with their side; None where a value lacks positives or negatives on one."""
    asked = [token.value for token in tokens]
    positive = torch.tensor([[value == one for one in values] for value in asked])
    first = torch.tensor([token.document % 2 == 0 for token in tokens])
    for side in (first, ~first):
        count = positive[side].sum(0)
        if bool((count == 0).any() or (count == int(side.sum())).any()):
            return None
    return _Halves(plane[[row[token.document, token.word] for token in tokens]], positive, first)
