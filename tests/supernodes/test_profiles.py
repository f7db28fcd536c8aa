"""Edge profiles against dense inverses, and cosines against loops."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from gearscope.errors import GraphError
from gearscope.supernodes.profiles import begins, cosines, cosines_above, sends
from tests.oracles.hand_graph import hand_graph
from tests.oracles.layered_graphs import layered_graph


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_where_input_begins_is_the_token_columns_of_a_dense_inverse(seed):
    graph = layered_graph(seed, dtype=np.float64)
    share = np.abs(graph.adjacency.toarray())
    mass = share.sum(1, keepdims=True)
    share = np.divide(share, mass, out=np.zeros_like(share), where=mass > 0)
    paths = np.linalg.inv(np.eye(len(share)) - share)
    assert np.allclose(begins(graph), paths[:, graph.layout.tokens])


def test_what_is_sent_is_the_signed_edge_by_its_share_of_the_influence():
    graph = layered_graph(3, dtype=np.float64)
    rows = np.arange(4)
    found, influence, dense = sends(graph, rows), graph.node_influence(), graph.adjacency.toarray()
    mass, weight = np.abs(dense).sum(1), np.nan_to_num(graph.nodes.weight)
    for s in rows:
        for t in range(len(dense)):
            expected = dense[t, s] / mass[t] * (weight[t] + influence[t]) if mass[t] else 0.0
            assert found[s, t] == pytest.approx(expected)


def test_a_circuit_with_a_cycle_has_no_profile():
    graph = hand_graph()
    dense = graph.adjacency.toarray()
    dense[0, 3] = 1.0
    graph = replace(graph, adjacency=csr_array(dense))
    with pytest.raises(GraphError, match="without cycles"):
        begins(graph)


def test_cosines_over_columns_above_both_rows():
    rng = np.random.default_rng(0)
    values, layer, above = rng.standard_normal((5, 7)), np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 2, 3, 3])
    values[1, above > 0] = 0
    found = cosines_above(values, layer, above)
    for i in range(5):
        for j in range(5):
            here = above > max(layer[i], layer[j])
            one, two = values[i, here], values[j, here]
            size = np.linalg.norm(one) * np.linalg.norm(two)
            if size:
                assert found[i, j] == pytest.approx(one @ two / size)
            else:
                assert np.isnan(found[i, j])
    assert np.isnan(found[1]).all()


def test_a_row_of_nothing_has_no_cosine():
    assert np.isnan(cosines(np.array([[0.0, 0.0], [1.0, 0.0]]))).tolist() == [[True, True], [True, False]]
