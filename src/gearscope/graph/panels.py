"""What a page shows of a circuit, as plain numbers: links by influence, one node's connections, what groups send.

    share of an input       |A[t, s]| / (sum_s' |A[t, s']| + rest_abs[t])
    share sent to a group   sum of A[t, s] over its members t and the senders s, by the sum of the members' masses

Knows nothing about files, colours or pages.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import edge_scores


class Links(NamedTuple):
    """Links as columns of node numbers and weights, the strongest first."""

    source: list[int]
    target: list[int]
    weight: list[float]
    share: list[float]
    """Share of the absolute input of the target that the link carries."""


class Connection(NamedTuple):
    """One end of a link: the other node, the signed weight, and its share of what the receiver gets."""

    node: int
    weight: float
    share: float


class Connections(NamedTuple):
    """What feeds a node and what it feeds, the strongest first, with what was left out of the lists."""

    inputs: list[Connection]
    outputs: list[Connection]
    n_inputs: int
    n_outputs: int
    mass: float
    """Absolute sum of all that the node receives, rest included."""
    rest_sum: float
    """Signed sum of what it receives from nodes that are not in the graph."""
    rest_share: float


class Flow(NamedTuple):
    """What one box of nodes sends to another, as a signed share of the receivers' absolute input."""

    source: int
    target: int
    share: float


def influence_shares(graph: AttributionGraph) -> Float[np.ndarray, " N"] | None:
    """Share of the targets' influence that flows through every node: stored, or of the graph as it stands.

    None where nothing is stored and the graph has a cycle.
    """
    total = float(graph.target_weight.sum()) or 1.0
    if graph.influence is not None:
        return graph.influence / total
    try:
        return graph.node_influence() / total
    except GraphError:
        return None


def strongest_links(graph: AttributionGraph, most: int) -> Links:
    """The `most` links that carry most influence; by their share of the input where the graph has a cycle."""
    shares = input_shares(graph)
    try:
        score = edge_scores(graph.nodes, graph.adjacency, graph.rest_abs, graph.node_influence())
    except GraphError:
        score = shares
    order = np.argsort(-score, kind="stable")[:most]
    edges = graph.adjacency.tocoo()
    columns = edges.col[order], edges.row[order], edges.data[order], shares[order]
    return Links(*(column.tolist() for column in columns))


def input_shares(graph: AttributionGraph) -> Float[np.ndarray, " E"]:
    """The share of every stored edge in its target's absolute input, in the order of `adjacency.data`."""
    mass = np.maximum(graph.row_mass(), np.finfo(float).tiny)
    return np.abs(graph.adjacency.data).astype(np.float64) / np.repeat(mass, np.diff(graph.adjacency.indptr))


def connections(graph: AttributionGraph, node: int, most: int) -> Connections:
    """What feeds `node` and what it feeds, at most `most` of each."""
    mass = np.maximum(graph.row_mass(), np.finfo(float).tiny)
    row, column = graph.adjacency[[node], :].tocoo(), graph.adjacency[:, [node]].tocoo()
    inputs = _ranked(row.col, row.data, mass[np.full(row.nnz, node)])
    outputs = _ranked(column.row, column.data, mass[column.row])
    return Connections(
        inputs=inputs[:most],
        outputs=sorted(outputs, key=lambda end: -end.share)[:most],
        n_inputs=len(inputs),
        n_outputs=len(outputs),
        mass=float(graph.row_mass()[node]),
        rest_sum=float(graph.rest_sum[node]),
        rest_share=float(graph.rest_abs[node] / mass[node]),
    )


def _ranked(others: np.ndarray, weights: Float[np.ndarray, " K"], mass: Float[np.ndarray, " K"]) -> list[Connection]:
    order = np.argsort(-np.abs(weights), kind="stable")
    shares = np.abs(weights).astype(np.float64) / mass
    rows = zip(others[order].tolist(), weights[order].tolist(), shares[order].tolist(), strict=True)
    return [Connection(*row) for row in rows]


def flows(graph: AttributionGraph, boxes: Sequence[Sequence[int]], least: float = 0.0) -> list[Flow]:
    """What every box of nodes sends to every other one directly, the strongest first, shares above `least` only."""
    mass = graph.row_mass()
    found = []
    for target, rows in enumerate(boxes):
        received = np.asarray(graph.adjacency[list(rows)].sum(axis=0)).ravel()
        whole = float(mass[list(rows)].sum()) or 1.0
        shares = (float(received[list(members)].sum()) / whole for members in boxes)
        found += [Flow(source, target, share) for source, share in enumerate(shares) if source != target]
    return sorted((flow for flow in found if abs(flow.share) > least), key=lambda flow: -abs(flow.share))
