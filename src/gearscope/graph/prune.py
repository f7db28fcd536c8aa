"""Keep the nodes and edges that carry the influence; what is dropped goes into the rest of the kept rows.

The published rule (Ameisen et al. 2025), on kept nodes only, so that nothing larger than the kept rows is computed:
    1. nodes: the strongest whose cumulative influence reaches `node_threshold`; tokens and targets always
    2. rows renormalised over kept nodes, influence solved again
    3. edges: the strongest whose cumulative score Â[t, s] (w[t] + I[t]) reaches `edge_threshold`
    4. until nothing changes: drop features, errors and constants that send nothing, and features that receive nothing
Ties at either threshold are kept, and equal up to rounding is a tie: the only edge into a feature and the only edge
out of it carry the same flow, and the last bit must not decide which of the two stays.

Constants are treated like errors. A pruned graph is an AttributionGraph whose rows still sum to their values; its
scores, influence and cumulative shares stay those of the whole graph.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph, Supernode, cumulative_share
from gearscope.graph.influence import edge_scores, node_influence
from gearscope.graph.nodes import Layout

NODE_THRESHOLD = 0.8
EDGE_THRESHOLD = 0.98
TIE = 1e-9


def prune(
    graph: AttributionGraph, node_threshold: float = NODE_THRESHOLD, edge_threshold: float = EDGE_THRESHOLD
) -> AttributionGraph:
    """The part of `graph` that carries these shares of the influence. Raises ConfigError outside 0 to 1."""
    _check_shares(node_threshold, edge_threshold)
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    keep = np.flatnonzero(strongest_nodes(graph.layout, influence, node_threshold))
    return _with_strong_edges(graph, keep, influence, edge_threshold, (node_threshold, edge_threshold))


def prune_further(graph: AttributionGraph, node_threshold: float, edge_threshold: float) -> AttributionGraph:
    """Prune a stored graph at thresholds of the graph that it was cut from, so that one slider means one thing.

    A node of a pruned graph stays when its stored cumulative share is at most the threshold, as in the public viewers,
    whose `influence` it is; a whole graph, and one without such shares, is pruned by its own influence. At the stored
    thresholds or above, the stored graph itself comes back. Edges that were dropped when it was stored are gone, so a
    share of edges counts from what is left. Raises ConfigError, and GraphError on cycles.
    """
    _check_shares(node_threshold, edge_threshold)
    most_nodes, most_edges = stored_thresholds(graph)
    if node_threshold >= most_nodes and edge_threshold >= most_edges:
        return graph
    share = min(1.0, edge_threshold / most_edges) if most_edges else 1.0
    if graph.cumulative is None or (graph.thresholds is None and graph.influence is not None):
        return prune(graph, node_threshold, share)
    influence = graph.influence if graph.influence is not None else graph.node_influence()
    kept = ~(graph.cumulative > node_threshold)
    kept[graph.layout.tokens] = True
    kept[graph.layout.targets] = True
    thresholds = min(node_threshold, most_nodes), min(edge_threshold, most_edges)
    return _with_strong_edges(graph, np.flatnonzero(kept), influence, share, thresholds)


def stored_thresholds(graph: AttributionGraph) -> tuple[float, float]:
    """Shares of nodes and edges that the graph was pruned to, ours or another program's; 1 where nothing is said."""
    if graph.thresholds is not None:
        return graph.thresholds
    foreign = graph.details.get("foreign")
    said = foreign.get("node_threshold") if isinstance(foreign, dict) else None
    known = isinstance(said, int | float) and not isinstance(said, bool) and 0 < said <= 1
    return (float(said) if known else 1.0), 1.0


def _check_shares(node_threshold: float, edge_threshold: float) -> None:
    for name, threshold in (("node", node_threshold), ("edge", edge_threshold)):
        if not 0 <= threshold <= 1:
            raise ConfigError(f"the {name} threshold is a share between 0 and 1", found=repr(threshold))


def _with_strong_edges(
    graph: AttributionGraph,
    keep: Int[np.ndarray, " K"],
    influence: Float[np.ndarray, " N"],
    edge_share: float,
    thresholds: tuple[float, float],
) -> AttributionGraph:
    """Steps 2 to 4 on the nodes of step 1."""
    nodes = graph.nodes.take(keep)
    adjacency = graph.adjacency[keep][:, keep]
    scores = kept_edge_scores(graph, keep, adjacency)
    kept_edges = scores >= share_threshold(scores, edge_share)
    alive = connected(nodes.layout, adjacency, kept_edges)
    masked = csr_array((np.where(kept_edges, adjacency.data, 0), adjacency.indices, adjacency.indptr), adjacency.shape)
    masked = masked[alive][:, alive]
    masked.eliminate_zeros()
    return _cut(graph, keep[alive], masked, influence, thresholds)


def strongest_nodes(layout: Layout, influence: Float[np.ndarray, " N"], threshold: float) -> Bool[np.ndarray, " N"]:
    """Which nodes step 1 keeps."""
    keep = influence >= share_threshold(influence, threshold)
    keep[layout.tokens] = True
    keep[layout.targets] = True
    return keep


def share_threshold(scores: Float[np.ndarray, " K"], threshold: float) -> float:
    """The score at which the cumulative share of the strongest first reaches `threshold`, a hair below it so that ties
    up to rounding are kept; -inf when all scores are 0."""
    ranked = np.sort(scores)[::-1]
    total = ranked.sum()
    if not len(ranked) or total <= 0:
        return -np.inf
    first = np.searchsorted(np.cumsum(ranked) / total, threshold)
    return float(ranked[min(first, len(ranked) - 1)]) * (1 - TIE)


def kept_edge_scores(
    graph: AttributionGraph, keep: Int[np.ndarray, " K"], adjacency: csr_array
) -> Float[np.ndarray, " E"]:
    """Step 2 and the scores of step 3: edges of kept nodes, rows renormalised over kept nodes only."""
    nodes = graph.nodes.take(keep)
    nothing = np.zeros(len(nodes))
    influence = node_influence(nodes, adjacency, nothing)
    return edge_scores(nodes, adjacency, nothing, influence)


def connected(layout: Layout, adjacency: csr_array, kept_edges: Bool[np.ndarray, " E"]) -> Int[np.ndarray, " K"]:
    """Step 4: the numbers of the nodes left when senders of nothing and features without input are dropped."""
    rows = np.repeat(np.arange(layout.size), np.diff(adjacency.indptr))[kept_edges]
    columns = adjacency.indices[kept_edges]
    alive = np.ones(layout.size, dtype=bool)
    must_send = np.ones(layout.size, dtype=bool)
    must_send[layout.tokens] = False
    must_send[layout.targets] = False
    must_receive = np.zeros(layout.size, dtype=bool)
    must_receive[layout.features] = True
    while True:
        usable = alive[rows] & alive[columns]
        sends = np.bincount(columns[usable], minlength=layout.size) > 0
        receives = np.bincount(rows[usable], minlength=layout.size) > 0
        left = alive & (sends | ~must_send) & (receives | ~must_receive)
        if (left == alive).all():
            return np.flatnonzero(alive)
        alive = left


def _cut(
    graph: AttributionGraph,
    keep: Int[np.ndarray, " K"],
    adjacency: csr_array,
    influence: Float[np.ndarray, " N"],
    thresholds: tuple[float, float],
) -> AttributionGraph:
    """The graph of the kept nodes and edges; everything else of their rows goes into the rest."""
    nodes = graph.nodes.take(keep)
    rows = graph.adjacency[keep].astype(np.float64)
    outside = np.ones(len(graph.nodes))
    outside[keep] = 0.0
    cut_edges = rows[:, keep] - adjacency
    groups = [Supernode(group.name, tuple(name for name in group.ids if name in nodes)) for group in graph.supernodes]
    cumulative = graph.cumulative if graph.cumulative is not None else cumulative_share(influence)
    settings = dict(zip(("node_threshold", "edge_threshold"), thresholds, strict=True))
    return replace(
        graph,
        nodes=nodes,
        adjacency=adjacency,
        rest_sum=graph.rest_sum[keep] + rows @ outside + cut_edges.sum(axis=1),
        rest_abs=graph.rest_abs[keep] + abs(rows) @ outside + abs(cut_edges).sum(axis=1),
        details={**graph.details, "pruning": settings},
        effects={name: effect for name, effect in graph.effects.items() if name in nodes},
        supernodes=tuple(group for group in groups if group.ids),
        pinned=tuple(name for name in graph.pinned if name in nodes),
        influence=influence[keep],
        cumulative=cumulative[keep],
    )
