"""QK results on their way through a file: whole under our own name, and where the public viewers look for them."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.nodes import NodeKind, Nodes
from gearscope.graph.notes import Notes
from gearscope.graph.qk import (
    CONSTANTS,
    EMBEDDING,
    KEY,
    Marginal,
    Pair,
    Place,
    PlacePair,
    Question,
    ScoreAttribution,
    read_scores,
    with_score,
)
from gearscope.graph.qk_text import describe_score
from gearscope.graph.reading import from_json
from gearscope.graph.schema import to_json
from gearscope.graph.store import read_graph, write_graph, write_notes
from gearscope.graph.text import describe
from tests.oracles.graph_equality import assert_same_graph
from tests.oracles.layered_graphs import layered_graph

QUESTION = Question(1, 0, 2, 1)


def result(question: Question = QUESTION, weight: float = 0.75, value: float = 3.0) -> ScoreAttribution:
    """Two features (one of them in no circuit), a token and a bias."""
    nodes = Nodes.join(
        Nodes.of(NodeKind.FEATURE, layer=0, position=[1, 2], index=[900, 901], labels=["", "x\x1b[2J"]),
        Nodes.of(NodeKind.TOKEN, position=1, index=8, labels=["b"]),
        Nodes.of(NodeKind.BIAS, layer=0, labels=["MLP bias, layer 0"]),
    )
    return ScoreAttribution(
        question=question,
        nodes=nodes,
        pairs=(Pair(1, 2, value), Pair(1, 0, -0.5), Pair(3, 3, 0.25)),
        places=(PlacePair(Place(0, 2), Place(EMBEDDING, 1), value), PlacePair(Place(CONSTANTS, -1), Place(0, 1), 1.0)),
        query_side=(Marginal(1, 2.5), Marginal(3, 0.25)),
        key_side=(Marginal(2, value), Marginal(0, -0.5)),
        score=4.0,
        total=4.00001,
        n_pairs=300,
        weight=weight,
        weight_against=None if question.against is None else 0.125,
        softcap=50.0,
    )


def graph(*results: ScoreAttribution) -> AttributionGraph:
    found = layered_graph(3)
    for some in results:
        found = with_score(found, some)
    return found


def same(one: ScoreAttribution, other: ScoreAttribution) -> None:
    assert one.to_json() == other.to_json()
    for name in ("kind", "layer", "position", "index"):
        assert np.array_equal(getattr(one.nodes, name), getattr(other.nodes, name))


def test_it_comes_back_whole(tmp_path: Path) -> None:
    first, second = result(), result(Question(1, 0, 2, 1, 0))
    write_graph(tmp_path / "g.json", graph(second, first))
    back = read_scores(read_graph(tmp_path / "g.json"))
    assert [some.question for some in back] == [first.question, second.question]
    same(back[0], first)
    same(back[1], second)
    assert_same_graph(read_graph(tmp_path / "g.json"), graph(second, first))


def test_asking_again_replaces_the_answer() -> None:
    twice = read_scores(graph(result(), result(value=2.0)))
    assert len(twice) == 1
    assert twice[0].pairs[0].value == 2.0


def test_figures() -> None:
    found = result()
    assert found.explained == pytest.approx(2.75 / 4.00001)
    assert found.control == pytest.approx(0.01)
    assert found.error == pytest.approx(1e-5 / 4)


def test_the_public_format_has_its_place_for_it(fixtures_dir: Path) -> None:
    data = json.loads(json.dumps(to_json(graph(result(weight=0.2), result(Question(1, 0, 2, 2), 0.75, 9.0)), "slug")))
    jsonschema.validate(data, json.loads((fixtures_dir / "schemas" / "graph-schema.json").read_text()))
    heads = [node for node in data["nodes"] if node["feature_type"] == "lorsa"]
    assert [(node["node_id"], node["layer"], node["ctx_idx"]) for node in heads] == [("1_lor_0_2", "1", 2)]
    traced = heads[0]["qk_tracing_results"]
    assert traced["pair_wise_contributors"][0] == ["0_901_2", "E_8_1", 9.0], "the key that gets most weight"
    assert traced["top_q_marginal_contributors"][0] == ["0_901_2", 2.5]
    assert traced["top_k_marginal_contributors"][0] == ["E_8_1", 9.0]
    known = {node["node_id"] for node in data["nodes"]} | set(data["qk_only_nodes"])
    named = {name for pair in traced["pair_wise_contributors"] for name in pair[:2]}
    assert named <= known
    assert "E_8_1" not in data["qk_only_nodes"], "it is in the circuit"
    assert all(node["node_id"] == name for name, node in data["qk_only_nodes"].items())
    assert data["qk_only_nodes"]["bias_0_MLP_bias"]["feature_type"] == "bias"
    assert not any(link[end] == "1_lor_0_2" for link in data["links"] for end in ("source", "target"))


def test_a_graph_without_results_is_written_as_before() -> None:
    data = to_json(graph(), "slug")
    assert "qk_only_nodes" not in data
    assert not any("qk_tracing_results" in node for node in data["nodes"])


def test_notes_leave_it_alone(tmp_path: Path) -> None:
    write_graph(tmp_path / "g.json", graph(result()))
    write_notes(tmp_path / "g.json", Notes(pinned=("E_7_0",), supernodes=(), labels={}))
    stored = read_graph(tmp_path / "g.json")
    assert stored.pinned == ("E_7_0",)
    same(read_scores(stored)[0], result())


def test_a_file_cut_down_by_another_program_is_still_a_graph() -> None:
    data = json.loads(json.dumps(to_json(graph(result()), "slug")))
    gone = data["nodes"].pop(0)["node_id"]
    data["links"] = [link for link in data["links"] if gone not in (link["source"], link["target"])]
    found = from_json(data)
    assert gone not in found.nodes
    assert found.basis == "of another program"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: "x",
        lambda data: [1],
        lambda data: [data[0] | {"nodes": {}}],
        lambda data: [data[0] | {"pair_wise_contributors": [["nobody", "E_8_1", 1.0]]}],
        lambda data: [data[0] | {"nodes": data[0]["nodes"] | {"kind": ["token", "feature", "token", "bias"]}}],
        lambda data: [{k: v for k, v in data[0].items() if k != "score"}],
    ],
)
def test_what_is_damaged_is_as_if_it_were_not_there(damage) -> None:
    whole = graph(result())
    broken = replace(whole, details=whole.details | {KEY: damage(whole.details[KEY])})
    assert read_scores(broken) == []
    assert "WHY HEADS LOOK" not in describe(broken)
    to_json(broken, "slug")


def test_it_is_said() -> None:
    against = result(Question(1, 0, 2, 1, 0))
    said = describe_score(against, ("a", "b", "c"))
    for part in (
        'HEAD 1.0   from "c"@2 to "b"@1 (attention 75.0%), not to "a"@0 (12.5%)',
        "soft-cap of 50",
        "the 3 strongest pairs hold 69% of it, as many at random 1%",
        '+3.000  0/901@2 on "c" [x\\x1b[2J]  x  "b"@1',
        "PLACES   the 2 strongest pairs of what layers wrote where hold 100%",
        '+3.000  layer 0 at "c"@2  x  embedding at "b"@1',
        '+1.000  constants  x  layer 0 at "b"@1',
        "WHAT ASKS",
        "WHAT IS ASKED",
    ):
        assert part in said
    assert "\x1b" not in said
    assert '1.0  "c"@2 to "b"@1: +4.000, most of it +3.000 from 0/901@2 x "b"@1' in describe(graph(result()))


def test_labels_are_those_of_the_circuit() -> None:
    circuit = layered_graph(3)
    labelled = replace(result(), nodes=replace(result().nodes, labels=("", "", "", ""))).labelled(circuit)
    assert labelled.nodes.labels[2] == "b"
