"""From tallies of all the text to what is stored of each feature, exact but for the last rounding. numpy and scipy.

precision, recall, input score    from firings by token: I(fires; token) / H(fires)
deciles, histogram                from firings by bin of activation
co-firing                         from pairs: Jaccard, of equal ones the lower number
output score                      share of firings behind which a promoted token stands
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from scipy import sparse

from gearscope.features.bins import coarse_bins, lower_edges
from gearscope.features.config import LibraryConfig
from gearscope.features.firings import Firings, drawn, joined, largest, ranks
from gearscope.features.layout import BINS, DECILES, LARGEST, TENTHS
from gearscope.features.sampling import deciles_of, lots
from gearscope.features.tally import COUNTS, TABLES, Tallied, added


class CorpusCounts(NamedTuple):
    """How often each token stands behind the first position of a window, and how often behind another such token."""

    occurs: Integer[np.ndarray, " V"]
    follows: Integer[np.ndarray, " V"]


def counts_of(windows: Integer[np.ndarray, "W P"], n_vocabulary: int) -> CorpusCounts:
    """Count the tokens of a corpus."""
    occurs = np.zeros(n_vocabulary, np.int64)
    follows = np.zeros(n_vocabulary, np.int64)
    for start in range(0, len(windows), 4096):
        some = windows[start : start + 4096].astype(np.int64)
        occurs += np.bincount(some[:, 1:].ravel(), minlength=n_vocabulary)
        follows += np.bincount(some[:, 2:].ravel(), minlength=n_vocabulary)
    return CorpusCounts(occurs, follows)


def merged(parts: Sequence[Tallied], config: LibraryConfig) -> Tallied:
    """All parts as one, whatever their order."""
    tables: dict[str, Any] = {name: added([getattr(part, name) for part in parts]) for name in TABLES}
    counts: dict[str, Any] = {name: np.sum([getattr(part, name) for part in parts], axis=0) for name in COUNTS}
    top = largest(joined([part.top for part in parts]), config.top)
    return Tallied(**tables, **counts, top=top, drawn=drawn(joined([part.drawn for part in parts]), config.sample))


def statistics(
    tallied: Tallied,
    first: int,
    corpus: CorpusCounts,
    fired_together: Integer[np.ndarray, " F"],
    promoted: Integer[np.ndarray, "J M"],
    config: LibraryConfig,
) -> dict[str, np.ndarray]:
    """The columns of features from number `first` on; `fired_together` counts each feature's looked-at firings."""
    n, fired = len(tallied.with_next), np.asarray(tallied.bins.sum(1)).ravel().astype(np.int64)
    deciles, histogram = _distribution(tallied.bins, fired)
    triggers = _best_columns(tallied.tokens, tallied.tokens.data, config.triggers, filler=0)
    cofiring = _best_columns(*_jaccard(tallied.pairs, first, fired_together), config.cofiring, filler=-1)
    peak = np.zeros(n, np.float32)
    np.maximum.at(peak, tallied.top.feature - first, tallied.top.value)
    said = np.take(corpus.follows, promoted).sum(1)
    return {
        "fired": fired,
        "max_activation": peak,
        "deciles": deciles,
        "histogram": histogram,
        "triggers": triggers.columns,
        "trigger_count": triggers.counts,
        "cofiring": cofiring.columns,
        "cofiring_count": cofiring.counts,
        "cofiring_fired": fired_together[first : first + n],
        "input_score": input_scores(tallied.tokens, fired, corpus.occurs),
        "output_score": tallied.says_next / np.maximum(1, tallied.with_next),
        "output_base": said / max(1, int(corpus.follows.sum())),
    }


def input_scores(
    tokens: sparse.csr_array, fired: Integer[np.ndarray, " F"], occurs: Integer[np.ndarray, " V"]
) -> Float[np.ndarray, " F"]:
    """I(fires; token) / H(fires) of each feature; 0 where it always or never fires."""
    n = max(1, int(occurs.sum()))
    seen = occurs[tokens.indices]
    share = seen / n * _entropy(tokens.data / np.maximum(1, seen))
    row = np.repeat(np.arange(len(fired)), np.diff(tokens.indptr))
    within = np.bincount(row, share, minlength=len(fired))  # adds in order, so that neighbours change nothing
    whole = _entropy(fired / n)
    return np.where(whole > 0, (whole - within) / np.where(whole > 0, whole, 1), 0.0)


def _entropy(p: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Of yes and no, in bits."""
    q = 1 - p
    return -(p * np.log2(np.where(p > 0, p, 1)) + q * np.log2(np.where(q > 0, q, 1)))


def _distribution(bins: sparse.csr_array, fired: Integer[np.ndarray, " F"]) -> tuple[np.ndarray, np.ndarray]:
    """Deciles and half-octave histograms."""
    alive = np.flatnonzero(fired)
    row = np.repeat(np.arange(len(fired)), np.diff(bins.indptr))
    up_to = np.cumsum(bins.data)
    before = np.append(0, up_to)[bins.indptr[:-1]]
    rank = -(-np.arange(1, DECILES + 1) * fired[alive, None] // 10) + before[alive, None]
    at = bins.indices[np.searchsorted(up_to, rank)].astype(np.int64)
    deciles = np.zeros((len(fired), DECILES), np.float32)
    deciles[alive] = (lower_edges(at) + lower_edges(at + 1)) / 2
    coarse = coarse_bins(bins.indices.astype(np.int64))
    highest = np.zeros(len(fired), np.int64)
    np.maximum.at(highest, row, coarse)
    histogram = np.zeros((len(fired), BINS), np.int64)
    np.add.at(histogram, (row, np.maximum(0, coarse - highest[row] + BINS - 1)), bins.data)
    return deciles, histogram


class _Columns(NamedTuple):
    columns: np.ndarray
    counts: np.ndarray


def _jaccard(
    pairs: sparse.csr_array, first: int, fired: Integer[np.ndarray, " F"]
) -> tuple[sparse.csr_array, Float[np.ndarray, " K"]]:
    """Pairs, and of the tokens on which either fires, the share on which both do; 0 for a feature with itself."""
    row = np.repeat(np.arange(pairs.shape[0]) + first, np.diff(pairs.indptr))
    either = fired[row] + fired[pairs.indices] - pairs.data
    return pairs, np.where(row == pairs.indices, 0, pairs.data / np.maximum(1, either))


def _best_columns(
    table: sparse.csr_array, score: Float[np.ndarray, " K"] | Integer[np.ndarray, " K"], most: int, *, filler: int
) -> _Columns:
    """The columns with the best scores of each row, of equal ones the lower; those with none are left out."""
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    order = np.lexsort((table.indices, -score, row))
    order = order[score[order] > 0]
    rank = ranks(row[order])
    order, rank = order[rank < most], rank[rank < most]
    columns = np.full((table.shape[0], most), filler, np.int64)
    counts = np.zeros_like(columns)
    columns[row[order], rank], counts[row[order], rank] = table.indices[order], table.data[order]
    return _Columns(columns, counts)


def examples_of(tallied: Tallied, first: int, n_features: int, config: LibraryConfig) -> dict[str, np.ndarray]:
    """The arrays of examples of some features: the largest, then by decile from the highest down."""
    spread, deciles = _spread(tallied, config)
    found = joined([tallied.top, spread])
    decile = np.append(np.zeros(len(tallied.top.place), np.int64), deciles)
    within = np.append(np.arange(len(tallied.top.place)), np.arange(len(deciles)))
    order = np.lexsort((within, -np.where(decile == 0, 99, decile), found.feature))
    found, decile = found.take(order), decile[order]
    begin = np.searchsorted(found.feature, np.arange(first, first + n_features + 1))
    tenths, drawn_ones = np.zeros((n_features, TENTHS), np.int64), decile > 0
    np.add.at(tenths, (found.feature[drawn_ones] - first, TENTHS - decile[drawn_ones]), 1)
    return {
        "begin": begin,
        "place": found.place,
        "activation": found.value.clip(max=LARGEST),
        "tenths": tenths,
        "n_around": found.n_around,
        "around_begin": np.append(0, np.cumsum(found.n_around))[begin],
        "around_offset": found.around_offset,
        "around_level": _levels(tallied, found, first),
    }


def _levels(tallied: Tallied, found: Firings, first: int) -> Integer[np.ndarray, " A"]:
    """Activations around examples as 255ths of the feature's largest, rounded up: what fires is never 0."""
    peak = np.zeros(len(tallied.with_next), np.float64)
    np.maximum.at(peak, tallied.top.feature - first, tallied.top.value)
    share = found.around_value / np.repeat(peak[found.feature - first], found.n_around)
    return np.ceil(255 * share).clip(max=255).astype(np.int64)


def _spread(tallied: Tallied, config: LibraryConfig) -> tuple[Firings, Integer[np.ndarray, " K"]]:
    """Of the firings that were drawn, some of each tenth by activation, without those that are among the largest."""
    firings = tallied.drawn
    firings = firings.take(np.lexsort((firings.place, firings.value, firings.feature)))
    rank = ranks(firings.feature)
    _, which, counts = np.unique(firings.feature, return_inverse=True, return_counts=True)
    decile = deciles_of(rank, counts[which])
    lot = lots(firings.feature, firings.place)
    order = np.lexsort((firings.place, lot, decile, firings.feature))
    order = order[ranks((firings.feature * 16 + decile)[order]) < config.per_decile]
    size = 1 + max(int(tallied.top.place.max(initial=0)), int(firings.place.max(initial=0)))
    top = tallied.top.feature * size + tallied.top.place
    order = order[~np.isin((firings.feature * size + firings.place)[order], top)]
    return firings.take(order), decile[order]


def stitched(pieces: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Examples of neighbouring ranges of features as one."""
    whole = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0] if "begin" not in name}
    for name in ("begin", "around_begin"):
        ends, parts = 0, []
        for piece in pieces:
            parts.append(piece[name][:-1] + ends)
            ends += int(piece[name][-1])
        whole[name] = np.append(np.concatenate(parts), ends)
    return whole
