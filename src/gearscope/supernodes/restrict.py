"""A graph restricted to some of its features: the others are no nodes, what they send counts as unexplained. No torch.

Knows nothing about groups.
"""

import numpy as np
from jaxtyping import Int

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.scores import measure, measure_shown
from gearscope.supernodes.result import Restricted


def restricted_scores(graph: AttributionGraph, features: Int[np.ndarray, " K"]) -> Restricted:
    """Scores of these features alone, all nodes that are no features kept. Raises GraphError on cycles."""
    keep = np.ones(len(graph.nodes), dtype=bool)
    keep[graph.layout.features] = False
    keep[features] = True
    rows = np.flatnonzero(keep)
    nodes, inside = graph.nodes.take(rows), graph.adjacency[rows][:, rows]
    lost = abs(graph.adjacency[rows]) @ (~keep).astype(np.float64)
    shown = measure_shown(nodes, inside, graph.rest_abs[rows] + lost)
    whole = measure(nodes, inside, np.zeros(len(rows)))
    return Restricted(
        replacement=shown.replacement,
        completeness=shown.completeness,
        completeness_inside=whole.completeness.as_published.low,
    )
