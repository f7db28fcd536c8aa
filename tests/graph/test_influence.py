from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gearscope.errors import GraphError
from gearscope.graph import influence as influence_module
from gearscope.graph.influence import (
    edge_scores,
    influence_past,
    node_influence,
    row_groups,
    row_mass,
    row_scale,
    row_sum,
    signed_influence,
)
from gearscope.graph.nodes import Nodes
from tests.oracles.hand_graph import EDGE_SCORES, INFLUENCE, KEPT, hand_graph
from tests.oracles.layered_graphs import dense_influence, layered_graph, plans


def test_influence_of_the_hand_made_graph():
    np.testing.assert_allclose(hand_graph().node_influence(), INFLUENCE, atol=1e-12)


def test_influence_past_a_node_leaves_out_the_paths_that_enter_it():
    graph = hand_graph()
    past = influence_past(graph.nodes, graph.adjacency, graph.rest_abs, np.array([3]))
    # what 0, 1 and 6 hand to 3 does not arrive; what it receives itself still counts for it
    np.testing.assert_allclose(past, [0, 1 / 4, 0, 1 / 4, 0, 0, 1 / 4, 0, 1 / 4, 1 / 8, 1 / 8, 0], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(plan=plans())
def test_past_all_features_only_what_reaches_the_targets_directly_is_left(plan):
    graph = layered_graph(**plan)
    every = np.arange(graph.layout.features.start, graph.layout.features.stop)
    past = influence_past(graph.nodes, graph.adjacency, graph.rest_abs, every)
    scale = row_scale(graph.row_mass())
    direct = abs(graph.adjacency.toarray()).T @ (graph.target_weight * scale)
    np.testing.assert_allclose(past, direct, rtol=1e-6, atol=1e-12)


def test_edge_scores_of_the_hand_made_graph_without_its_weak_node():
    graph = hand_graph()
    dense = graph.adjacency.toarray()
    gone = [i for i in range(12) if i not in KEPT]
    dense[gone] = 0
    dense[:, gone] = 0
    edges = csr_array(dense)
    scores = edge_scores(graph.nodes, edges, graph.rest_abs, node_influence(graph.nodes, edges, graph.rest_abs))
    found = csr_array((scores, edges.indices, edges.indptr), edges.shape).toarray()
    expected = np.zeros((12, 12))
    for place, score in EDGE_SCORES.items():
        expected[place] = score
    np.testing.assert_allclose(found, expected, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(plan=plans())
def test_influence_equals_the_dense_inverse(plan):
    graph = layered_graph(**plan)
    np.testing.assert_allclose(graph.node_influence(), dense_influence(graph), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(graph.signed_influence(), dense_influence(graph, signed=True), rtol=1e-4, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(plan=plans(), band=st.integers(1, 60))
def test_rows_are_added_up_in_bands_of_any_size(plan, band):
    graph = layered_graph(**plan)
    dense, rest = graph.adjacency.toarray().astype(np.float64), np.arange(len(graph.nodes)) / 7
    constants = graph.layout.constants
    with patch.object(influence_module, "_BAND", band):
        np.testing.assert_allclose(row_sum(graph.adjacency, rest), dense.sum(1) + rest, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(row_mass(graph.adjacency, rest), abs(dense).sum(1) + rest, rtol=1e-12)
        bare = np.delete(abs(dense), np.r_[constants], axis=1).sum(1)
        np.testing.assert_allclose(row_mass(graph.adjacency, rest, constants), bare + rest, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(plan=plans())
def test_all_influence_ends_in_leaves(plan):
    graph = layered_graph(**plan)
    rows = np.diff(graph.adjacency.indptr) > 0
    leaves = ~np.isin(graph.nodes.kind, ["feature", "target"]) | ~rows
    arriving = graph.node_influence() + graph.target_weight
    assert arriving[leaves].sum() == pytest.approx(0.9, rel=1e-5)


def test_graphs_whose_layers_do_not_order_the_edges_are_solved_too():
    graph = layered_graph(3)
    columns = {name: getattr(graph.nodes, name) for name in Nodes.__dataclass_fields__}
    flat = Nodes(**{**columns, "layer": np.zeros_like(graph.nodes.layer)})
    assert row_groups(graph.nodes, graph.adjacency) is not None
    assert row_groups(flat, graph.adjacency) is None
    for solve in (node_influence, signed_influence):
        expected = solve(graph.nodes, graph.adjacency, graph.rest_abs)
        np.testing.assert_allclose(solve(flat, graph.adjacency, graph.rest_abs), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loop", [[(0, 3)], [(2, 2)]])
def test_a_cycle_is_refused_by_name(loop):
    graph = hand_graph()
    dense = graph.adjacency.toarray()
    for place in loop:
        dense[place] = 1
    with pytest.raises(GraphError, match="feeds itself"):
        replace(graph, adjacency=csr_array(dense)).node_influence()


def test_rest_takes_its_share_of_a_row():
    graph = hand_graph()
    rest = np.zeros(12)
    rest[11] = 40.0
    found = replace(graph, rest_abs=rest).node_influence()
    np.testing.assert_allclose(found, INFLUENCE / 2, atol=1e-12)
