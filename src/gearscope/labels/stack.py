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

from gearscope.labels.columns import Column, Columns, counts
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
        self._all = np.flatnonzero(may)
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
        self._totals = counts(self._side_by_side[self._all], int(self._first[-1]))
        self._totals_of = {
            number: counts(self.columns[number].at[..., self._all], len(self.columns[number].values))
            for number in self._several
        }
        self._postings: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def best_sets(
        self, rows: Integer[np.ndarray, " J"] | None, hot: Integer[np.ndarray, " K"], sofar: Sofar, cost: float
    ) -> Iterator[ValueSet]:
        """The best sets of each column by F1 and by the measure that prefers recall, on these tokens (None for all).

        `hot` are those of them on which the feature fires; `cost` is that of the clauses so far.
        """
        cold, weight = None if rows is None else self._cold(rows, hot), 1.0
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
        """The tokens among these that have one of some values."""
        asked = self.columns[column]
        if rows is None:
            return self._with(column, values)
        wanted = np.zeros(len(asked.values) + 1, bool)
        wanted[values] = True
        held = wanted[asked.at[..., rows]]
        return rows[held.any(0) if asked.several else held]

    def _cold(self, rows: np.ndarray, hot: np.ndarray) -> np.ndarray:
        """Tokens on which the feature does not fire, every so manieth where there are many."""
        quiet = rows[~np.isin(rows, hot, assume_unique=True)] if len(hot) else rows
        return quiet[:: max(1, len(quiet) // self._config.counted)]

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
        inside, n_values = column.at[..., hot], len(column.values)
        hit = counts(inside, n_values)
        value = np.flatnonzero(hit >= self._config.least_hits)
        if not len(value):
            return _Ordered(value, value, value, value)
        hit = hit[value]
        if cold is None:
            total = self._totals_of[number][value]
        else:
            total = hit + weight * counts(column.at[..., cold], n_values)[value]
        order = np.argsort(-hit / (total + 1), kind="stable")[: self._config.values]
        value, total = value[order], total[order]
        n = len(value)
        rank = np.full(n_values + 1, n, np.int32)
        rank[value] = np.arange(n)
        hits = np.cumsum(np.bincount(rank[inside].min(0), minlength=n + 1)[:n])
        return _Ordered(np.full(n, number), value, hits, np.cumsum(total))

    def _with(self, number: int, values: np.ndarray) -> np.ndarray:
        """The tokens that have one of these values, of all that may choose."""
        column = self.columns[number]
        if number not in self._postings:
            self._postings[number] = _posting(column, self._all)
        begin, posting = self._postings[number]
        marked = np.zeros(column.at.shape[-1], bool)
        for value in values.tolist():
            marked[posting[begin[value] : begin[value + 1]]] = True
        return np.flatnonzero(marked)


def _posting(column: Column, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of each value: value v has posting[begin[v] : begin[v + 1]]."""
    at = column.at[..., rows]
    flat = at.ravel()
    order = np.argsort(flat, kind="stable")
    order = order[np.searchsorted(flat[order], 0) :]
    return np.append(0, np.cumsum(counts(at, len(column.values)))), rows[order % len(rows)]
