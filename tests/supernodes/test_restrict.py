"""Scores of a part of a graph: against the whole, and against a dense calculation."""

import numpy as np
import pytest

from gearscope.graph.scores import measure, measure_shown
from gearscope.supernodes.restrict import restricted_scores
from tests.oracles.layered_graphs import layered_graph


@pytest.fixture
def graph():
    return layered_graph(4, dtype=np.float64)


def test_all_features_are_the_graph_itself(graph):
    found = restricted_scores(graph, np.arange(graph.layout.features.stop))
    shown = measure_shown(graph.nodes, graph.adjacency, graph.rest_abs)
    assert (found.replacement, found.completeness) == pytest.approx(tuple(shown))
    whole = measure(graph.nodes, graph.adjacency, graph.rest_abs)
    assert found.completeness_inside == pytest.approx(whole.completeness.as_published.low)


def test_a_feature_left_out_counts_as_error_in_the_strict_scores(graph):
    every = np.arange(graph.layout.features.stop)
    strongest = int(graph.node_influence()[every].argmax())
    less = restricted_scores(graph, np.delete(every, strongest))
    assert less.completeness < restricted_scores(graph, every).completeness


def test_without_features_only_direct_paths_are_left(graph):
    """T / (T + E + R) of the targets' own rows, worked out densely."""
    found = restricted_scores(graph, np.arange(0))
    dense, weight = np.abs(graph.adjacency.toarray()), np.nan_to_num(graph.nodes.weight)
    layout = graph.layout
    rows = dense[layout.targets]
    flow = weight[layout.targets] @ (rows / rows.sum(1, keepdims=True))
    tokens, lost = flow[layout.tokens].sum(), flow[layout.errors].sum() + flow[layout.features].sum()
    assert found.replacement == pytest.approx(tokens / (tokens + lost))
