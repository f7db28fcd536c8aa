"""Which features get a row: in order of their influence on the targets, from the top layer down.

Every feature reads below the layer it writes to, so one sweep from the top layer to the bottom knows a feature's
influence exactly before it decides whether to expand it. With Â the rows' absolute values, each row scaled to sum 1,

    I_s = Σ_t (w_t + I_t) Â[t, s]      over targets and expanded features t

Influence that reaches a feature which is not expanded ends there: the *unexpanded* share, which is reported and turned
into intervals by the graph room. Rows are kept for the graph while they fit a fixed amount of memory; beyond it they
are dropped and made again, so memory does not grow with them. Knows nothing about the graph that comes out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.attribution.rows import Aim, RowMaker

_ROW_BYTES = 2**30
"""Memory for the rows that are kept; without effect on results."""

_SEARCH_STEPS = 12
"""Sweeps spent on finding the threshold of a cap."""

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
    """Rows that were made together, and the features they belong to."""

    features: Int[Tensor, " T"]
    entries: Float[Tensor, "T N"]


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
    rows: list[FeatureRows] | None
    """The rows of all expanded features, as they were made, ascending; None when they did not fit their memory."""

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
    is known only after a sweep with it, so the threshold is searched for: at most the cap is expanded, and seldom less.
    """
    weights = weights / weights.sum()
    sweep = _sweep(maker, aims, weights, ByCoverage(1 - coverage, max_features), progress)
    if max_features is None or len(sweep.expanded) <= max_features:
        return sweep
    sweep = _sweep(maker, aims, weights, ByThreshold(float("inf")), progress)
    too_low, enough = 0.0, 2 * float(sweep.influence.max())
    for _ in range(_SEARCH_STEPS):
        if len(sweep.expanded) == max_features:
            break
        least = float(sweep.influence.sort(descending=True).values[max_features - 1])
        if not too_low < least < enough:
            least = (too_low * enough) ** 0.5
        tried = _sweep(maker, aims, weights, ByThreshold(least), progress)
        if len(tried.expanded) > max_features:
            too_low = least
        else:
            sweep, enough = tried, least
    return sweep


def _sweep(
    maker: RowMaker, aims: Sequence[Aim], weights: Float[Tensor, " T"], choose: Choice, progress: Progress | None
) -> Expansion:
    active = maker.replacement.active
    influence = torch.zeros(len(active), dtype=torch.float64)
    row_sum, row_abs = torch.full_like(influence, torch.nan), torch.full_like(influence, torch.nan)
    target_sum, target_abs = _targets(maker, aims, weights, influence)
    expanded: list[Tensor] = []
    kept = _RowStore()
    done = 0
    for layer in range(maker.prompt.n_layers - 1, -1, -1):
        lowest, highest = active.below(layer), active.below(layer + 1)
        if highest == lowest:
            continue
        chosen = choose(layer, influence[lowest:highest]).nonzero()[:, 0] + lowest
        expanded.append(chosen)
        for aim, numbers in feature_aims(maker, chosen):
            for chunk, block in maker.rows(aim):
                some = numbers[chunk]
                row_sum[some], row_abs[some] = _spread(maker, block, influence[some], influence)
                kept.add(some, block)
            done += len(numbers)
            if progress is not None:
                progress(f"layer {layer}", done)
    return Expansion(
        expanded=torch.cat(expanded[::-1]) if expanded else torch.zeros(0, dtype=torch.int64),
        influence=influence,
        row_sum=row_sum,
        row_abs=row_abs,
        target_sum=target_sum,
        target_abs=target_abs,
        rows=kept.ascending(),
    )


class _RowStore:
    """Blocks of rows, until they take more than `_ROW_BYTES`; then none."""

    def __init__(self) -> None:
        self.blocks: list[FeatureRows] | None = []
        self.bytes = 0

    def add(self, numbers: Int[Tensor, " T"], block: Float[Tensor, "T N"]) -> None:
        self.bytes += block.nbytes
        if self.bytes > _ROW_BYTES:
            self.blocks = None
        if self.blocks is not None:
            self.blocks.append(FeatureRows(numbers, block))

    def ascending(self) -> list[FeatureRows] | None:
        return None if self.blocks is None else sorted(self.blocks, key=lambda rows: int(rows.features[0]))


def _targets(maker: RowMaker, aims: Sequence[Aim], weights: Tensor, influence: Tensor) -> tuple[Tensor, Tensor]:
    sums, magnitudes = torch.zeros_like(weights), torch.zeros_like(weights)
    start = 0
    for aim in aims:
        for chunk, block in maker.rows(aim):
            some = slice(start + chunk.start, start + chunk.stop)
            sums[some], magnitudes[some] = _spread(maker, block, weights[some], influence)
        start += len(aim.vectors)
    return sums, magnitudes


def _spread(
    maker: RowMaker, block: Float[Tensor, "T N"], mass: Float[Tensor, " T"], influence: Float[Tensor, " K"]
) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"]]:
    """Pass the rows' influence on to the features they read; return each row's sum and sum of absolute values."""
    sums, sizes = block.sum(1, dtype=torch.float64), block.abs()
    magnitudes = sizes.sum(1, dtype=torch.float64)
    share = torch.where(magnitudes > 0, mass / magnitudes, 0.0)
    seen = sizes[:, maker.columns.n_leaves :]
    influence[: seen.shape[1]] += (share.to(block.dtype) @ seen).double()
    return sums, magnitudes


def feature_aims(maker: RowMaker, chosen: Int[Tensor, " C"]) -> list[tuple[Aim, Int[Tensor, " T"]]]:
    """Group features (ascending numbers) by (layer, position): one sweep each. Returns each aim and its features."""
    active = maker.replacement.active
    key = active.layer[chosen] * maker.prompt.n_positions + active.position[chosen]
    counts = torch.unique_consecutive(key, return_counts=True)[1].tolist()
    aims = []
    for numbers in torch.split(chosen, counts) if len(chosen) else ():
        read = maker.replacement.read(numbers)
        layer, position = int(active.layer[numbers[0]]), int(active.position[numbers[0]])
        aims.append((Aim(maker.replacement.reads_at, layer, position, read.vectors, read.constant), numbers))
    return aims
