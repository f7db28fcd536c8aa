"""The feature that tells a variable's value best: chosen on one half of the documents, measured on the other.

Features are the columns of a plane [tokens, features]; every value asks its own question. A feature may tell by being
silent: the sign is chosen with it (of a variable with two values, one feature then tells both). Documents of even
number are the first half. Knows nothing about models.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.evaluation.auroc import areas, auroc, mid_ranks
from gearscope.evaluation.places import ENOUGH, Labelled, Where
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


class Side(NamedTuple):
    """One half's tokens, and which of the values each has."""

    tokens: tuple[Labelled, ...]
    positive: Bool[Tensor, "P U"]


Sides = dict[Where, tuple[Side, Side]]
"""Both halves at every place at which a variable can be asked for."""


class Found(NamedTuple):
    """The best features of one variable."""

    area: float
    """Mean AUROC over the values, on the second half."""
    where: Where
    columns: tuple[int, ...]
    """The column chosen for each value."""
    silent: tuple[bool, ...]
    """Whether that feature tells the value by being low."""


def best(at: Sides, plane: Plane) -> Found:
    """The place and features that the first half prefers, and what they are worth on the second half."""
    tried = []
    for where, (first, _) in at.items():
        found = areas(plane.ranks(first.tokens), first.positive)
        either = torch.maximum(found, 1 - found)
        columns = either.argmax(1)
        own = torch.arange(len(columns))
        tried.append((float(either[own, columns].mean()), where, columns, found[own, columns] < 0.5))
    _, where, columns, silent = max(tried, key=lambda one: one[0])
    second = at[where][1]
    area = auroc(plane.scores(second.tokens)[:, columns], second.positive).diagonal()
    return Found(float(torch.where(silent, 1 - area, area).mean()), where, _ints(columns), tuple(silent.tolist()))


def together(at: Sides, where: Where, plane: Plane, *, most: int) -> float:
    """Mean AUROC on the second half of sums of up to `most` features at one place, each added for what it adds."""
    first, second = at[where]
    scores = plane.scores(first.tokens)
    scale = scores.std(0).clamp_min(1e-6)
    likely = areas(plane.ranks(first.tokens), first.positive).topk(min(_LIKELY, scores.shape[1]), dim=1).indices
    found = []
    for value, columns in enumerate(likely):
        ours, theirs = (x[:, columns] / scale[columns] for x in (scores, plane.scores(second.tokens)))
        asked, known = (side.positive[:, [value]] for side in (first, second))
        chosen, reached = [], 0.0
        while len(chosen) < most:
            sums = ours + ours[:, chosen].sum(1, keepdim=True)
            tried = auroc(sums, asked)[0].index_fill(0, torch.tensor(chosen, dtype=torch.long), 0.0)
            if float(tried.max()) <= reached:
                break
            reached = float(tried.max())
            chosen.append(int(tried.argmax()))
        found.append(float(auroc(theirs[:, chosen].sum(1, keepdim=True), known)))
    return sum(found) / len(found)


_LIKELY = 40
"""Features that may be added, for each value: those that tell it best by themselves."""


def sides(at: Mapping[Where, tuple[Labelled, ...]], values: tuple[Value, ...]) -> Sides:
    """Both halves of `settled`, and of each other place where every value is met often enough.

    That is `ENOUGH` times in each half, or as often as where it is settled: among few documents some feature tells any
    value of the half that chooses, and the place would win.
    """
    halves = {where: (_side(tokens, values, 0), _side(tokens, values, 1)) for where, tokens in at.items()}
    needed = [half.positive.sum(0).clamp(max=ENOUGH) for half in halves["settled"]]
    return {
        where: found
        for where, found in halves.items()
        if all(bool((half.positive.sum(0) >= least).all()) for half, least in zip(found, needed, strict=True))
        and all(bool(half.positive.logical_not().any(0).all()) for half in found)
    }


def _side(tokens: tuple[Labelled, ...], values: tuple[Value, ...], parity: int) -> Side:
    own = tuple(token for token in tokens if token.document % 2 == parity)
    positive = torch.tensor([[token.value == value for value in values] for token in own], dtype=torch.bool)
    return Side(own, positive.reshape(len(own), len(values)))


def _ints(columns: Tensor) -> tuple[int, ...]:
    return tuple(columns.tolist())
