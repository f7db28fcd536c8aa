import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gearscope.graph.graph import Supernode, TokenEffects
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.graph.prune import prune
from gearscope.graph.reading import from_json
from gearscope.graph.schema import about_bytes, cantor, js_node_ids, output_label, to_json
from tests.oracles.graph_equality import assert_same_graph
from tests.oracles.hand_graph import hand_graph
from tests.oracles.layered_graphs import capped, layered_graph, plans


@pytest.fixture(scope="module")
def schema(fixtures_dir):
    return json.loads((fixtures_dir / "schemas" / "graph-schema.json").read_text())


def decorated(graph, text="Texas"):
    """The graph with everything a file can hold."""
    first, second = graph.nodes.ids[0], graph.nodes.ids[-1]
    return replace(
        graph.with_scores(),
        effects={first: TokenEffects(((text, 1.5),), (("no", -0.25), (text, -1e-7)))},
        supernodes=(Supernode(text, (first,)), Supernode("both", (first, second))),
        pinned=(second,),
        details={"model_fingerprint": "ab12", "thresholds": [0.5, None], "nested": {text: True}},
    )


@settings(max_examples=40, deadline=None)
@given(plan=plans(), data=st.data(), text=st.text(max_size=8))
def test_what_is_written_is_read_back(plan, data, text):
    graph = layered_graph(**plan)
    removed = data.draw(st.sets(st.sampled_from(range(plan["n_features"])), max_size=plan["n_features"] - 1))
    graph = decorated(capped(graph, np.array(sorted(removed), dtype=int)), text)
    graph = replace(graph, prompt=text, tokens=("a", text, "c"))
    for shown in (graph, prune(graph)):
        back = from_json(json.loads(json.dumps(to_json(shown, "a slug"), allow_nan=False)))
        assert_same_graph(back, shown)


@pytest.mark.parametrize("pruned", [False, True])
def test_written_graphs_obey_the_public_schema(schema, pruned):
    graph = decorated(layered_graph(3))
    data = to_json(prune(graph) if pruned else graph, "a slug")
    jsonschema.validate(data, schema)


def test_ids_of_all_nodes_are_unique_and_of_the_newer_form():
    # an error at layer 1, position 1 and features whose numbers look like it; one feature at two positions
    nodes = Nodes.join(
        Nodes.of(NodeKind.FEATURE, layer=[0, 0, 1, 1, 1, 1], position=[1, 1, 1, 1, 2, 0], index=[1, 0, 1, 5, 5, 0]),
        Nodes.of(NodeKind.ERROR, layer=[0, 1, 1], position=[1, 1, 2]),
        Nodes.of(NodeKind.TOKEN, position=[0, 1, 2], index=[5, 1, 5]),
        Nodes.of(NodeKind.TARGET, layer=2, position=2, index=[5, 1]),
    )
    assert nodes.ids[6:9] == ("0_-1_1", "1_-1_1", "1_-1_2")
    js = js_node_ids(nodes)
    assert len(set(js)) == len(set(nodes.ids)) == len(nodes)
    assert js[3:5] == ["1_5-1", "1_5-0"]  # how many later positions hold the same feature
    assert js[6:9] == ["0_-1-1", "1_-1-1", "1_-1-2"]
    assert js[-2:] == ["L_5-2", "L_1-2"]
    assert nodes.ids[-2:] == ("3_5_2", "3_1_2")


def test_targets_without_a_token_keep_unique_ids():
    nodes = Nodes.of(NodeKind.TARGET, layer=2, position=1, index=-1, ids=["first", "second"])
    assert js_node_ids(nodes) == ["first", "second"]


def test_fields_follow_the_format():
    graph = layered_graph(5).with_scores()
    data = to_json(graph, "s")
    by_id = {node["node_id"]: node for node in data["nodes"]}
    feature = by_id[graph.nodes.ids[3]]
    layer, index = int(graph.nodes.layer[3]), int(graph.nodes.index[3])
    assert feature["feature"] == (layer + index) * (layer + index + 1) // 2 + index == cantor(layer, index)
    assert feature["layer"] == str(layer)
    assert feature["activation"] == graph.nodes.activation[3]
    token, logit = by_id["E_8_1"], by_id["4_4_2"]
    assert (token["layer"], token["feature"], token["feature_type"]) == ("E", 1, "embedding")
    assert (logit["layer"], logit["feature"], logit["is_target_logit"]) == ("4", 4, True)
    assert logit["clerp"] == 'Output "x" (p=0.600)'
    assert logit["jsNodeId"] == "L_4-2"
    assert by_id["0_-1_2"]["feature"] == -1


def test_influence_is_the_cumulative_share():
    graph = hand_graph().with_scores()
    shares = {node["node_id"]: node["influence"] for node in to_json(graph, "s")["nodes"]}
    # 1/3 + 1/3 of a total of 5/3 lie with nodes 1 and 6; the weakest that has any closes the sum
    assert max(shares[graph.nodes.ids[1]], shares[graph.nodes.ids[6]]) == pytest.approx(0.4)
    assert shares[graph.nodes.ids[0]] == pytest.approx(1.0)
    assert shares[graph.nodes.ids[11]] is None


def test_constants_are_left_out_and_their_sum_is_stated():
    graph = layered_graph(6)
    data = to_json(graph, "s")
    constant = np.isin(graph.nodes.kind, ["position", "first", "bias"])
    names = {graph.nodes.ids[i] for i in np.flatnonzero(constant)}
    assert not names & {node["node_id"] for node in data["nodes"]}
    assert not names & {link[end] for link in data["links"] for end in ("source", "target")}
    target = graph.layout.targets.start
    stated = data["metadata"]["gearscope"]["constant_sum"][graph.nodes.ids[target]]
    assert stated == pytest.approx(graph.adjacency.toarray()[target, constant].sum(), rel=1e-5)
    linked = sum(link["weight"] for link in data["links"] if link["target"] == graph.nodes.ids[target])
    assert linked + stated == pytest.approx(graph.nodes.value[target], rel=1e-5)


def test_a_label_in_the_viewers_form_is_kept():
    assert output_label('output: "Austin" (p=0.984)', 0.5) == 'output: "Austin" (p=0.984)'
    assert output_label(" Austin", 0.5) == 'Output " Austin" (p=0.500)'


@pytest.mark.parametrize(("n_features", "density"), [(100, 0.9), (300, 0.5), (300, 0.05)])
def test_the_size_as_json_is_known_before_it_is_made(n_features, density):
    graph = layered_graph(0, n_features=n_features, density=density)
    effects = {
        name: TokenEffects(((" word", 0.123456789),) * 5, ((" else", -0.123456789),) * 5) for name in graph.nodes.ids
    }
    graph = replace(graph, effects=effects)
    size = len(json.dumps(to_json(graph, "s"), separators=(",", ":")))
    assert about_bytes(graph) == pytest.approx(size, rel=0.3)
