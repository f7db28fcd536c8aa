import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.errors import ConfigError
from gearscope.graph.prune import prune, prune_further, share_threshold, stored_thresholds
from gearscope.graph.store import read_graph
from tests.oracles.hand_graph import KEPT, hand_graph
from tests.oracles.layered_graphs import capped, dense_influence, layered_graph, plans


def dense_prune(graph, node_threshold, edge_threshold):
    """The published rule on dense matrices, straight from its description: kept node numbers and kept edges."""
    kind = graph.nodes.kind
    weight = np.nan_to_num(graph.nodes.weight)
    influence = dense_influence(graph)
    always = np.isin(kind, ["token", "target"])
    alive = (influence >= cut(influence, node_threshold)) | always
    dense = graph.adjacency.toarray().astype(np.float64) * np.outer(alive, alive)
    mass = np.abs(dense).sum(1, keepdims=True)
    normal = np.abs(dense) / np.where(mass > 0, mass, 1)
    arriving = weight @ np.linalg.inv(np.eye(len(dense)) - normal)
    scores = normal * arriving[:, None]
    edges = (scores >= cut(scores[dense != 0], edge_threshold)) & (dense != 0)
    while True:
        edges &= np.outer(alive, alive)
        left = alive & (edges.any(0) | always) & (edges.any(1) | (kind != "feature"))
        if (left == alive).all():
            return np.flatnonzero(alive), edges
        alive = left


def cut(scores, threshold):
    """The largest score such that all scores from it upwards hold the threshold's share, less a hair for ties."""
    for score in np.unique(scores)[::-1]:
        if scores[scores >= score].sum() >= threshold * scores.sum() * (1 - 1e-12):
            return score * (1 - 1e-9)
    return -np.inf


def test_the_hand_made_graph_loses_its_weak_node():
    pruned = prune(hand_graph(), 0.8, 1.0)
    graph = hand_graph()
    assert [graph.nodes.find(name) for name in pruned.nodes.ids] == list(KEPT)
    assert pruned.edge(pruned.nodes.ids[1], pruned.nodes.ids[0]) == 10
    assert pruned.rest_abs[1] == 10  # what node 3 received from node 0


@settings(max_examples=60, deadline=None)
@given(plan=plans(), node=st.sampled_from([0.3, 0.6, 0.8, 0.95]), edge=st.sampled_from([0.5, 0.9, 0.98]))
def test_pruning_equals_the_rule_on_dense_matrices(plan, node, edge):
    graph = layered_graph(**plan)
    pruned = prune(graph, node, edge)
    keep, edges = dense_prune(graph, node, edge)
    assert pruned.nodes.ids == tuple(graph.nodes.ids[i] for i in keep)
    expected = np.where(edges, graph.adjacency.toarray(), 0)[np.ix_(keep, keep)]
    np.testing.assert_array_equal(pruned.adjacency.toarray(), expected)


@settings(max_examples=60, deadline=None)
@given(plan=plans(), node=st.floats(0, 1), edge=st.floats(0, 1), data=st.data())
def test_a_pruned_graph_is_a_graph(plan, node, edge, data):
    graph = layered_graph(**plan)
    removed = data.draw(st.sets(st.sampled_from(range(graph.layout.features.stop))))
    graph = capped(graph, np.array(sorted(removed), dtype=int)).with_scores()
    pruned = prune(graph, node, edge)
    layout = pruned.layout
    # rows still sum to their values, signed and absolute
    assert not (pruned.row_error() > 1e-9).any()
    before = graph.row_mass()[[graph.nodes.find(name) for name in pruned.nodes.ids]]
    np.testing.assert_allclose(pruned.row_mass(), before, rtol=1e-9, atol=1e-12)
    # tokens and targets stay, senders send, features receive
    assert layout.tokens.stop - layout.tokens.start == 3
    assert layout.targets.stop - layout.targets.start == 2
    sends = np.diff(pruned.adjacency.tocsc().indptr) > 0
    receives = np.diff(pruned.adjacency.indptr) > 0
    assert sends[: layout.tokens.start].all()
    assert sends[layout.constants].all()
    assert receives[layout.features].all()
    assert pruned.scores == graph.scores


def test_thresholds_of_one_keep_every_connected_node():
    graph = layered_graph(5, density=0.9)
    pruned = prune(graph, 1.0, 1.0)
    assert len(pruned.nodes) == len(graph.nodes)
    assert (pruned.rest_abs == 0).all()


def test_lower_thresholds_keep_fewer_nodes():
    sizes = [len(prune(layered_graph(6, n_features=40), node).nodes) for node in (0.3, 0.6, 0.9, 1.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_share_threshold_of_a_worked_example():
    assert share_threshold(np.array([1.0, 5.0, 3.0, 1.0]), 0.8) == pytest.approx(3.0)
    assert share_threshold(np.array([1.0, 5.0, 3.0, 1.0]), 0.81) == pytest.approx(1.0)
    assert share_threshold(np.zeros(3), 0.5) == -np.inf


def test_the_two_edges_of_a_chain_stay_or_go_together():
    scores = np.array([0.4, 0.3, 0.1 * 3 - 1e-17, 0.3 * (1 + 1e-15)])
    assert (scores >= share_threshold(scores, 0.5)).all()


def test_a_threshold_that_is_no_share_is_refused():
    with pytest.raises(ConfigError, match="edge threshold"):
        prune(hand_graph(), 0.8, 98.0)


@settings(max_examples=60, deadline=None)
@given(plan=plans(), low=st.sampled_from([0.2, 0.5, 0.65]), high=st.sampled_from([0.7, 0.9]))
def test_a_pruned_graph_is_pruned_further_by_the_shares_of_the_whole_one(plan, low, high):
    whole = layered_graph(**plan).with_scores()
    found = prune_further(prune(whole, high, 1.0), low, 1.0)
    kind, dense = whole.nodes.kind, whole.adjacency.toarray() != 0
    always = np.isin(kind, ["token", "target"])
    alive = (whole.cumulative <= low) | always
    while True:
        edges = dense & np.outer(alive, alive)
        left = alive & (edges.any(0) | always) & (edges.any(1) | (kind != "feature"))
        if (left == alive).all():
            break
        alive = left
    keep = np.flatnonzero(alive)
    assert found.nodes.ids == tuple(whole.nodes.ids[i] for i in keep)
    np.testing.assert_array_equal(found.adjacency.toarray(), whole.adjacency.toarray()[np.ix_(keep, keep)])
    np.testing.assert_allclose(found.row_sum(), whole.row_sum()[keep], atol=1e-4)
    np.testing.assert_allclose(found.row_mass(), whole.row_mass()[keep], rtol=1e-4, atol=1e-5)
    assert stored_thresholds(found) == (low, 1.0)


def test_a_whole_graph_is_pruned_as_if_for_the_first_time():
    whole = layered_graph(5).with_scores()
    assert prune_further(whole, 0.6, 0.9).nodes.ids == prune(whole, 0.6, 0.9).nodes.ids


def test_at_its_own_thresholds_a_stored_graph_comes_back_as_it_is():
    stored = prune(layered_graph(5).with_scores(), 0.8, 0.98)
    assert prune_further(stored, 0.8, 0.98) is stored
    assert prune_further(stored, 1.0, 1.0) is stored
    assert len(prune_further(stored, 0.5, 0.98).nodes) < len(stored.nodes)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_graphs_of_other_programs_are_pruned_by_the_shares_they_store(fixtures_dir, share):
    graph = read_graph(fixtures_dir / "graphs" / "dallas-austin-llamma.json")
    assert stored_thresholds(graph) == (0.5, 1.0)
    shown = prune_further(graph, share, 1.0)
    kept = set(shown.nodes.ids)
    for name, stored in zip(graph.nodes.ids, graph.cumulative.tolist(), strict=True):
        kind = graph.nodes.kind[graph.nodes.find(name)]
        if kind == "feature" and stored > share:
            assert name not in kept
        if kind in ("token", "target"):
            assert name in kept
    assert any(kind == "feature" for kind in shown.nodes.kind) == (share >= 0.3)


def test_a_graph_without_stored_shares_is_pruned_by_its_own_influence(fixtures_dir):
    graph = read_graph(fixtures_dir / "graphs" / "capital-state-dallas.json")
    assert graph.cumulative is None
    shown = prune_further(graph, 0.7, 1.0)
    assert shown.nodes.ids == prune(graph, 0.7, 1.0).nodes.ids
    assert 11 < len(shown.nodes) < len(graph.nodes)
