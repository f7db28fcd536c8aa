import json
from dataclasses import replace

import numpy as np
import pytest

from gearscope.graph.graph import TokenEffects
from gearscope.graph.store import read_graph
from gearscope.web import views
from gearscope.web.config import Limits
from tests.oracles.layered_graphs import layered_graph
from tests.web.conftest import small_graph


def view_of(graph, node=None, edge=None, **limits):
    heading = views.card(graph, id="0" * 16, name="g.json", modified=1.0)
    shown = views.at_thresholds(graph, node, edge)
    return views.graph_view(graph, shown, heading, Limits(**limits), traced_here=False)


def test_every_node_and_link_is_sent_with_its_own_numbers():
    graph = small_graph()
    found = view_of(graph)
    assert [node.id for node in found.nodes] == list(graph.nodes.ids)
    assert found.n_links == graph.adjacency.nnz == len(found.links.source)
    columns = zip(found.links.source, found.links.target, found.links.weight, strict=True)
    assert all(graph.adjacency[t, s] == pytest.approx(weight) for s, t, weight in columns)
    values = [np.nan if node.value is None else node.value for node in found.nodes]
    np.testing.assert_array_equal(values, graph.nodes.value)
    assert found.nodes[0].raises == ["x"]
    assert found.pinned == list(graph.pinned)
    assert found.groups[0].name == "two"


def test_what_is_not_sent_is_counted():
    graph = layered_graph(1, n_features=16).with_scores()
    found = view_of(graph, nodes=10, links=5)
    assert (len(found.nodes), found.n_nodes) == (10, len(graph.nodes))
    assert {node.kind for node in found.nodes} >= {"token", "target"}
    assert len(found.links.source) <= 5
    assert all(0 <= end < 10 for end in [*found.links.source, *found.links.target])
    everyone = dict(zip(graph.nodes.ids, graph.influence, strict=True))
    least = min(everyone[node.id] for node in found.nodes if node.kind not in ("token", "target"))
    sent = {node.id for node in found.nodes}
    assert all(everyone[name] <= least for name in everyone if name not in sent)


def test_scores_of_the_whole_stay_and_those_of_the_view_fall():
    graph = small_graph()
    full, cut = view_of(graph), view_of(graph, 0.4)
    assert full.whole == cut.whole
    assert cut.shown.replacement <= full.shown.replacement
    assert cut.n_nodes < full.n_nodes
    assert (cut.thresholds.node, cut.thresholds.most_node) == (0.4, 0.9)


@pytest.mark.parametrize("name", ["capital-state-dallas", "dallas-austin-llamma"])
@pytest.mark.parametrize("node", [None, 0.4, 0.05])
def test_graphs_of_other_programs(fixtures_dir, name, node):
    graph = read_graph(fixtures_dir / "graphs" / f"{name}.json")
    found = view_of(graph, node)
    assert found.whole is None
    assert found.n_nodes == len(found.nodes)
    for one in found.nodes[:10]:
        views.node_view(views.at_thresholds(graph, node, None), one.id, Limits())
    json.loads(found.model_dump_json())


def test_hostile_text_is_escaped_and_never_breaks_the_answer():
    graph = small_graph()
    labels = ("</script><script>alert(1)</script>", "half \ud800", "\x1b[2J\x00\u202e", *graph.nodes.labels[3:])
    columns = {name: getattr(graph.nodes, name) for name in type(graph.nodes).__dataclass_fields__}
    hostile = replace(
        graph,
        nodes=type(graph.nodes)(**{**columns, "labels": labels}),
        tokens=("\ud800", "\n", "</td>"),
        prompt="\udfff",
        model="\x00",
        effects={graph.nodes.ids[1]: TokenEffects((("\ud83d", 1.0),), ())},
    )
    text = view_of(hostile).model_dump_json()
    text.encode("utf-8")
    assert "\\\\ud800" in text
    assert not any(ord(c) < 32 for c in text)
    views.node_view(hostile, graph.nodes.ids[1], Limits()).model_dump_json().encode("utf-8")


def test_a_foreign_circuit_with_a_cycle_is_shown_without_scores():
    graph = layered_graph(2)
    edges = graph.adjacency.tolil()
    edges[0, 1] = edges[1, 0] = 1.0
    looped = replace(graph, adjacency=type(graph.adjacency)(edges))
    found = view_of(looped)
    assert found.shown is None
    assert all(node.influence is None for node in found.nodes)
    assert found.n_links == looped.adjacency.nnz
