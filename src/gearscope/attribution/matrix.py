"""Rows to the sparse matrix of a graph: only the expanded features as sources, everything in the graph's order.

Rows that were kept are cut to those columns; rows that were not are made again. Memory is that of the matrix: 8 bytes
for every entry that is not zero. Knows nothing about influence.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int
from scipy.sparse import csr_array
from torch import Tensor

from gearscope.attribution.expand import Expansion
from gearscope.attribution.rows import Leaves, RowMaker, Rows
from gearscope.graph.nodes import Layout


def connect(maker: RowMaker, expansion: Expansion, layout: Layout) -> csr_array:
    """Rows of all expanded features and of the targets over the sources of the graph; other rows are empty."""
    n_positions, first = maker.prompt.n_positions, maker.prompt.n_constant_positions
    node = np.full(len(maker.replacement.active), -1, dtype=np.int32)
    node[expansion.expanded.numpy()] = np.arange(layout.features.stop)
    leaf = leaf_nodes(maker.leaves, layout, n_positions, first)
    matrix = _Matrix(node, leaf)
    for numbers, rows in _feature_rows(maker, expansion):
        matrix.add(node[numbers.numpy()], rows)
    start = layout.targets.start
    for rows in expansion.target_rows:
        matrix.add(np.arange(start, start + len(rows.leaves)), rows)
        start += len(rows.leaves)
    return matrix.assembled(layout.size)


def _feature_rows(maker: RowMaker, expansion: Expansion) -> Iterator[tuple[Int[Tensor, " T"], Rows]]:
    """Blocks that together hold the rows of all expanded features, and of no others."""
    chosen = torch.zeros(len(maker.replacement.active), dtype=torch.bool)
    chosen[expansion.expanded] = True
    for layer in range(maker.prompt.n_layers):
        for block in expansion.rows.get(layer, chosen):
            here = chosen[block.features]
            if bool(here.all()):
                yield block.features, block.rows
            elif bool(here.any()):
                yield block.features[here], block.rows.take(here)


def leaf_nodes(leaves: Leaves, layout: Layout, n_positions: int, first: int) -> Int[np.ndarray, " leaves"]:
    """For every leaf of a row, its node; -1 for errors at constant positions, which have none."""
    node = np.full(leaves.size, -1, dtype=np.int32)
    errors = np.arange(leaves.errors.start, leaves.errors.stop).reshape(-1, n_positions)[:, first:].ravel()
    node[errors] = np.arange(layout.errors.start, layout.errors.stop)
    node[leaves.tokens.start :] = np.arange(layout.tokens.start, layout.targets.start)
    return node


class _Matrix:
    """The entries of a sparse matrix, block of rows by block of rows, in any order of blocks."""

    def __init__(self, node: Int[np.ndarray, " K"], leaf: Int[np.ndarray, " leaves"]) -> None:
        self.node, self.leaf = node, leaf
        self.blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, numbers: Int[np.ndarray, " T"], rows: Rows) -> None:
        """Keep the columns of a block that have a node and are not all zero."""
        columns, data = [], []
        for place, part in ((self.node[rows.sources.numpy()], rows.entries), (self.leaf, rows.leaves)):
            kept = np.flatnonzero((place >= 0) & (part.abs().amax(0) != 0).numpy())
            columns.append(place[kept])
            data.append(part.index_select(1, torch.from_numpy(kept)).numpy())
        self.blocks.append((numbers, np.concatenate(columns), np.concatenate(data, axis=1)))

    def assembled(self, size: int) -> csr_array:
        """The matrix, [size, size]."""
        counts = np.zeros(size + 1, dtype=np.int64)
        for numbers, columns, _ in self.blocks:
            counts[numbers + 1] = len(columns)
        indptr = np.cumsum(counts)
        indices = np.empty(indptr[-1], dtype=np.int32)
        data = np.empty(indptr[-1], dtype=self.blocks[0][2].dtype)
        for numbers, columns, block in self.blocks:
            if numbers[-1] - numbers[0] + 1 == len(numbers):
                here = slice(indptr[numbers[0]], indptr[numbers[-1] + 1])
            else:
                here = (indptr[numbers, None] + np.arange(len(columns))).ravel()
            indices[here] = np.tile(columns, len(numbers))
            data[here] = block.ravel()
        matrix = csr_array((data, indices, indptr), shape=(size, size))
        matrix.eliminate_zeros()
        return matrix
