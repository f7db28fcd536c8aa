"""Which features get a row: in order of their influence on the targets, from the top layer down.

Every feature reads below the layer it writes to, so one sweep from the top layer to the bottom knows a feature's
influence exactly before it decides whether to expand it. With Â the rows' absolute values, each row scaled to sum 1,

    I_s = Σ_t (w_t + I_t) Â[t, s]      over targets and expanded features t

Influence that reaches a feature which is not expanded ends there: the *unexpanded* share, which is reported and turned
into intervals by the graph room. A row depends on its feature alone, so rows are kept, for other sweeps and for the
graph (kept.py). Where small entries are not kept, a sweep that makes its rows is as exact as without: it reads them
whole. Knows nothing about the graph that comes out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.attribution.kept import Influence, RowStore, WholeRows
from gearscope.attribution.rows import Aim, RowMaker
from gearscope.replacement.replacement import Active

_SEARCH_STEPS = 12
"""Sweeps spent on finding the threshold of a cap."""

_ENOUGH = 0.98
"""The share of a cap at which the search for more ends."""

_ROW_COST = 32
"""What a row costs at any position, in positions: in short prompts every row costs nearly the same."""

Progress = Callable[[str, int], None]
"""Called with a short phrase and the number of features expanded so far."""

Check = Callable[[Sequence[WholeRows]], None]
"""Sees the rows of the targets before any other is made, and may refuse to go on."""


@runtime_checkable
class Choice(Protocol):
    """Chooses which features of one layer are expanded, given their influence and the layers still below."""

    def __call__(self, layer: int, influence: Float[Tensor, " K"]) -> Bool[Tensor, " K"]:
        """True for the features to expand."""
        ...


class ByCoverage:
    """Leave at most `slack` of the influence unexpanded; each layer may use its equal part of what is left of it.

    A row goes over all positions up to its feature's own, so what a layer leaves has the least influence for its cost.
    """

    def __init__(self, slack: float, active: Active, most: int | None = None) -> None:
        self.slack, self.active, self.most = slack, active, most

    def __call__(self, layer: int, influence: Float[Tensor, " K"]) -> Bool[Tensor, " K"]:
        """Those with most influence for the cost of their row, as many as it takes to keep within the allowance."""
        cost = _ROW_COST + 1 + self.active.position[self.active.below(layer) : self.active.below(layer + 1)]
        order = torch.argsort(influence / cost.to(influence), descending=True, stable=True)
        tail = influence[order].flip(0).cumsum(0).flip(0)
        n = int((tail > self.slack / (layer + 1)).sum())
        if self.most is not None:
            n = min(n, self.most)
        n = min(n, int((influence > 0).sum()))
        if n < len(order):
            self.slack = max(0.0, self.slack - float(tail[n]))
        chosen = torch.zeros_like(influence, dtype=torch.bool)
        chosen[order[:n]] = True
        return chosen


class ByThreshold:
    """Expand every feature whose influence is at least `least`."""

    def __init__(self, least: float) -> None:
        self.least = least

    def __call__(self, layer: int, influence: Float[Tensor, " K"]) -> Bool[Tensor, " K"]:
        """True where the influence reaches the threshold."""
        return influence >= self.least


class ByName:
    """Expand these features and no others."""

    def __init__(self, chosen: Bool[Tensor, " K"], bounds: Sequence[int]) -> None:
        self.chosen, self.bounds = chosen, bounds

    def __call__(self, layer: int, influence: Float[Tensor, " K"]) -> Bool[Tensor, " K"]:
        """Those of the layer."""
        del influence
        return self.chosen[self.bounds[layer] : self.bounds[layer + 1]]


class RowSum(NamedTuple):
    """Signed and absolute sums of whole rows, before any column is left out."""

    signed: Float[Tensor, " N"]
    mass: Float[Tensor, " N"]


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """The outcome of one sweep."""

    expanded: Int[Tensor, " C"]
    """The expanded features, ascending."""
    reached: Influence
    """The influence of every feature and every leaf."""
    sums: RowSum
    """Of every feature; nan where no row was made."""
    targets: list[WholeRows]
    """The rows of the targets, numbered as these are."""
    store: RowStore
    """The rows that were made and kept: those of the expanded features, unless they did not fit, and others."""

    @property
    def influence(self) -> Float[Tensor, " K"]:
        """The influence of every feature."""
        return self.reached.features[0]

    @property
    def unexpanded(self) -> float:
        """Influence that ends in features without a row, in units of the targets' total weight of 1."""
        left = self.influence.clone()
        left[self.expanded] = 0
        return float(left.sum())


def expand(
    maker: RowMaker,
    aims: Sequence[Aim],
    weights: Float[Tensor, " T"],
    *,
    coverage: float,
    max_features: int | None,
    tolerance: float = 0.0,
    check: Check | None = None,
    progress: Progress | None = None,
) -> Expansion:
    """Expand until `coverage` of the influence is explained, or only the `max_features` most influential features.

    Under a cap, every expanded feature has more influence than any that was left. How many features reach a threshold
    is known only after a sweep with it, so the threshold is searched for: at most the cap is expanded, and seldom less
    than 98 % of it. With a tolerance the search goes by the kept entries, and a last sweep makes the rows once more.
    """
    sweep = _Sweeps(maker, aims, weights / weights.sum(), tolerance, progress)
    if check is not None:
        check(sweep.targets)
    found = sweep(ByCoverage(1 - coverage, maker.replacement.active, max_features), at_most=max_features)
    if found is not None:
        return found
    assert max_features is not None
    return sweep.exact(_search(sweep, max_features))


def _search(sweep: "_Sweeps", most: int) -> Expansion:
    """The lowest threshold found that at most `most` features reach."""
    best = sweep(ByThreshold(float("inf")))
    assert best is not None
    too_low, enough = 0.0, 2 * float(best.influence.max())
    for _ in range(_SEARCH_STEPS):
        waiting = best.influence.clone()
        waiting[best.expanded] = 0
        room = most - len(best.expanded)
        if room <= (1 - _ENOUGH) * most:
            break
        least = float(waiting.topk(min(room, len(waiting))).values[-1])
        if not too_low < least < enough:
            least = (too_low * enough) ** 0.5
        tried = sweep(ByThreshold(least), at_most=most)
        if tried is None:
            too_low = least
        else:
            best, enough = tried, least
    return best


class _Sweeps:
    """Sweeps from the top layer to the bottom, which share the rows that they make."""

    def __init__(
        self,
        maker: RowMaker,
        aims: Sequence[Aim],
        weights: Float[Tensor, " T"],
        tolerance: float,
        progress: Progress | None,
    ) -> None:
        self.maker, self.progress = maker, progress
        self.store = RowStore(maker, tolerance)
        n_features, n_leaves = len(maker.replacement.active), maker.leaves.size
        self.direct = Influence(*(torch.zeros(2, n, dtype=torch.float64) for n in (n_features, n_leaves)))
        self.targets, start = [], 0
        for aim in aims:
            for _, rows in maker.rows(aim):
                numbers = torch.arange(start, start + len(rows.leaves))
                block = WholeRows.of(numbers, rows, maker.leaves.constants)
                block.spread(weights[numbers].expand(2, -1), self.direct)
                self.targets.append(block)
                start += len(numbers)

    def __call__(self, choose: Choice, at_most: int | None = None) -> Expansion | None:
        """Expand what is chosen; None as soon as that is more than `at_most`."""
        active, reached = self.maker.replacement.active, self.direct.copy()
        nothing = torch.full((len(active),), torch.nan, dtype=torch.float64)
        sums = RowSum(nothing, nothing.clone())
        chosen, done = torch.zeros(len(active), dtype=torch.bool), 0
        for layer in range(self.maker.prompt.n_layers - 1, -1, -1):
            here = slice(active.below(layer), active.below(layer + 1))
            chosen[here] = choose(layer, reached.features[0, here])
            done += int(chosen[here].sum())
            if at_most is not None and done > at_most:
                return None
            for block in self.store.get(layer, chosen):
                features = block.features
                block.spread(torch.where(chosen[features], reached.features[:, features], 0.0), reached)
                sums.signed[features], sums.mass[features] = block.sums.signed, block.sums.masses[0]
            if self.progress is not None:
                self.progress(f"layer {layer}", done)
        return Expansion(
            expanded=chosen.nonzero()[:, 0], reached=reached, sums=sums, targets=self.targets, store=self.store
        )

    def exact(self, found: Expansion) -> Expansion:
        """The same features, by whole rows."""
        if not self.store.tolerance:
            return found
        active = self.maker.replacement.active
        chosen = torch.zeros(len(active), dtype=torch.bool)
        chosen[found.expanded] = True
        self.store = RowStore(self.maker, self.store.tolerance)
        again = self(ByName(chosen, [active.below(layer) for layer in range(self.maker.prompt.n_layers + 1)]))
        assert again is not None
        return again
