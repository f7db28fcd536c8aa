"""Groups found again, by hand."""

import numpy as np
import pytest

from gearscope.graph.graph import Supernode
from gearscope.supernodes.stability import found_again, from_end
from tests.oracles.layered_graphs import layered_graph

RNG = np.random.default_rng(0)


def test_the_most_alike_group_counts_over_shared_features():
    """Of {1, 2, 3}, 3 is not there; {1, 2} and {1, 2, 4} share 2 of 3."""
    found = found_again(frozenset({1, 2, 3}), frozenset(range(6)), [[{1, 2, 4}, {5}]], RNG)
    assert found.value == pytest.approx(2 / 3)
    assert found.count == 1


def test_the_same_groups_are_found_whole_and_random_ones_are_not():
    groups = [frozenset({0, 1, 2}), frozenset({3, 4, 5})]
    found = [found_again(group, frozenset(range(6)), [groups] * 40, RNG) for group in groups]
    assert [again.value for again in found] == [1.0, 1.0]
    assert all(again.random < 0.8 for again in found)


def test_a_grouping_without_any_of_the_features_is_not_counted():
    found = found_again(frozenset({1}), frozenset({1, 2}), [[{7, 8}], [{2}]], RNG)
    assert (found.value, found.count) == (None, 0)


def test_positions_count_from_the_end():
    graph = layered_graph(0)
    ids = graph.nodes.ids[:2]
    nodes = graph.nodes
    assert from_end(graph, [Supernode("g", ids)]) == [
        frozenset((int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i]) - 3) for i in range(2))
    ]
