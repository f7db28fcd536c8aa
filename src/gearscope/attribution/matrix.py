"""Rows to the sparse matrix of a graph: only the expanded features as sources, everything in the graph's order.

Rows that were kept are cut to those columns; whole rows that were not are made again. Memory is that of the matrix: 8
bytes for every entry that is not zero. Knows nothing about influence.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from gearscope.attribution.expand import Expansion
from gearscope.attribution.kept import StrongRows, WholeRows
from gearscope.attribution.rows import Leaves, RowMaker, Rows
from gearscope.graph.nodes import Layout


def connect(maker: RowMaker, expansion: Expansion, layout: Layout) -> csr_array:
    """Rows of all expanded features and of the targets over the sources of the graph; other rows are empty.

    Takes the rows out of the store, so that they do not stand in memory twice.
    """
    n_positions, first = maker.prompt.n_positions, maker.prompt.n_constant_positions
    node = np.full(len(maker.replacement.active), -1, dtype=np.int32)
    node[expansion.expanded.numpy()] = np.arange(layout.features.stop)
    columns = _Columns(node, leaf_nodes(maker.leaves, layout, n_positions, first))
    blocks: list[_Block] = []
    for block in _expanded_rows(maker, expansion):
        numbers = node[block.features.numpy()]
        strong = isinstance(block, StrongRows)
        blocks.append(columns.of_strong(numbers, block) if strong else columns.of_whole(numbers, block.rows))
    for block in expansion.targets:
        blocks.append(columns.of_whole(layout.targets.start + block.features.numpy(), block.rows))
    return _assembled(blocks, layout.size)


def _expanded_rows(maker: RowMaker, expansion: Expansion) -> Iterator[WholeRows | StrongRows]:
    """Blocks that together hold the rows of all expanded features, and of no others."""
    chosen = torch.zeros(len(maker.replacement.active), dtype=torch.bool)
    chosen[expansion.expanded] = True
    for layer in range(maker.prompt.n_layers):
        for block in expansion.store.get(layer, chosen):
            here = chosen[block.features]
            if bool(here.all()):
                yield block
            elif bool(here.any()):
                yield block.take(here)
        expansion.store.forget(layer)


def leaf_nodes(leaves: Leaves, layout: Layout, n_positions: int, first: int) -> Int[np.ndarray, " leaves"]:
    """For every leaf of a row, its node; -1 for errors at constant positions, which have none."""
    node = np.full(leaves.size, -1, dtype=np.int32)
    errors = np.arange(leaves.errors.start, leaves.errors.stop).reshape(-1, n_positions)[:, first:].ravel()
    node[errors] = np.arange(layout.errors.start, layout.errors.stop)
    node[leaves.tokens.start :] = np.arange(layout.tokens.start, layout.targets.start)
    return node


class _Block(NamedTuple):
    """Some rows of the matrix: their numbers, how many entries each has, columns and entries row after row."""

    numbers: Int[np.ndarray, " T"]
    counts: Int[np.ndarray, " T"]
    columns: Int[np.ndarray, " C"]
    """Of all rows, or those of one row where all have the same."""
    entries: Float[np.ndarray, " E"]


class _Columns:
    """Which column every source has; -1 for none."""

    def __init__(self, node: Int[np.ndarray, " K"], leaf: Int[np.ndarray, " leaves"]) -> None:
        self.node, self.leaf = node, leaf
        self.both = np.concatenate([node, leaf])

    def of_whole(self, numbers: Int[np.ndarray, " T"], rows: Rows) -> _Block:
        """The columns of a block that have a node and are not all zero."""
        columns, data = [], []
        for place, part in ((self.node[rows.sources.cpu().numpy()], rows.entries), (self.leaf, rows.leaves)):
            kept = np.flatnonzero((place >= 0) & (part.abs().amax(0) != 0).cpu().numpy())
            columns.append(place[kept])
            data.append(part.index_select(1, torch.from_numpy(kept).to(part.device)).cpu().numpy())
        found = np.concatenate(columns)
        counts = np.full(len(numbers), len(found))
        return _Block(numbers, counts, found, np.concatenate(data, axis=1).ravel())

    def of_strong(self, numbers: Int[np.ndarray, " T"], rows: StrongRows) -> _Block:
        """The entries of a block that have a node."""
        columns = self.both[rows.sources.numpy()]
        kept = columns >= 0
        row = np.repeat(np.arange(len(numbers)), rows.counts.numpy())
        counts = np.bincount(row[kept], minlength=len(numbers))
        return _Block(numbers, counts, columns[kept], rows.entries.numpy()[kept])


def _assembled(blocks: list[_Block], size: int) -> csr_array:
    """The matrix, [size, size], from blocks in any order."""
    counts = np.zeros(size + 1, dtype=np.int64)
    for block in blocks:
        counts[block.numbers + 1] = block.counts
    indptr = np.cumsum(counts)
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty(indptr[-1], dtype=blocks[0].entries.dtype)
    for numbers, each, columns, entries in blocks:
        if numbers[-1] - numbers[0] + 1 == len(numbers):
            here = slice(indptr[numbers[0]], indptr[numbers[-1] + 1])
        else:
            begins = np.cumsum(each) - each
            here = np.repeat(indptr[numbers] - begins, each) + np.arange(len(entries))
        indices[here] = columns if len(columns) == len(entries) else np.tile(columns, len(numbers))
        data[here] = entries
    matrix = csr_array((data, indices, indptr), shape=(size, size))
    matrix.eliminate_zeros()
    return matrix
