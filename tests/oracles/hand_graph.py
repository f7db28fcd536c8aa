"""A circuit of twelve nodes worked out by hand (the numbers of circuit-tracer's own test of its pruning).

the logit 11 reads 1, 3, 6, 8; 3 reads 0, 1, 6; 1 reads 9, 10; 0 reads 9; every edge weighs 10
nodes 0-4 are features, 5-8 errors, 9 and 10 tokens, 11 the logit with probability 1
"""

import numpy as np
from scipy.sparse import csr_array

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes

READS = {11: (1, 3, 6, 8), 3: (0, 1, 6), 1: (9, 10), 0: (9,)}
INFLUENCE = np.array([1 / 12, 1 / 3, 0, 1 / 4, 0, 0, 1 / 3, 0, 1 / 4, 1 / 4, 1 / 6, 0])
# node 0 has the smallest influence that is not zero and falls to a node threshold of 0.8 by its cumulative share
KEPT = (1, 3, 6, 8, 9, 10, 11)
EDGE_SCORES = {
    **{(11, s): 1 / 4 for s in (1, 3, 6, 8)},
    **{(3, s): 1 / 8 for s in (1, 6)},
    **{(1, s): 3 / 16 for s in (9, 10)},
}


def hand_graph() -> AttributionGraph:
    dense = np.zeros((12, 12), dtype=np.float32)
    for target, sources in READS.items():
        dense[target, list(sources)] = 10
    nodes = Nodes.join(
        Nodes.of(NodeKind.FEATURE, layer=np.array([0, 0, 0, 1, 1]), position=1, index=np.arange(5)),
        Nodes.of(NodeKind.ERROR, layer=np.array([0, 0, 1, 1]), position=np.array([0, 1, 0, 1])),
        Nodes.of(NodeKind.TOKEN, position=np.arange(2), index=np.arange(2)),
        Nodes.of(NodeKind.TARGET, layer=2, position=1, index=0, probability=1.0, weight=1.0),
    )
    nothing = np.zeros(12)
    return AttributionGraph(
        nodes=nodes,
        adjacency=csr_array(dense),
        rest_sum=nothing,
        rest_abs=nothing,
        prompt="ab",
        tokens=("a", "b"),
        model="by hand",
        basis="none",
    )
