"""The best sets of values of many columns at once, on any tokens. numpy alone.

For one column the best set is known at once: in order of precision, the best set of each size is a prefix (F1 is a
ratio of sums), so one sum along that order scores them all. Columns with one value a token stand side by side and are
counted together. Where a token has several values, a firing counts once, under the first of them in the order, and what
is named is counted for each: an upper bound. Of many tokens a part is counted for all. So what is found here is a
proposal, to be counted again.

    score = (1 + β²) (hits − values) / (named + β² fired) − cost (1 + log2 values)

Each value gives up one of its firings, so that a list of what was seen once or twice earns nothing.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer

from gearscope.labels.columns import Columns, counts
from gearscope.labels.config import SearchConfig


class Sofar(NamedTuple):
    """What a rule names already, and how often the feature fires in all."""

    hits: int
    named: int
    fired: int


class ValueSet(NamedTuple):
    """Some values of a column: firings on them, tokens with them, about; what they cost, and their score at β = 1."""

    column: int
    values: Integer[np.ndarray, " N"]
    hits: float
    named: float
    cost: float
    score: float


class _Ordered(NamedTuple):
    """Values by column and precision, with the sums along each column."""

    column: Integer[np.ndarray, " N"]
    value: Integer[np.ndarray, " N"]
    hits: Integer[np.ndarray, " N"]
    named: np.ndarray


class Stack:
    """Some columns, over the tokens that may choose."""

    def __init__(
        self, columns: Columns, names: Sequence[str], may: Bool[np.ndarray, " T"], config: SearchConfig
    ) -> None:
        self.names, self._config = tuple(names), config
        self.columns = [columns[name] for name in names]
        self._may, everything = may, np.flatnonzero(may)
        one = [number for number, column in enumerate(self.columns) if not column.several]
        self._several = [number for number, column in enumerate(self.columns) if column.several]
        sizes = [len(self.columns[number].values) for number in one]
        self._first = np.append(0, np.cumsum(sizes)).astype(np.int64)
        self._owner = np.repeat(np.array(one, np.int64), sizes)
        shifted = [
            np.where(self.columns[number].at < 0, -1, self.columns[number].at + first)
            for number, first in zip(one, self._first.tolist(), strict=False)
        ]
        self._side_by_side = np.stack(shifted, 1).astype(np.int32) if one else np.zeros((columns.n_tokens, 0), np.int32)
        self._starts = np.zeros(len(self.columns), np.int64)
        self._starts[one] = self._first[:-1]
        self._totals = counts(self._side_by_side[everything], int(self._first[-1]))
        self._totals_of = {
            number: counts(self.columns[number].at[everything], len(self.columns[number].values))
            for number in self._several
        }

    def best_sets(
        self, rows: Integer[np.ndarray, " J"] | None, fired: Bool[np.ndarray, " T"], sofar: Sofar, cost: float
    ) -> Iterator[ValueSet]:
        """The best sets of each column by F1 and by the measure that prefers recall, on these tokens (None for all).

        The feature fires where `fired` says; `cost` is that of the clauses so far.
        """
        hot = np.flatnonzero(fired) if rows is None else rows[fired[rows]]
        cold, weight = None if rows is None else self._cold(rows, fired), 1.0
        if rows is not None and cold is not None and len(cold):
            weight = (len(rows) - len(hot)) / len(cold)
        parts = [self._one(cold, weight, hot), *(self._more(number, cold, weight, hot) for number in self._several)]
        column, value, hits, named = (np.concatenate(some) for some in zip(*parts, strict=True))
        if not len(column):
            return
        starts = np.flatnonzero(np.append(True, column[1:] != column[:-1]))
        stops = np.append(starts[1:], len(column))
        size = np.arange(1, len(column) + 1) - np.repeat(starts, stops - starts)
        costs = cost + self._config.cost * (1 + np.log2(size))
        paid = sofar.hits + hits - size * self._config.firings_per_value
        f1 = 2 * paid / (sofar.named + named + sofar.fired) - costs
        b = self._config.beta**2
        recall = (1 + b) * paid / (sofar.named + named + b * sofar.fired) - costs
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            by_f1, by_recall = start + int(f1[start:stop].argmax()), start + int(recall[start:stop].argmax())
            for best in {by_f1, by_recall}:
                yield ValueSet(
                    int(column[start]), value[start : best + 1], float(hits[best]), float(named[best]),
                    float(costs[best]), float(f1[best]),
                )  # fmt: skip

    def narrowed(
        self, column: int, values: Integer[np.ndarray, " N"], rows: Integer[np.ndarray, " J"] | None
    ) -> Integer[np.ndarray, " L"]:
        """The tokens among these (None for all that may choose) that have one of some values."""
        if rows is not None:
            return self.columns[column].narrowed(values, rows)
        found = self.columns[column].narrowed(values, None)
        return found[self._may[found]]

    def _cold(self, rows: np.ndarray, fired: np.ndarray) -> np.ndarray:
        """Tokens on which the feature does not fire, every so manieth where there are many."""
        some = rows[:: max(1, len(rows) // self._config.counted)]
        return some[~fired[some]]

    def _one(self, cold: np.ndarray | None, weight: float, hot: np.ndarray) -> _Ordered:
        """Of all columns with one value a token."""
        n = int(self._first[-1])
        hit = counts(self._side_by_side[hot], n)
        value = np.flatnonzero(hit >= self._config.least_hits)
        hit, owner = hit[value], self._owner[value]
        total = self._totals[value] if cold is None else hit + weight * counts(self._side_by_side[cold], n)[value]
        order = np.lexsort((-hit / (total + 1), owner))
        owner, value, hit, total = owner[order], value[order], hit[order], total[order]
        begin = np.searchsorted(owner, owner)
        kept = np.arange(len(owner)) - begin < self._config.values
        hits, named = np.append(0, np.cumsum(hit)), np.append(0, np.cumsum(total))
        hits, named = hits[1:] - hits[begin], named[1:] - named[begin]
        return _Ordered(owner[kept], value[kept] - self._starts[owner[kept]], hits[kept], named[kept])

    def _more(self, number: int, cold: np.ndarray | None, weight: float, hot: np.ndarray) -> _Ordered:
        """Of a column with several values a token."""
        column = self.columns[number]
        inside, n_values = column.at[hot], len(column.values)
        hit = counts(inside, n_values)
        value = np.flatnonzero(hit >= self._config.least_hits)
        if not len(value):
            return _Ordered(value, value, value, value)
        hit = hit[value]
        if cold is None:
            total = self._totals_of[number][value]
        else:
            total = hit + weight * counts(column.at[cold], n_values)[value]
        order = np.argsort(-hit / (total + 1), kind="stable")[: self._config.values]
        value, total = value[order], total[order]
        n = len(value)
        rank = np.full(n_values + 1, n, np.int32)
        rank[value] = np.arange(n)
        hits = np.cumsum(np.bincount(rank[np.ascontiguousarray(inside.T)].min(0), minlength=n + 1)[:n])
        return _Ordered(np.full(n, number), value, hits, np.cumsum(total))
