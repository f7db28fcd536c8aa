"""What is counted and kept of blocks of text: sums that may be taken in any order. numpy and scipy.

    tokens   [F, V]     firings of each feature on each token
    bins     [F, 2048]  firings by fine bin of activation (`bins.py`)
    pairs    [F, F]     tokens, of those that are looked at, on which both fire (sparse Xᵀ X)
    counts   [F]        firings behind which a next token stands; those of them where the feature promotes it; firings
                        on tokens that are looked at
    top      the largest firing of a window; drawn: firings drawn evenly

A tally grows with the distinct things it has seen; whoever fills it asks `n_bytes` and begins a new one in time.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer
from scipy import sparse

from gearscope.features.bins import N_BINS, fine_bins
from gearscope.features.config import LibraryConfig
from gearscope.features.firings import (
    NO_FIRINGS,
    Block,
    Firings,
    drawn,
    joined,
    largest,
    peaks,
    ranks,
    with_around,
)
from gearscope.features.sampling import lots

TABLES = ("tokens", "bins", "pairs")
PER_FEATURE = ("with_next", "says_next", "together")
COUNTS = (*PER_FEATURE, "looked_at")


class Tallied(NamedTuple):
    """A finished tally. All parts have rows for all features."""

    tokens: sparse.csr_array
    bins: sparse.csr_array
    pairs: sparse.csr_array
    with_next: Integer[np.ndarray, " F"]
    says_next: Integer[np.ndarray, " F"]
    together: Integer[np.ndarray, " F"]
    looked_at: Integer[np.ndarray, " 1"]
    """Tokens on which pairs were counted."""
    top: Firings
    drawn: Firings


class Tally:
    """Counts of blocks of one corpus."""

    def __init__(
        self,
        windows: Integer[np.ndarray, "W P"],
        promoted: Integer[np.ndarray, "F M"],
        n_vocabulary: int,
        config: LibraryConfig,
        *,
        cofiring_every: int,
        waiting: int,
    ) -> None:
        """`waiting` entries of a table wait to be added, about."""
        self._windows, self._promoted, self._config = windows, promoted, config
        self._n_features, self._every, self._most_waiting = len(promoted), cofiring_every, waiting
        widths = {"tokens": n_vocabulary, "bins": N_BINS, "pairs": self._n_features}
        self._tables = {name: sparse.csr_array((self._n_features, widths[name]), dtype=np.int32) for name in TABLES}
        self._waiting: dict[str, list[sparse.csr_array]] = {name: [] for name in TABLES}
        self._counts = {name: np.zeros(self._n_features, np.int64) for name in PER_FEATURE}
        self._looked_at = 0
        self._top, self._drawn = _Best(config.top, self._n_features), _Lots(config.sample, self._n_features)

    def add(self, block: Block, n_windows: range) -> None:
        """Count a block: everything that fired in these windows."""
        context = self._windows.shape[1]
        feature, place = block.feature, block.place
        token = self._windows.ravel()[place].astype(np.int64)
        self._count("tokens", _table(block.begin, token, self._tables["tokens"].shape[1]))
        self._count("bins", _table(block.begin, fine_bins(block.value), N_BINS))
        self._count("pairs", self._pairs(block, feature, n_windows))
        followed = np.flatnonzero(place % context < context - 1)
        following = self._windows.ravel()[place[followed] + 1]
        says = (self._promoted[feature[followed]] == following[:, None]).any(1)
        self._counts["with_next"] += np.bincount(feature[followed], minlength=self._n_features)
        self._counts["says_next"] += np.bincount(feature[followed][says], minlength=self._n_features)
        for kept, candidates in ((self._top, peaks(block, feature, context)), (self._drawn, np.arange(len(place)))):
            better = candidates[kept.may_enter(feature[candidates], place[candidates], block.value[candidates])]
            kept.add(with_around(block, better, self._config.around, context))

    @property
    def n_bytes(self) -> int:
        """Memory that is taken, about."""
        tables = [*self._tables.values(), *(t for waiting in self._waiting.values() for t in waiting)]
        held = sum(t.data.nbytes + t.indices.nbytes + t.indptr.nbytes for t in tables)
        return held + self._top.n_bytes + self._drawn.n_bytes

    def finish(self) -> Tallied:
        """Everything that was counted."""
        for name in TABLES:
            self._settle(name)
        counted: dict[str, Any] = {**self._tables, **self._counts, "looked_at": np.array([self._looked_at])}
        return Tallied(**counted, top=self._top.best(), drawn=self._drawn.best())

    def _pairs(self, block: Block, feature: Integer[np.ndarray, " K"], n_windows: range) -> sparse.csr_array:
        context = self._windows.shape[1]
        all_places = np.arange(n_windows.start * context, n_windows.stop * context)
        all_places = all_places[all_places % context > 0]
        self._looked_at += int(self._looks(all_places).sum())
        looked = np.flatnonzero(self._looks(block.place))
        self._counts["together"] += np.bincount(feature[looked], minlength=self._n_features)
        rows = block.place[looked] - n_windows.start * context
        shape = (len(n_windows) * context, self._n_features)
        fires = sparse.csr_array((np.ones(len(looked), np.int32), (rows, feature[looked])), shape)
        return (fires.T @ fires).tocsr()

    def _looks(self, places: Integer[np.ndarray, " K"]) -> np.ndarray:
        """Whether pairs are counted at a place: on one in so many, wherever in a window."""
        return lots(np.zeros(len(places), np.int64), places) % np.uint64(self._every) == 0

    def _count(self, name: str, table: sparse.csr_array) -> None:
        self._waiting[name].append(table)
        if sum(waiting.nnz for waiting in self._waiting[name]) > self._most_waiting:
            self._settle(name)

    def _settle(self, name: str) -> None:
        self._tables[name] = added([self._tables[name], *self._waiting[name]])
        self._waiting[name] = []


def added(tables: list[sparse.csr_array]) -> sparse.csr_array:
    """The sum of tables, in the one form that equal sums share: columns ascending, none twice."""
    while len(tables) > 1:
        tables = [a if b is None else a + b for a, b in zip(tables[::2], [*tables[1::2], None], strict=False)]
    tables[0].sum_duplicates()
    return tables[0]


def _table(begin: Integer[np.ndarray, " F1"], column: Integer[np.ndarray, " K"], width: int) -> sparse.csr_array:
    """How often each column stands in each row of a ragged array."""
    ones = np.ones(len(column), np.int32)
    table = sparse.csr_array((ones, column.astype(np.int32), begin.copy()), shape=(len(begin) - 1, width))
    table.sum_duplicates()  # writes into all three
    return table


class _Best:
    """The largest firings of each feature so far. What cannot be among them is refused at the door."""

    def __init__(self, most: int, n_features: int) -> None:
        self._most = most
        self._kept, self._new, self._n_new = NO_FIRINGS, list[Firings](), 0
        self._bound = self._no_bound(n_features)

    def may_enter(
        self, feature: Integer[np.ndarray, " K"], place: Integer[np.ndarray, " K"], value: np.ndarray
    ) -> np.ndarray:
        """Which firings could be among the best."""
        return self._score(feature, place, value) >= self._bound[feature]

    def add(self, firings: Firings) -> None:
        """Take more firings in."""
        self._new.append(firings)
        self._n_new += len(firings.place)
        if self._n_new > max(100_000, len(self._kept.place) // 2):
            self.best()

    def best(self) -> Firings:
        """The best ones, and a new bound for those to come."""
        self._kept, self._new, self._n_new = self._sorted(joined([self._kept, *self._new])), [], 0
        last = np.flatnonzero(ranks(self._kept.feature) == self._most - 1)
        some = [column[last] for column in self._kept[:3]]
        self._bound[some[0]] = self._score(*some)
        return self._kept

    @property
    def n_bytes(self) -> int:
        """Memory that is taken."""
        return sum(column.nbytes for firings in (self._kept, *self._new) for column in firings) + self._bound.nbytes

    def _no_bound(self, n_features: int) -> np.ndarray:
        return np.full(n_features, -np.inf, np.float32)

    def _score(self, feature: np.ndarray, place: np.ndarray, value: np.ndarray) -> np.ndarray:
        del feature, place
        return value

    def _sorted(self, firings: Firings) -> Firings:
        return largest(firings, self._most)


class _Lots(_Best):
    """The firings with the smallest lots."""

    def _no_bound(self, n_features: int) -> np.ndarray:
        return np.zeros(n_features, np.uint64)

    def _score(self, feature: np.ndarray, place: np.ndarray, value: np.ndarray) -> np.ndarray:
        del value
        return ~lots(feature, place)

    def _sorted(self, firings: Firings) -> Firings:
        return drawn(firings, self._most)
