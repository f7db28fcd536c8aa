from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from gearscope.graph.nodes import Nodes
from gearscope.graph.paths import strongest_paths
from tests.oracles.hand_graph import hand_graph
from tests.oracles.layered_graphs import layered_graph, plans


def every_path(graph, target):
    """All token -> target chains by recursion, as (strength, sign, nodes)."""
    dense = graph.adjacency.toarray().astype(np.float64)
    mass = np.abs(dense).sum(1) + graph.rest_abs
    tokens = range(graph.layout.tokens.start, graph.layout.tokens.stop)

    def walk(node):
        if node in tokens:
            yield 1.0, 1, (node,)
        for source in np.flatnonzero(dense[node]).tolist():
            for strength, sign, nodes in walk(source):
                weight = dense[node, source]
                yield strength * abs(weight) / mass[node], sign * int(np.sign(weight)), (*nodes, node)

    return sorted(walk(target), key=lambda path: -path[0])


@settings(max_examples=25, deadline=None)
@given(plan=plans())
def test_the_best_paths_are_the_best_of_all_paths(plan):
    graph = layered_graph(**plan)
    if len(graph.nodes) > 34:
        graph = layered_graph(1, n_layers=2, n_features=8)
    target = graph.layout.targets.start
    found, expected = strongest_paths(graph, target, 5), every_path(graph, target)
    np.testing.assert_allclose([p.strength for p in found], [p[0] for p in expected[:5]], rtol=1e-5)
    signs = {nodes: sign for _, sign, nodes in expected}
    assert all(path.sign == signs[path.nodes] for path in found)
    assert len({path.nodes for path in found}) == len(found)


def test_paths_do_not_need_layers_in_order():
    graph = layered_graph(7)
    columns = {name: getattr(graph.nodes, name) for name in Nodes.__dataclass_fields__}
    flat = replace(graph, nodes=Nodes(**{**columns, "layer": np.zeros_like(graph.nodes.layer)}))
    target = graph.layout.targets.start
    assert [p.nodes for p in strongest_paths(flat, target, 6)] == [p.nodes for p in strongest_paths(graph, target, 6)]


def test_paths_of_the_hand_made_graph():
    found = strongest_paths(hand_graph(), 11, 10)
    assert {path.nodes for path in found[:2]} == {(9, 1, 11), (10, 1, 11)}
    assert found[0].strength == pytest.approx(1 / 8)
    assert len(found) == 5
