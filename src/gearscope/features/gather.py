"""The parts of all shards to the columns and examples of a library, some features at a time: memory stays bounded."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gearscope.features import layout, merge
from gearscope.features.arrays import new_arrays, read_arrays, write_arrays
from gearscope.features.bins import N_BINS
from gearscope.features.config import Contents
from gearscope.features.parts import Part
from gearscope.features.tally import TABLES

_ENTRY_BYTES = 100
"""Memory that merging takes for each entry of a part, about."""


def gather(
    parts: Sequence[Path],
    weights: Path,
    out: Path,
    contents: Contents,
    windows: np.ndarray,
    *,
    memory_megabytes: int,
    tell: Callable[[str, int], None],
) -> int:
    """Write columns and examples into the folder `out`; returns on how many tokens pairs were looked at."""
    n, settings, c = contents.n_features, contents.settings, contents
    widths = dict(zip(TABLES, (c.n_vocabulary, N_BINS, n), strict=True))
    opened = [Part(path, n, widths) for path in parts]
    corpus = merge.counts_of(windows, c.n_vocabulary)
    together = np.sum([part.together() for part in opened], axis=0)
    entries = np.sum([part.entries() for part in opened], axis=0)
    columns = layout.feature_columns(n, c.n_vocabulary, settings, c.looked_at)
    made = new_arrays(out / layout.FEATURES, {name: (k.dtype, layout.shape(k)) for name, k in columns.items()})
    known = read_arrays(weights, layout.weight_columns(n, c.n_vocabulary, settings))
    for name, column in known.items():
        made[name][...] = column
    for shard, begin in enumerate(range(0, n, layout.SHARD)):
        pieces = []
        for first, stop in _ranges(entries, begin, min(begin + layout.SHARD, n), memory_megabytes):
            tallied = merge.merged([part.rows(first, stop) for part in opened], settings)
            promoted = known["promoted"][first:stop]
            for name, values in merge.statistics(tallied, first, corpus, together, promoted, settings).items():
                made[name][first:stop] = values
            pieces.append(merge.examples_of(tallied, first, stop - first, settings))
            tell("features gathered", stop - first)
        _write_examples(out / layout.examples_file(shard), merge.stitched(pieces))
    return sum(part.looked_at() for part in opened)


def _write_examples(path: Path, stored: dict[str, np.ndarray]) -> None:
    kinds = layout.example_columns(len(stored["begin"]) - 1)
    write_arrays(path, {name: stored[name].astype(kind.dtype) for name, kind in kinds.items()})


def _ranges(entries: np.ndarray, begin: int, end: int, memory_megabytes: int) -> Sequence[tuple[int, int]]:
    """Ranges of features whose entries fit into memory, one feature at least."""
    fits = max(1, memory_megabytes * 1_000_000 // _ENTRY_BYTES)
    before = np.append(0, np.cumsum(entries[begin:end]))
    found, first = [], 0
    while first < end - begin:
        stop = max(first + 1, int(np.searchsorted(before, before[first] + fits, side="right")) - 1)
        found.append((begin + first, begin + stop))
        first = stop
    return found
