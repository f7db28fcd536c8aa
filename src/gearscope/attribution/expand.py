"""Which features get a row: in order of their influence on the targets, from the top layer down.

Every feature reads below the layer it writes to, so one sweep from the top layer to the bottom knows a feature's
influence exactly before it decides whether to expand it. With Â the rows' absolute values, each row scaled to sum 1,

    I_s = Σ_t (w_t + I_t) Â[t, s]      over targets and expanded features t

Influence that reaches a feature which is not expanded ends there: the *unexpanded* share, which is reported and turned
into intervals by the graph room. A row depends on its feature alone, so rows are kept, for other sweeps and for the
graph, while they fit a fixed amount of memory; beyond it they are made again, so memory does not grow with them. Knows
nothing about the graph that comes out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.attribution.rows import Aim, RowMaker, Rows

_ROW_BYTES = 2**30
"""Memory for the rows that are kept; without effect on results."""

_SEARCH_STEPS = 12
"""Sweeps spent on finding the threshold of a cap."""

_ENOUGH = 0.98
"""The share of a cap at which the search for more ends."""

Progress = Callable[[str, int], None]
"""Called with a short phrase and the number of features expanded so far."""


@runtime_checkable
class Choice(Protocol):
    """Chooses which features of one layer are expanded, given their influence and the layers still below."""

    def __call__(self, layer: int, influence: Float[Tensor, " K"]) -> Bool[Tensor, " K"]:
        """True for the features to expand."""
        ...


class ByCoverage:
    """Leave at most `slack` of the influence unexpanded; each layer may use its equal part of what is left of it."""

    def __init__(self, slack: float, most: int | None = None) -> None:
        self.slack = slack
        self.most = most

    def __call__(self, layer: int, influence: Float[Tensor, " K"]) -> Bool[Tensor, " K"]:
        """The fewest features of this layer, by influence, that keep within the allowance."""
        order = torch.argsort(influence, descending=True, stable=True)
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


class FeatureRows(NamedTuple):
    """Rows that were made together, the features they belong to, and the sums of their entries' absolute values."""

    features: Int[Tensor, " T"]
    rows: Rows
    sums: Float[Tensor, " T"]
    magnitudes: Float[Tensor, " T"]

    @classmethod
    def of(cls, features: Int[Tensor, " T"], rows: Rows) -> "FeatureRows":
        """Add up what each row holds."""
        parts = (rows.leaves, rows.entries)
        sums = [part.sum(1, dtype=torch.float64) for part in parts]
        magnitudes = [part.abs().sum(1, dtype=torch.float64) for part in parts]
        return cls(features, rows, sums[0] + sums[1], magnitudes[0] + magnitudes[1])

    def spread(self, mass: Float[Tensor, " T"], influence: Float[Tensor, " K"]) -> None:
        """Pass the rows' influence on to the features they read."""
        share = torch.where(self.magnitudes > 0, mass / self.magnitudes, 0.0).to(self.rows.entries.dtype)
        busy = share.nonzero()[:, 0]
        if len(busy):
            entries = self.rows.entries if len(busy) == len(share) else self.rows.entries[busy]
            influence[self.rows.sources] += (share[busy] @ entries.abs()).double()


class RowStore:
    """Rows of features, each made when it is first wanted, and kept while all fit in `_ROW_BYTES`."""

    def __init__(self, maker: RowMaker) -> None:
        self.maker = maker
        self.kept: list[list[FeatureRows]] = [[] for _ in range(maker.prompt.n_layers)]
        self.known = torch.zeros(len(maker.replacement.active), dtype=torch.bool)
        self.bytes = 0

    def get(self, layer: int, chosen: Bool[Tensor, " K"]) -> Iterator[FeatureRows]:
        """Blocks that together hold the rows of the chosen features of `layer`; kept ones may hold others too."""
        yield from list(self.kept[layer])
        active = self.maker.replacement.active
        here = slice(active.below(layer), active.below(layer + 1))
        missing = (chosen[here] & ~self.known[here]).nonzero()[:, 0] + here.start
        for features, rows in self.maker.feature_rows(missing):
            made = FeatureRows.of(features, rows)
            self.bytes += rows.leaves.nbytes + rows.entries.nbytes
            if self.bytes <= _ROW_BYTES:
                self.kept[layer].append(made)
                self.known[features] = True
            yield made


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """The outcome of one sweep. Sums are over whole rows, before any column is left out."""

    expanded: Int[Tensor, " C"]
    """The expanded features, ascending."""
    influence: Float[Tensor, " K"]
    row_sum: Float[Tensor, " K"]
    row_abs: Float[Tensor, " K"]
    target_sum: Float[Tensor, " T"]
    target_abs: Float[Tensor, " T"]
    target_rows: list[Rows]
    rows: RowStore
    """The rows that were made and kept: those of the expanded features, unless they did not fit, and others."""

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
    progress: Progress | None = None,
) -> Expansion:
    """Expand until `coverage` of the influence is explained, or only the `max_features` most influential features.

    Under a cap, every expanded feature has more influence than any that was left. How many features reach a threshold
    is known only after a sweep with it, so the threshold is searched for: at most the cap is expanded, and seldom less
    than 98 % of it.
    """
    sweep = _Sweeps(maker, aims, weights / weights.sum(), progress)
    found = sweep(ByCoverage(1 - coverage, max_features), at_most=max_features)
    if found is None:
        assert max_features is not None
        return _search(sweep, max_features)
    return found


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
        self, maker: RowMaker, aims: Sequence[Aim], weights: Float[Tensor, " T"], progress: Progress | None
    ) -> None:
        self.maker, self.progress = maker, progress
        self.store = RowStore(maker)
        self.direct = torch.zeros(len(maker.replacement.active), dtype=torch.float64)
        targets = [FeatureRows.of(torch.arange(len(rows.leaves)), rows) for aim in aims for _, rows in maker.rows(aim)]
        for block, mass in zip(targets, weights.split([len(block.sums) for block in targets]), strict=True):
            block.spread(mass, self.direct)
        self.target_rows = [block.rows for block in targets]
        self.target_sum = torch.cat([block.sums for block in targets])
        self.target_abs = torch.cat([block.magnitudes for block in targets])

    def __call__(self, choose: Choice, at_most: int | None = None) -> Expansion | None:
        """Expand what is chosen; None as soon as that is more than `at_most`."""
        active, influence = self.maker.replacement.active, self.direct.clone()
        row_sum, row_abs = torch.full_like(influence, torch.nan), torch.full_like(influence, torch.nan)
        chosen, done = torch.zeros(len(active), dtype=torch.bool), 0
        for layer in range(self.maker.prompt.n_layers - 1, -1, -1):
            here = slice(active.below(layer), active.below(layer + 1))
            chosen[here] = choose(layer, influence[here])
            done += int(chosen[here].sum())
            if at_most is not None and done > at_most:
                return None
            for block in self.store.get(layer, chosen):
                features = block.features
                block.spread(torch.where(chosen[features], influence[features], 0.0), influence)
                row_sum[features], row_abs[features] = block.sums, block.magnitudes
            if self.progress is not None:
                self.progress(f"layer {layer}", done)
        return Expansion(
            expanded=chosen.nonzero()[:, 0],
            influence=influence,
            row_sum=row_sum,
            row_abs=row_abs,
            target_sum=self.target_sum,
            target_abs=self.target_abs,
            target_rows=self.target_rows,
            rows=self.store,
        )
