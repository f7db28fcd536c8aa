"""Firings of features as columns, and which of them are kept as examples.

A block is what features did in some whole windows, sorted by (feature, place): a sparse matrix by columns. Kept firings
carry the others of their window with them. What is kept is the first `most` of each feature in an order without ties,
so that the best of two halves together are the best of the whole, whatever was read first. numpy alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from gearscope.features.sampling import lots

FARTHEST = 127
"""Positions between an example and a firing that is kept with it, at most."""


class Block(NamedTuple):
    """Positive activations in whole windows: those of feature f are `begin[f]` to `begin[f + 1]`, by place."""

    begin: Integer[np.ndarray, " F1"]
    place: Integer[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]

    @property
    def feature(self) -> Integer[np.ndarray, " K"]:
        """The feature of each firing."""
        return np.repeat(np.arange(len(self.begin) - 1), np.diff(self.begin))


class Firings(NamedTuple):
    """Kept firings, and the others around them: `n_around` of each, one firing after another."""

    feature: Integer[np.ndarray, " K"]
    place: Integer[np.ndarray, " K"]
    value: Float[np.ndarray, " K"]
    n_around: Integer[np.ndarray, " K"]
    around_offset: Integer[np.ndarray, " A"]
    around_value: Float[np.ndarray, " A"]

    def take(self, index: Integer[np.ndarray, " J"]) -> "Firings":
        """Some of them, in this order."""
        ends = np.cumsum(self.n_around)
        around = ragged(ends[index] - self.n_around[index], self.n_around[index])
        own = (column[index] for column in self[:4])
        return Firings(*own, self.around_offset[around], self.around_value[around])


NO_FIRINGS = Firings(
    np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64),
    np.zeros(0, np.int8), np.zeros(0, np.float32),
)  # fmt: skip


def joined(parts: Sequence[Firings]) -> Firings:
    """All firings of all parts."""
    return Firings(*(np.concatenate(column) for column in zip(*(parts or [NO_FIRINGS]), strict=True)))


def largest(firings: Firings, most: int) -> Firings:
    """The `most` largest of each feature, of equal ones those that come first in the corpus."""
    order = np.lexsort((firings.place, -firings.value, firings.feature))
    return firings.take(order[ranks(firings.feature[order]) < most])


def drawn(firings: Firings, most: int) -> Firings:
    """`most` of each feature, drawn evenly; of one feature by lot."""
    order = np.lexsort((firings.place, lots(firings.feature, firings.place), firings.feature))
    return firings.take(order[ranks(firings.feature[order]) < most])


def ranks(groups: Integer[np.ndarray, " K"]) -> Integer[np.ndarray, " K"]:
    """How many of the same group stand before each; equal groups stand together."""
    index = np.arange(len(groups))
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(groups)])
    return index - np.repeat(starts, np.diff(np.append(starts, len(groups))))


def ragged(begin: Integer[np.ndarray, " K"], length: Integer[np.ndarray, " K"]) -> Integer[np.ndarray, " A"]:
    """The indices of runs: begin, begin + 1, ... of each, one run after another."""
    before = np.cumsum(length) - length
    return np.repeat(begin - before, length) + np.arange(int(length.sum()))


def peaks(block: Block, feature: Integer[np.ndarray, " K"], context: int) -> Integer[np.ndarray, " J"]:
    """Where in the block the largest firing of each feature and window is, the first of equal ones."""
    if not len(feature):
        return np.zeros(0, np.int64)
    window = block.place // context
    new = np.append(True, (feature[1:] != feature[:-1]) | (window[1:] != window[:-1]))
    run = np.cumsum(new) - 1
    at = np.flatnonzero(block.value == np.maximum.reduceat(block.value, np.flatnonzero(new))[run])
    return at[np.append(True, run[at][1:] != run[at][:-1])]


def with_around(block: Block, chosen: Integer[np.ndarray, " J"], most: int, context: int) -> Firings:
    """Some firings of a block with those around them: of the same feature and window, the `most` nearest."""
    feature = np.searchsorted(block.begin, chosen, side="right") - 1
    first = np.maximum(block.begin[feature], chosen - most)
    length = np.minimum(block.begin[feature + 1], chosen + most + 1) - first
    near, of = ragged(first, length), np.repeat(np.arange(len(chosen)), length)
    offset = block.place[near] - block.place[chosen][of]
    same = block.place[near] // context == (block.place[chosen] // context)[of]
    kept = same & (offset != 0) & (np.abs(offset) <= FARTHEST)
    near, of, offset = near[kept], of[kept], offset[kept]
    order = np.lexsort((offset, np.abs(offset), of))
    order = np.sort(order[ranks(of[order]) < most])
    return Firings(
        feature,
        block.place[chosen],
        block.value[chosen],
        np.bincount(of[order], minlength=len(chosen)),
        offset[order].astype(np.int8),
        block.value[near[order]],
    )
