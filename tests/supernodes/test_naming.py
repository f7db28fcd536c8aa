"""Names come from labels, tokens or input, and are never twice the same."""

from dataclasses import replace

import numpy as np

from gearscope.graph.graph import TokenEffects
from gearscope.ids import FeatureId
from gearscope.supernodes.naming import name_of
from gearscope.supernodes.profiles import begins
from tests.oracles.layered_graphs import layered_graph

GRAPH = layered_graph(0, dtype=np.float64)
ROWS = np.array([0, 1, 2])


def _effects(*promoted):
    return {
        GRAPH.nodes.ids[i]: TokenEffects(tuple((token, 3.0 - n) for n, token in enumerate(tokens)), ())
        for i, tokens in enumerate(promoted)
    }


def _name(graph=GRAPH, labels=None, taken=()):
    return name_of(graph, ROWS, begins(graph)[ROWS], labels or {}, taken)


def test_the_label_of_most_of_the_influence_comes_first():
    graph = replace(GRAPH, effects=_effects(["x", "y"], ["x"], ["x"]))
    nodes = graph.nodes
    features = [FeatureId(int(nodes.layer[i]), int(nodes.index[i])) for i in ROWS]
    assert _name(graph, dict.fromkeys(features, "names of states")) == "names of states"
    assert _name(graph, dict.fromkeys(features, "long " * 20)) == "x"


def test_tokens_that_two_members_promote():
    assert _name(replace(GRAPH, effects=_effects(["x", "only"], ["y", " x"], ["y"]))) in ("x, y", "y, x")


def test_without_tokens_in_common_the_input_names_the_group():
    name = _name(replace(GRAPH, effects=_effects(["x"], ["y"], ["z"])))
    assert name.startswith('on "')
    assert all(quoted in ("a", "b", "c") for quoted in name.split('"')[1::2])


def test_a_name_that_is_taken_gets_a_number():
    graph = replace(GRAPH, effects=_effects(["x"], ["x"], ["x"]))
    assert _name(graph, taken=["x", "x (2)"]) == "x (3)"


def test_a_name_never_looks_like_a_swap():
    graph = replace(GRAPH, effects=_effects(["a<-b"], ["a<-b"], []))
    assert "<-" not in _name(graph)
