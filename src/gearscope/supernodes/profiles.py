"""Where a node's input begins in the prompt, and to whom it sends: the two sides of its edge profile. No torch.

With Â the absolute edges, every row divided by its absolute sum (rest included), and I the influence on the targets w:

    begins[t, p]   share of t's input that begins at token p along all paths:  begins = Â begins, tokens themselves 1
    sends[s, t]    A[t, s] / mass[t] · (w[t] + I[t]): the signed share of the influence that s hands to t

Two nodes of different layers are compared by what both can reach: columns of layers above both.

Knows nothing about groups or models.
"""

import numpy as np
from jaxtyping import Float, Int

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.influence import refuse_cycles, row_scale


def begins(graph: AttributionGraph) -> Float[np.ndarray, "N P"]:
    """Share of every node's input that begins at each token. Raises GraphError on cycles."""
    refuse_cycles(graph.nodes, graph.adjacency)
    share = abs(graph.adjacency).astype(np.float64)
    share = share.multiply(row_scale(graph.row_mass())[:, None]).tocsr()
    tokens = graph.layout.tokens
    own = np.zeros((len(graph.nodes), tokens.stop - tokens.start))
    own[tokens] = np.eye(own.shape[1])
    found = own
    while True:
        following = share @ found + own
        if np.array_equal(following, found):
            return found
        found = following


def sends(graph: AttributionGraph, rows: Int[np.ndarray, " K"]) -> Float[np.ndarray, "K N"]:
    """What some nodes hand to every node, signed. Raises GraphError on cycles."""
    arriving = (graph.target_weight + graph.node_influence()) * row_scale(graph.row_mass())
    return graph.adjacency[:, rows].astype(np.float64).multiply(arriving[:, None]).T.toarray()


def cosines(values: Float[np.ndarray, "K N"]) -> Float[np.ndarray, "K K"]:
    """Cosine of every two rows; nan where one of them is 0."""
    norm = np.sqrt(np.square(values).sum(axis=1))
    scale = np.where(norm > 0, norm, np.nan)
    unit = values / scale[:, None]
    return np.clip(unit @ unit.T, -1, 1)


def cosines_above(
    values: Float[np.ndarray, "K N"], layer: Int[np.ndarray, " K"], column_layer: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "K K"]:
    """Cosine of every two rows over the columns of layers above both; nan where nothing is there."""
    found = np.full((len(values), len(values)), np.nan)
    for highest in np.unique(layer):
        rows = np.flatnonzero(layer <= highest)
        block = cosines(values[np.ix_(rows, np.flatnonzero(column_layer > highest))])
        topmost = np.maximum(layer[rows][:, None], layer[rows][None, :]) == highest
        both = np.ix_(rows, rows)
        found[both] = np.where(topmost, block, found[both])
    return found
