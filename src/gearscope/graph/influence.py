"""How much of the targets flows through every node and edge.

With |A| the absolute edges, every row divided by its absolute sum (entries of sources outside the graph included):

    Â[t, s] = |A[t, s]| / (sum_s' |A[t, s']| + rest_abs[t])
    I = w (Â + Â² + ...)           so    I[s] = sum_t (w[t] + I[t]) Â[t, s]

w are the target weights. A circuit has no cycles, so one pass from the last layer to the first solves it; the rows of
one layer are done together. Graphs of others whose layers do not order their edges are solved by repeated products.
Signed influence is the same recursion with A in place of |A|. Edge score: Â[t, s] (w[t] + I[t]).
Ameisen et al. 2025, "Circuit tracing", appendix on pruning.

Never builds an N x N array; entries are read where they lie, the rows of one layer at a time. Knows nothing about what
nodes mean beyond their kind and layer.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gearscope.errors import GraphError
from gearscope.graph.nodes import Nodes

_NOTHING = 1e-30

_BAND = 2**22
"""Entries that are added up at a time."""


def row_mass(
    adjacency: csr_array, rest_abs: Float[np.ndarray, " N"], without: slice | None = None
) -> Float[np.ndarray, " N"]:
    """Absolute sum of every row, rest included; the columns `without` left out."""
    mass = np.array(rest_abs, dtype=np.float64)
    for rows, data, columns in _bands(adjacency):
        sizes = np.abs(data)
        if without is not None:
            sizes[(columns >= without.start) & (columns < without.stop)] = 0
        mass[rows] += _row_sums(adjacency, rows, sizes)
    return mass


def row_sum(adjacency: csr_array, rest_sum: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Signed sum of every row, rest included."""
    total = np.array(rest_sum, dtype=np.float64)
    for rows, data, _ in _bands(adjacency):
        total[rows] += _row_sums(adjacency, rows, data)
    return total


def _bands(adjacency: csr_array) -> Iterator[tuple[slice, Float[np.ndarray, " E"], Int[np.ndarray, " E"]]]:
    """Neighbouring rows with their entries and columns, as many as hold a fixed number of entries: bounded memory."""
    indptr, start = adjacency.indptr, 0
    while start < len(indptr) - 1:
        stop = max(start + 1, int(np.searchsorted(indptr, int(indptr[start]) + _BAND, side="right")) - 1)
        here = slice(indptr[start], indptr[stop])
        yield slice(start, stop), adjacency.data[here], adjacency.indices[here]
        start = stop


def _row_sums(adjacency: csr_array, rows: slice, data: Float[np.ndarray, " E"]) -> Float[np.ndarray, " K"]:
    """What each of these rows adds up to, in double precision."""
    begins = adjacency.indptr[rows.start : rows.stop + 1] - adjacency.indptr[rows.start]
    total, filled = np.zeros(len(begins) - 1), np.flatnonzero(np.diff(begins))
    if len(filled):
        total[filled] = np.add.reduceat(data, begins[filled], dtype=np.float64)
    return total


def row_scale(mass: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """What every row is multiplied with to have absolute sum 1; rows of (practically) nothing stay as they are."""
    return 1.0 / np.where(mass > _NOTHING, mass, 1.0)


def node_influence(nodes: Nodes, adjacency: csr_array, rest_abs: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Influence of every node on the weighted targets; targets themselves have none. Raises GraphError on cycles."""
    return influence_with(nodes, adjacency, row_mass(adjacency, rest_abs))


def influence_with(nodes: Nodes, adjacency: csr_array, mass: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The same with rows divided by a `mass` that is known already, or that leaves out some sources."""
    return _flow(nodes, adjacency, mass, np.abs)


def influence_past(
    nodes: Nodes, adjacency: csr_array, rest_abs: Float[np.ndarray, " N"], group: Int[np.ndarray, " K"]
) -> Float[np.ndarray, " N"]:
    """Influence of every node along the paths that enter none of a group's nodes; the rest of it goes through them."""
    outside = np.ones(len(nodes))
    outside[group] = 0
    data = adjacency.data * np.repeat(outside, np.diff(adjacency.indptr))
    past = csr_array((data, adjacency.indices, adjacency.indptr), adjacency.shape)
    return influence_with(nodes, past, row_mass(adjacency, rest_abs))


def signed_influence(nodes: Nodes, adjacency: csr_array, rest_abs: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The same with signs: paths with an odd number of negative edges count negative. Raises GraphError on cycles."""
    return _flow(nodes, adjacency, row_mass(adjacency, rest_abs), np.positive)


def edge_scores(
    nodes: Nodes, adjacency: csr_array, rest_abs: Float[np.ndarray, " N"], influence: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " E"]:
    """The share of every stored edge in the influence, in the order of `adjacency.data`."""
    arriving = (np.nan_to_num(nodes.weight) + influence) * row_scale(row_mass(adjacency, rest_abs))
    return np.abs(adjacency.data) * np.repeat(arriving, np.diff(adjacency.indptr))


def row_groups(nodes: Nodes, adjacency: csr_array) -> list[Int[np.ndarray, " K"]] | None:
    """Rows in the order of back-substitution: targets, then features layer by layer from the last.

    None when that order does not hold: an edge leaves a target, or a feature receives from its own or a later layer.
    """
    layout = nodes.layout
    depth = np.full(len(nodes), -1, dtype=np.int32)
    depth[layout.features] = nodes.layer[layout.features]
    depth[layout.targets] = np.iinfo(np.int32).max
    per_row = np.diff(adjacency.indptr)
    if (np.repeat(depth, per_row) <= depth[adjacency.indices]).any():
        return None
    with_rows = np.flatnonzero(per_row)
    order = with_rows[np.argsort(-depth[with_rows], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


def _flow(
    nodes: Nodes, edges: csr_array, mass: Float[np.ndarray, " N"], of: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, " N"]:
    """Back-substitution over |A| or A: `of` is applied to the entries."""
    weight = np.nan_to_num(nodes.weight)
    scale = row_scale(mass)
    groups = row_groups(nodes, edges)
    if groups is None:
        return _flow_by_products(
            nodes, csr_array((of(edges.data), edges.indices, edges.indptr), edges.shape), weight, scale
        )
    influence = np.zeros(len(nodes))
    for rows in groups:
        arriving = (weight[rows] + influence[rows]) * scale[rows]
        if arriving.any():
            influence += _sent(edges, rows, arriving, of)
    return influence


def _sent(
    edges: csr_array,
    rows: Int[np.ndarray, " K"],
    arriving: Float[np.ndarray, " K"],
    of: Callable[[np.ndarray], np.ndarray],
) -> Float[np.ndarray, " N"]:
    """What these rows hand on to their sources."""
    start, stop = int(rows[0]), int(rows[-1]) + 1
    if stop - start == len(rows):
        indptr = edges.indptr[start : stop + 1]
        here = slice(int(indptr[0]), int(indptr[-1]))
        some = csr_array((of(edges.data[here]), edges.indices[here], indptr - indptr[0]), (len(rows), edges.shape[1]))
    else:
        some = edges[rows]
        some.data = of(some.data)
    return some.T @ arriving


def _flow_by_products(
    nodes: Nodes, edges: csr_array, weight: Float[np.ndarray, " N"], scale: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " N"]:
    refuse_cycles(nodes, edges)
    influence, arriving = np.zeros(len(nodes)), weight
    while arriving.any():
        arriving = edges.T @ (arriving * scale)
        influence += arriving
    return influence


def refuse_cycles(nodes: Nodes, edges: csr_array) -> None:
    """Raise GraphError naming a node that feeds itself."""
    count, member = connected_components(edges, connection="strong")
    own = np.flatnonzero(edges.diagonal())
    if count == len(nodes) and not len(own):
        return
    sizes = np.bincount(member)
    inside = own[0] if len(own) else np.flatnonzero(sizes[member] > 1)[0]
    raise GraphError(
        "a circuit without cycles was expected", found=f"node {nodes.ids[int(inside)]!r}, which feeds itself"
    )
