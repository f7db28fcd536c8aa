"""`gearscope intervene` as somebody types it: results, files, and every mistake as one sentence."""

import json
from pathlib import Path

import pytest

from gearscope.graph.store import read_graph
from gearscope.interventions.result import Intervention
from tests.cli.test_trace import SUM, assert_mistake


@pytest.fixture(scope="module")
def graph(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph file with a supernode, and a second one beside it."""
    from gearscope.cli.main import main

    folder = tmp_path_factory.mktemp("graphs")
    for name, prompt in (("graph", SUM), ("other", "calc : 12 + 30 =")):
        out = folder / f"{name}.json"
        assert main(["trace", prompt, "--model", str(untrained), "--out", str(out), "--json", "--all"]) == 0
        data = json.loads(out.read_text())
        ids = [node["node_id"] for node in data["nodes"] if node["feature_type"] == "cross layer transcoder"]
        data["qParams"]["supernodes"] = [["first two", *ids[:2]]]
        out.write_text(json.dumps(data))
    return folder / "graph.json"


def feature(path: Path) -> str:
    """The name of a feature of the graph's lowest layer."""
    nodes = read_graph(path).nodes
    return f"{nodes.layer[0]}/{nodes.index[0]}@{nodes.position[0]}"


def test_the_model_and_basis_are_those_of_the_graph(gearscope, graph: Path) -> None:
    before = graph.read_text()
    done = gearscope("intervene", str(graph), "--edit", f"{feature(graph)}*0", "--generate", "2")
    assert done.code == 0, done.err
    for part in ("EDITED", "AFTER", "NODES", "predicted", "measured", "control", "AGREEMENT", "WRITTEN"):
        assert part in done.out
    assert done.err == ""
    assert graph.read_text() == before


def test_json_is_all_there_is_on_stdout(gearscope, graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    edits = ["--edit", "supernode:first two*-1", "--mode", "free", "--seed", "3", "--controls", "2"]
    done = gearscope("intervene", str(graph), *edits, "--json", "--out", str(out))
    result = Intervention.from_json(done.out)
    assert (result.mode, result.seed, result.controls, len(result.edited)) == ("free", 3, 2, 2)
    assert Intervention.from_json(out.read_text()) == result
    assert done.err == ""


def test_a_swap_reads_the_other_graph(gearscope, graph: Path) -> None:
    swap = f"swap:first two<-{graph.with_name('other.json')}:first two"
    done = gearscope("intervene", str(graph), "--edit", swap, "--json")
    assert done.code == 0, done.err
    assert {row.after for row in Intervention.from_json(done.out).edited} != {0.0}


def test_mistakes_are_one_sentence(gearscope, graph: Path, tmp_path: Path) -> None:
    here = feature(graph)
    for edits, words in (
        (["9/9@9*0"], "no such node"),
        (["nonsense"], "LAYER/INDEX@POSITION"),
        ([f"{here}=nan"], "finite"),
        ([f"{here}=2max"], "maximum"),
        ([f"{here}=1e38"], "precision"),
        ([f"{here}*0", f"{here}*2"], "contradict"),
        (["supernode:first two*0", f"{here}*2"], "contradict"),
        (["supernode:nobody*0"], "'first two'"),
        ([f"swap:first two<-{tmp_path / 'no.json'}:a"], "no such file"),
    ):
        arguments = [part for edit in edits for part in ("--edit", edit)]
        assert_mistake(gearscope("intervene", str(graph), *arguments), words)


def test_settings_that_cannot_be(gearscope, graph: Path, tmp_path: Path) -> None:
    edit = ["intervene", str(graph), "--edit", f"{feature(graph)}*0"]
    assert_mistake(gearscope(*edit, "--mode", "frozen"), "direct")
    assert_mistake(gearscope(*edit, "--freeze-to", "9"), "from 0 to 1")
    assert_mistake(gearscope(*edit, "--freeze-to", "0", "--mode", "free"), "constrained")
    assert_mistake(gearscope(*edit, "--generate", "-1"), "generate")
    assert_mistake(gearscope(*edit, "--basis", "neurons:4"), "the graph's own basis")
    assert_mistake(gearscope(*edit, "--dtype", "float64"), "fingerprint")
    assert_mistake(gearscope(*edit, "--model", "organism-of-nobody/at-all"), "organism-of-nobody")
    assert_mistake(gearscope("intervene", str(tmp_path / "none.json"), *edit[2:]), "no such file")
    assert_mistake(gearscope("intervene", str(graph)), "--edit")


def test_a_graph_that_names_no_basis_needs_one(gearscope, graph: Path, tmp_path: Path) -> None:
    data = json.loads(graph.read_text())
    del data["metadata"]["gearscope"]
    other = tmp_path / "foreign.json"
    other.write_text(json.dumps(data))
    assert_mistake(gearscope("intervene", str(other), "--edit", "0/1@1*0"), "--basis")
