from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from gearscope.graph.panels import connections, flows, influence_shares, strongest_links
from gearscope.graph.prune import prune
from tests.oracles.hand_graph import EDGE_SCORES, INFLUENCE, READS, hand_graph
from tests.oracles.layered_graphs import dense_influence, layered_graph, plans


def test_links_of_the_hand_made_graph_come_by_influence():
    graph = hand_graph()
    found = strongest_links(graph, 8)
    assert len(found.source) == 8
    assert found.weight == [10.0] * 8
    strongest = {(t, s) for t, s in zip(found.target[:4], found.source[:4], strict=True)}
    assert strongest == {(11, 1), (11, 3), (11, 6), (11, 8)}
    shares = dict(zip(zip(found.target, found.source, strict=True), found.share, strict=True))
    assert all(shares[edge] == pytest.approx(1 / len(READS[edge[0]])) for edge in shares)
    assert set(EDGE_SCORES) <= set(zip(*strongest_links(graph, 100)[:2][::-1], strict=True))


def test_influence_of_the_hand_made_graph():
    np.testing.assert_allclose(influence_shares(hand_graph()), INFLUENCE)


@settings(max_examples=30, deadline=None)
@given(plan=plans())
def test_links_are_ordered_by_the_flow_on_dense_matrices(plan):
    graph = layered_graph(**plan)
    found = strongest_links(graph, 10_000)
    dense = np.abs(graph.adjacency.toarray().astype(np.float64))
    mass = dense.sum(1) + graph.rest_abs
    arriving = dense_influence(graph) + np.nan_to_num(graph.nodes.weight)
    scores = [dense[t, s] / mass[t] * arriving[t] for s, t in zip(found.source, found.target, strict=True)]
    assert len(scores) == graph.adjacency.nnz
    assert all(a >= b - 1e-6 for a, b in pairwise(scores))


@settings(max_examples=30, deadline=None)
@given(plan=plans())
def test_what_a_node_receives_sums_to_its_value_rest_included(plan):
    graph = prune(layered_graph(**plan).with_scores(), 0.6, 0.9)
    for node in [*range(*graph.layout.targets.indices(graph.layout.size))]:
        found = connections(graph, node, 10_000)
        total = sum(end.weight for end in found.inputs) + found.rest_sum
        assert total == pytest.approx(graph.nodes.value[node], abs=1e-4)
        if found.mass > 0:
            assert sum(end.share for end in found.inputs) + found.rest_share == pytest.approx(1)


def test_connections_are_cut_but_counted():
    found = connections(hand_graph(), 11, 2)
    assert (len(found.inputs), found.n_inputs, found.n_outputs) == (2, 4, 0)
    assert [end.node for end in connections(hand_graph(), 1, 9).outputs] == [3, 11]  # a third of 3, a quarter of 11


def test_boxes_send_shares_of_the_receivers_input():
    # 3 and 11 together receive 70, of which 1 and 6 send 40; 1 receives 20, all of it from 9 and 10
    found = flows(hand_graph(), [[3, 11], [1, 6], [9, 10]])
    assert {(flow.source, flow.target): flow.share for flow in found} == pytest.approx({(1, 0): 40 / 70, (2, 1): 1.0})
    assert [flow.share for flow in found] == sorted((flow.share for flow in found), reverse=True)
    assert flows(hand_graph(), [[3, 11], [1, 6]], least=0.6) == []


def test_an_empty_box_sends_and_receives_nothing():
    assert flows(hand_graph(), [[], [11]]) == []
