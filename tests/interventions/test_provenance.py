"""Whether a graph belongs to what is open; whether its features do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gearscope.errors import GraphError
from gearscope.graph.nodes import NodeKind
from gearscope.graph.reading import from_json
from gearscope.graph.schema import to_json
from gearscope.interventions.provenance import token_ids
from tests.interventions.conftest import IDS, Traced

Open = Callable[[str, str], Traced]


def test_token_ids_come_from_the_graph(traced: Open) -> None:
    graph = traced("llama", "neurons").graph
    assert token_ids(graph) == list(IDS)
    tokens = np.arange(len(graph.nodes))[graph.nodes.kind != NodeKind.TOKEN]
    cut = replace(
        graph,
        nodes=graph.nodes.take(tokens),
        adjacency=graph.adjacency[tokens][:, tokens],
        **{name: getattr(graph, name)[tokens] for name in ("rest_sum", "rest_abs", "influence", "cumulative")},
        effects={},
    )
    with pytest.raises(GraphError, match="token node"):
        token_ids(cut)


def test_a_graph_without_fingerprints_is_used_with_a_note(traced: Open) -> None:
    """As other programs write them: the same circuit, known by its features alone."""
    case = traced("llama", "clt")
    data = to_json(case.graph, "x")
    del data["metadata"]["gearscope"]
    foreign = from_json(data)
    edit = [f"{case.feature(case.sources()[0])}*0"]
    ours, theirs = (case.bench.intervene(graph, edit, controls=2) for graph in (case.graph, foreign))
    assert [row.measured for row in theirs.nodes] == [row.measured for row in ours.nodes]
    assert any("weights" in warning for warning in theirs.warnings)
    assert not ours.warnings


def test_features_of_strangers_are_refused(traced: Open) -> None:
    """Inactive where the graph has them; or, as every neuron is active, with other activations."""
    case = traced("llama", "clt")
    data = to_json(case.graph, "x")
    del data["metadata"]["gearscope"]
    for other, words in ((("llama", "topk"), "active on its prompt"), (("qwen2", "neurons"), "these activations")):
        with pytest.raises(GraphError, match=words):
            traced(*other).bench.intervene(from_json(data), [f"{case.feature(case.sources()[0])}*0"])


def test_groups_survive_the_file(traced: Open) -> None:
    """Supernodes in a file, in both of its forms, can be edited."""
    case = traced("llama", "neurons")
    ids = [case.graph.nodes.ids[i] for i in case.sources()]
    for groups in ([["pair", *ids]], f'[["pair", "{ids[0]}", "{ids[1]}"]]'):
        data = to_json(case.graph, "x")
        data["qParams"]["supernodes"] = groups
        graph = from_json(data)
        result = case.bench.intervene(graph, ["supernode:pair*0"], controls=1)
        assert {row.node_id for row in result.edited} == set(ids)
        assert to_json(graph, "x")["qParams"]["supernodes"] == [["pair", *ids]]


def test_a_swap_with_another_prompt(traced: Open) -> None:
    """What is swapped in gets its activation there, whether or not it is active here."""
    case = traced("llama", "clt")
    other = case.bench.trace((0, 6, 2, 3, 9, 10, 5), everything=True, coverage=1.0)
    nodes = other.nodes
    node = next(i for i in range(other.layout.features.stop) if nodes.ids[i] not in case.graph.nodes)
    data = to_json(other, "x")
    data["qParams"]["supernodes"] = [["theirs", nodes.ids[node]]]
    mine = to_json(case.graph, "x")
    mine["qParams"]["supernodes"] = [["mine", case.graph.nodes.ids[case.sources()[0]]]]
    swap = ["swap:mine<-second:theirs"]
    result = case.bench.intervene(from_json(mine), swap, controls=1, others={"second": from_json(data)})
    out, brought = result.edited
    assert (out.node_id, out.after) == (case.graph.nodes.ids[case.sources()[0]], 0.0)
    assert brought.node_id is None
    assert brought.after == pytest.approx(float(nodes.activation[node]))
