"""The feature that tells a variable's value best: chosen on one half of the documents, measured on the other.

Features are the columns of a plane [tokens, features]; every value asks its own question. A feature may tell by being
silent: the sign is chosen with it (of a variable with two values, one feature then tells both). Documents of even
number are the first half. Knows nothing about models.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.dictionaries.selection import Codes
from gearscope.evaluation.auroc import areas, auroc, mid_ranks, sparse_areas
from gearscope.evaluation.places import ENOUGH, Labelled, Where
from gearscope.organism.world.document import Value

Rows = Mapping[tuple[int, int], int]
"""The row of a plane for each (document, word)."""


@runtime_checkable
class Plane(Protocol):
    """Scores of features at tokens."""

    def areas(self, tokens: Sequence[Labelled], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "U F"]:
        """AUROC of every question and feature on these tokens."""
        ...

    def scores(self, tokens: Sequence[Labelled], columns: Sequence[int] | None = None) -> Float[Tensor, "P F"]:
        """Of these tokens, and of some features where they are named."""
        ...


class Dense:
    """A plane of all scores; ranks are made once for each choice of tokens."""

    def __init__(self, scores: Float[Tensor, "P F"], row: Rows) -> None:
        self._scores, self._row = scores, row
        self._known: dict[tuple[int, ...], Tensor] = {}

    def areas(self, tokens: Sequence[Labelled], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "U F"]:
        """AUROC of every question and feature on these tokens."""
        rows = tuple(_rows(tokens, self._row))
        if rows not in self._known:
            self._known[rows] = mid_ranks(self._scores[list(rows)])
        return areas(self._known[rows], positive)

    def scores(self, tokens: Sequence[Labelled], columns: Sequence[int] | None = None) -> Float[Tensor, "P F"]:
        """Of these tokens, and of some features where they are named."""
        found = self._scores[_rows(tokens, self._row)]
        return found if columns is None else found[:, list(columns)]


class Sparse:
    """A plane of codes, of which only what is active is kept and ranked."""

    def __init__(self, codes: Codes, n_features: int, row: Rows) -> None:
        """Entries of `codes` are in the order of their rows."""
        self._codes, self._offsets, self._row = codes, codes.offsets(), row
        self._n_features = n_features

    def areas(self, tokens: Sequence[Labelled], positive: Bool[Tensor, "P U"]) -> Float[Tensor, "U F"]:
        """AUROC of every question and feature on these tokens."""
        here = self._of(tokens)
        return sparse_areas(here.rows, here.columns, here.values, self._n_features, positive)

    def scores(self, tokens: Sequence[Labelled], columns: Sequence[int] | None = None) -> Float[Tensor, "P F"]:
        """Of these tokens, and of some features where they are named."""
        here = self._of(tokens)
        if columns is None:
            return here.dense(self._n_features)
        unique, back = torch.tensor(columns).unique(return_inverse=True)
        place = torch.searchsorted(unique, here.columns).clamp(max=len(unique) - 1)
        kept = unique[place] == here.columns
        return Codes(here.rows[kept], place[kept], here.values[kept], len(tokens)).dense(len(unique))[:, back]

    def _of(self, tokens: Sequence[Labelled]) -> Codes:
        rows = torch.tensor(_rows(tokens, self._row))
        ends = torch.cat([self._offsets[1:], torch.tensor([len(self._codes.values)])])
        count = ends[rows] - self._offsets[rows]
        new = torch.arange(len(rows)).repeat_interleave(count)
        entries = torch.arange(len(new)) + (self._offsets[rows] - (count.cumsum(0) - count)).repeat_interleave(count)
        return Codes(new, self._codes.columns[entries], self._codes.values[entries], len(rows))


def _rows(tokens: Sequence[Labelled], row: Rows) -> list[int]:
    return [row[token.document, token.word] for token in tokens]


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
        found = plane.areas(first.tokens, first.positive)
        either = torch.maximum(found, 1 - found)
        columns = either.argmax(1)
        own = torch.arange(len(columns))
        tried.append((float(either[own, columns].mean()), where, columns, found[own, columns] < 0.5))
    _, where, columns, silent = max(tried, key=lambda one: one[0])
    second = at[where][1]
    area = auroc(plane.scores(second.tokens, _ints(columns)), second.positive).diagonal()
    return Found(float(torch.where(silent, 1 - area, area).mean()), where, _ints(columns), tuple(silent.tolist()))


def together(at: Sides, where: Where, plane: Plane, *, most: int) -> float:
    """Mean AUROC on the second half of sums of up to `most` features at one place, each added for what it adds."""
    first, second = at[where]
    each = plane.areas(first.tokens, first.positive)
    likely = each.topk(min(_LIKELY, each.shape[1]), dim=1).indices
    found = []
    for value, columns in enumerate(likely):
        ours, theirs = (plane.scores(side.tokens, _ints(columns)) for side in (first, second))
        scale = ours.std(0).clamp_min(1e-6)
        ours, theirs = ours / scale, theirs / scale
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
