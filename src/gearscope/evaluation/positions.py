"""Errors and active features by the place of a token in its window.

    NMSE of a site over some positions     Σ ‖ŷ − y‖² / Σ ‖y − mean y‖², both sums over tokens at these positions

The mean is that of all positions, so the NMSE of all of them is the mean of these, weighted by how much there is to
write. Positions are put together in spans that double in length: 1, 2 to 3, 4 to 7, and on. Position 0 is in none.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.fidelity import Added, Readings


def spans(context: int) -> tuple[range, ...]:
    """The positions of a window, but for the first, in spans that double in length."""
    starts = [1 << power for power in range((context - 1).bit_length())]
    return tuple(range(start, min(2 * start, context)) for start in starts)


class ByPosition(NamedTuple):
    """What a span of positions gave."""

    nmse: dict[str, float]
    """By site that is written."""
    l0: tuple[float, ...]
    """By dictionary."""


class PositionSums:
    """Sums over windows of one length, in float64."""

    def __init__(self, dictionaries: DictionarySet, context: int) -> None:
        self.length = context - 1
        self.targets = list(dict.fromkeys(site for config in dictionaries.configs for site in config.writes))
        zero = torch.zeros(self.length, dtype=torch.float64)
        self.error = dict.fromkeys(self.targets, zero)
        self.square = dict.fromkeys(self.targets, zero)
        self.total: dict[str, Tensor] = {}
        self.active = [zero for _ in dictionaries.configs]
        self.n_windows = 0

    def add(self, part: Readings, added: Added) -> None:
        """Some whole windows, without their first positions, and what measuring them gave."""
        for number, codes in enumerate(added.codes):
            count = torch.bincount(codes.rows.cpu() % self.length, minlength=self.length)
            self.active[number] = self.active[number] + count
        for site in self.targets:
            y = self._windows(part[site])
            self.error[site] = self.error[site] + self._windows(added.left[site]).square().sum((0, 2)).cpu()
            self.square[site] = self.square[site] + y.square().sum((0, 2)).cpu()
            self.total[site] = self.total.get(site, 0) + y.sum(0).cpu()
        self.n_windows += len(part[self.targets[0]]) // self.length

    def _windows(self, x: Float[Tensor, "K D"]) -> Float[Tensor, "B P D"]:
        return x.double().unflatten(0, (-1, self.length))

    def result(self, positions: Iterable[range]) -> list[ByPosition]:
        """What the sums say of each span."""
        spread = {site: self._spread(site) for site in self.targets}
        return [
            ByPosition(
                {site: _over(self.error[site], span) / _over(spread[site], span) for site in self.targets},
                tuple(_over(active, span) / (len(span) * self.n_windows) for active in self.active),
            )
            for span in positions
        ]

    def _spread(self, site: str) -> Float[Tensor, " P"]:
        """Σ ‖y − mean y‖² by position."""
        n, total = self.n_windows, self.total[site]
        mean = total.sum(0) / (n * self.length)
        return self.square[site] - 2 * total @ mean + n * mean.square().sum()


def _over(values: Float[Tensor, " P"], span: range) -> float:
    """The sum over positions; the first value belongs to position 1."""
    return float(values[span.start - 1 : span.stop - 1].sum())
