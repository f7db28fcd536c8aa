import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gearscope.errors import GraphError
from gearscope.graph.dialect import to_older_json
from gearscope.graph.empty_groups import read_empty_groups
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.graph.prune import prune
from gearscope.graph.reading import from_json
from gearscope.graph.schema import to_json
from gearscope.graph.text import describe
from tests.oracles.layered_graphs import layered_graph


def node(node_id, kind, layer, position, **more):
    return {"node_id": node_id, "feature_type": kind, "layer": layer, "ctx_idx": position, **more}


def foreign(**params):
    """A small graph as another program writes it: older error ids, ids of two forms, no influence or activation."""
    return {
        "metadata": {"slug": "s", "scan": "gemma-2-2b", "prompt": "a b", "prompt_tokens": ["a", "b"]},
        "qParams": params,
        "nodes": [
            node("27_9_1", "logit", "27", 1, token_prob=0.25, clerp='Output " x" (p=0.250)', jsNodeId="L_9-1"),
            node("3_55_1", "cross layer transcoder", "3", 1, jsNodeId="3_55-0", clerp="say x", feature=1771),
            node("intermediate_1_5_77", "cross layer transcoder", "5", 1, feature=3403),
            node("0_3_1", "mlp reconstruction error", "3", 1, jsNodeId="3_1-0", feature=-1),
            node("E_4_0", "embedding", "E", 0, feature=0),
        ],
        "links": [
            {"source": "E_4_0", "target": "3_55_1", "weight": 2},
            {"source": "3_55_1", "target": "intermediate_1_5_77", "weight": -1.5},
            {"source": "intermediate_1_5_77", "target": "27_9_1", "weight": 0.5},
            {"source": "0_3_1", "target": "27_9_1", "weight": 0.25},
        ],
    }


def test_older_and_other_forms_of_ids_are_understood():
    graph = from_json(foreign())
    assert graph.nodes.ids == ("3_55_1", "intermediate_1_5_77", "3_-1_1", "E_4_0", "27_9_1")
    assert graph.nodes.layer.tolist() == [3, 5, 3, -1, 26]
    assert graph.nodes.index.tolist() == [55, 77, -1, 4, 9]
    assert graph.edge("27_9_1", "3_-1_1") == 0.25
    assert graph.edge("5/77@1", "3/55@1") == -1.5
    assert graph.nodes.labels == ("say x", "", "", "a", " x")
    assert graph.target_weight.tolist() == [0, 0, 0, 0, 0.25]
    assert graph.cumulative is None
    assert graph.scores is None


@pytest.mark.parametrize(
    "supernodes",
    [
        [["a name", "3_55-0", "0_3_1", "gone"]],
        json.dumps([["a name", "3_55-0", "0_3_1", "gone"]]),
        "[['a name', '3_55-0', '0_3_1', 'gone']]",
    ],
)
@pytest.mark.parametrize("pins", [["3_55-0", "27_9_1"], "3_55-0,27_9_1", '["3_55-0", "27_9_1"]'])
def test_groups_and_pins_are_read_in_every_form(supernodes, pins):
    graph = from_json(foreign(supernodes=supernodes, pinnedIds=pins))
    assert graph.supernodes == (("a name", ("3_55_1", "3_-1_1")),)
    assert graph.pinned == ("3_55_1", "27_9_1")


def test_supernodes_without_a_node_of_the_file_are_named_where_they_are_left_out():
    graph = from_json(foreign(supernodes=[["pruned away", "gone", "9_9_9"], ["a name", "3_55-0"], ["nothing"]]))
    assert graph.supernodes == (("a name", ("3_55_1",)),)
    assert read_empty_groups(graph) == ["pruned away", "nothing"]
    assert "left out supernodes with none of the file's nodes in them: pruned away, nothing" in describe(graph)
    again = from_json(json.loads(json.dumps(to_json(graph, "s"))))
    assert read_empty_groups(again) == ["pruned away", "nothing"]
    assert read_empty_groups(from_json(foreign())) == []


@pytest.mark.parametrize("text", ["[['a'", "__import__('os').getcwd() + '['", "[" * 5000])
def test_group_texts_that_are_no_lists_are_refused_and_never_run(text):
    with pytest.raises(GraphError, match="supernodes"):
        from_json(foreign(supernodes=text))


def test_targets_without_probabilities_count_alike():
    data = foreign()
    del data["nodes"][0]["token_prob"]
    assert from_json(data).target_weight[-1] == 1.0


def test_a_foreign_graph_survives_being_written_by_us():
    graph = from_json(foreign(supernodes=[["a name", "3_55_1"]]))
    again = from_json(json.loads(json.dumps(to_json(graph, "s"))))
    assert again.nodes.ids == graph.nodes.ids
    assert (again.adjacency != graph.adjacency).nnz == 0
    assert again.supernodes == graph.supernodes


def test_our_file_cut_down_by_another_program_is_read_as_theirs():
    graph = layered_graph(1)
    data = to_json(graph, "s")
    gone = data["nodes"].pop(0)["node_id"]
    data["links"] = [link for link in data["links"] if gone not in (link["source"], link["target"])]
    found = from_json(data)
    assert gone not in found.nodes
    assert found.layout.constants.start == found.layout.constants.stop
    assert found.basis != graph.basis


def changed(path, value):
    data = copy.deepcopy(foreign())
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "a list"),
        ({"graphs": []}, "metadata, qParams, nodes, links"),
        ({"metadata": {}, "qParams": {}, "nodes": [], "links": []}, "slug, scan, prompt_tokens, prompt"),
        (changed(["nodes"], {}), "another nodes"),
        (changed(["metadata", "prompt_tokens"], "a b"), "list of texts"),
        (changed(["nodes", 1], {"node_id": "x"}), "1 without ctx_idx, feature_type, layer"),
        (changed(["nodes", 1], "x"), "JSON object"),
        (changed(["nodes", 1, "node_id"], "E_4_0"), "'E_4_0' twice"),
        (changed(["nodes", 0, "feature_type"], "embedding"), "logit"),
        (changed(["nodes", 1, "activation"], "high"), "activation of node '3_55_1'"),
        (changed(["links", 0, "source"], "nobody"), "'nobody'"),
        (changed(["links", 0, "weight"], float("nan")), "nan"),
        (changed(["links", 0, "weight"], 10**400), "finite"),
        (changed(["links", 0, "weight"], None), "None"),
        (changed(["links", 0], {"source": "E_4_0"}), "source, target and weight"),
        (changed(["qParams", "supernodes"], [[]]), "supernode"),
        (changed(["qParams", "pinnedIds"], 7), "pinnedIds"),
        (changed(["metadata", "gearscope"], {"format_version": 99}), "99"),
        (changed(["metadata", "gearscope"], {"format_version": 1}), "damaged"),
    ],
)
def test_what_is_no_graph_is_refused_in_one_sentence(data, message):
    with pytest.raises(GraphError, match=message) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["basis", "details", "nodes", "constant_links", "dtype", "scores", "effects"])
def test_a_damaged_table_of_ours_is_refused(name):
    data = to_json(layered_graph(0).with_scores(), "s")
    data["metadata"]["gearscope"][name] = 5
    if name == "basis":
        del data["metadata"]["gearscope"][name]
    with pytest.raises(GraphError, match="damaged"):
        from_json(data)


@pytest.mark.parametrize("name", ["layer", "labels", "value", "rest_sum"])
def test_a_column_of_another_length_is_refused(name):
    data = to_json(layered_graph(0), "s")
    data["metadata"]["gearscope"]["nodes"][name].pop()
    with pytest.raises(GraphError, match="damaged"):
        from_json(data)


def places(data, path=()):
    """Every path to a value inside parsed JSON."""
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        yield (*path, step)
        yield from places(value, (*path, step))


def with_everything():
    graph = replace(prune(layered_graph(3, n_features=5).with_scores()), details={"pruning": {"node_threshold": 0.5}})
    return to_json(graph, "s")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4), st.just([]), st.just({}), st.just([[]]), st.just(["a"]), st.just(10**30),
)  # fmt: skip
WHOLE = {"ours": with_everything, "theirs": lambda: foreign(supernodes=[["a", "3_55_1"]], pinnedIds=["3_55-0"])}


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_file_with_one_wrong_value_shows_or_is_refused(kind, data):
    whole = WHOLE[kind]()
    *path, last = data.draw(st.sampled_from(list(places(whole))))
    place = whole
    for step in path:
        place = place[step]
    if data.draw(st.booleans()):
        place[last] = data.draw(VALUES)
    else:
        del place[last]
    try:
        graph = from_json(whole)
        describe(graph)
        json.dumps(to_json(graph, "s"), allow_nan=False)
    except GraphError as refusal:
        said = str(refusal)
    else:
        said = ""
    assert "\n" not in said


def test_the_older_form_is_written_and_read_back():
    graph = replace(layered_graph(0, n_features=4, n_layers=4).with_scores(), pinned=("1_-1_1",))
    data = to_older_json(graph, "s")
    ids = [row["node_id"] for row in data["nodes"]]
    assert "0_1_1" in ids
    assert not [name for name in ids if "_-1_" in name]
    assert data["qParams"]["pinnedIds"] == ["0_1_1"]
    assert "gearscope" not in data["metadata"]
    feature = next(row for row in data["nodes"] if row["feature_type"] == "cross layer transcoder")
    layer, index, _ = map(int, feature["node_id"].split("_"))
    assert feature["feature"] == layer * 10 + index
    back = from_json(json.loads(json.dumps(data)))
    shown = [name for name in graph.nodes.ids if name in back.nodes.ids]
    assert len(shown) == len(back.nodes) == len(data["nodes"])
    assert back.pinned == graph.pinned
    for target in shown:
        for source in shown:
            assert back.edge(target, source) == pytest.approx(graph.edge(target, source), rel=1e-6)


def test_ids_that_the_older_form_cannot_tell_apart_are_refused():
    nodes = Nodes.join(
        Nodes.of(NodeKind.FEATURE, layer=0, position=1, index=1),
        Nodes.of(NodeKind.ERROR, layer=1, position=1),
        Nodes.of(NodeKind.TARGET, layer=2, position=1, index=5, weight=1.0),
    )
    empty = csr_array(np.zeros((3, 3)))
    graph = AttributionGraph(
        nodes=nodes, adjacency=empty, rest_sum=np.zeros(3), rest_abs=np.zeros(3), prompt="", tokens=("a", "b"),
        model="m", basis="b",
    )  # fmt: skip
    with pytest.raises(GraphError, match="0_1_1 twice; write the newer form"):
        to_older_json(graph, "s")


def test_graphs_with_attention_features_and_other_programs_ids_are_read():
    data = foreign()
    data["nodes"] += [
        node("2_lor_7_1", "lorsa", 2, 1, jsNodeId="2_lor_7_1", feature=None, qk_tracing_results={"top_q_marginal": []}),
        node("2_error_attn_1", "lorsa error", 2, 1, jsNodeId="2_error_attn_1", feature=None),
        node("4_cro_11_1", "cross layer transcoder", "4", 1, jsNodeId="4_cro_11_1", feature=None),
        node(
            "output_1_-1_3", "logit", "-1", 1, token_prob=0.1, clerp='Output "y" (p=0.100)', jsNodeId="output_1_-1_3-0"
        ),
    ]
    data["links"].append({"source": "2_lor_7_1", "target": "4_cro_11_1", "weight": 1.0})
    data["qk_only_nodes"] = {"1_lor_3_0": node("1_lor_3_0", "lorsa", 1, 0)}
    graph = from_json(data)
    assert graph.edge("4/11@1", "2/7@1") == 1.0
    assert "2_error_attn_1" in graph.nodes.ids
    assert "1_lor_3_0" not in graph.nodes
    number = graph.nodes.find("output_1_-1_3")
    assert int(graph.nodes.layer[number]) == 6, "behind the last feature's layer"
