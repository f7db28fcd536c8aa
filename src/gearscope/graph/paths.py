"""The strongest chains of edges from the prompt's tokens to a target.

The strength of a path is the product of its normalised absolute edges, the share of the target's influence that walks
exactly this chain; its sign is the product of the signs. On a graph without cycles the k best paths into every node are
found exactly in one pass: the best k into t extend the best k into its k most promising sources by one edge.

Knows nothing about text or files.
"""

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import refuse_cycles, row_groups, row_scale


class Path(NamedTuple):
    """A chain of node numbers from a token to a target."""

    strength: float
    """Share of the target's influence that walks this chain."""
    sign: int
    """+1 when the chain raises the target, -1 when it lowers it."""
    nodes: tuple[int, ...]


def strongest_paths(graph: AttributionGraph, target: int, count: int) -> list[Path]:
    """The `count` strongest paths from any token to node number `target`, strongest first; exact."""
    layout, adjacency = graph.layout, graph.adjacency
    scale = row_scale(graph.row_mass())
    best: dict[int, list[Path]] = {
        token: [Path(1.0, 1, (token,))] for token in range(layout.tokens.start, layout.tokens.stop)
    }
    reached = np.zeros(len(graph.nodes))
    reached[layout.tokens] = 1.0
    for node in _from_sources(graph, target).tolist():
        row = slice(*adjacency.indptr[node : node + 2])
        sources, weights = adjacency.indices[row], adjacency.data[row]
        promise = np.abs(weights) * reached[sources] * scale[node]
        found = [
            Path(
                path.strength * float(abs(weights[i]) * scale[node]),
                path.sign * (1 if weights[i] > 0 else -1),
                (*path.nodes, node),
            )
            for i in np.argsort(-promise, kind="stable")[:count].tolist()
            if promise[i] > 0
            for path in best[int(sources[i])]
        ]
        best[node] = heapq.nlargest(count, found)
        reached[node] = best[node][0].strength if best[node] else 0.0
    return best[target]


def _from_sources(graph: AttributionGraph, target: int) -> Int[np.ndarray, " K"]:
    """Rows that reach `target`, every row after all rows it reads; the target comes last."""
    upstream = np.zeros(len(graph.nodes), dtype=bool)
    upstream[breadth_first_order(graph.adjacency, target, return_predecessors=False)] = True
    groups = row_groups(graph.nodes, graph.adjacency)
    order = np.concatenate(groups)[::-1] if groups else topological(graph)
    inside = order[upstream[order] & (np.diff(graph.adjacency.indptr)[order] > 0)]
    return np.append(inside[inside != target], target)


def topological(graph: AttributionGraph) -> Int[np.ndarray, " N"]:
    """All node numbers, sources before the rows that read them. Raises GraphError on cycles."""
    refuse_cycles(graph.nodes, graph.adjacency)
    reads = csr_array(graph.adjacency != 0)
    waiting = np.diff(reads.indptr)
    readers = reads.T.tocsr()
    ready = np.flatnonzero(waiting == 0).tolist()
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for reader in readers.indices[slice(*readers.indptr[node : node + 2])].tolist():
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    return np.array(order)
