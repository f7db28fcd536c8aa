"""`gearscope attention` as somebody types it: the heads of a graph, one head taken apart, and mistakes."""

import json
from pathlib import Path

import pytest

from gearscope.graph.heads import read_loadings, split_error
from gearscope.graph.qk import Question, read_scores
from gearscope.graph.store import read_graph
from tests.cli.test_trace import SUM, assert_mistake


@pytest.fixture(scope="module")
def graph(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gearscope.cli.main import main

    out = tmp_path_factory.mktemp("graphs") / "graph.json"
    assert main(["trace", SUM, "--model", str(untrained), "--out", str(out), "--json"]) == 0
    return out


def test_a_traced_graph_has_its_edges_split_by_heads(graph: Path) -> None:
    stored = read_graph(graph)
    loadings = read_loadings(stored)
    assert loadings is not None
    assert split_error(stored, loadings) < 1e-5


def test_heads_are_listed(gearscope, graph: Path) -> None:
    done = gearscope("attention", str(graph))
    assert done.code == 0, done.err
    assert "HEADS" in done.out
    rows = json.loads(gearscope("attention", str(graph), "--json").out)
    stored = read_graph(graph)
    assert rows
    assert all(end in stored.nodes for row in rows for end in row["edge"])
    assert [row["share"] for row in rows] == sorted((row["share"] for row in rows), reverse=True)


def test_one_head_is_taken_apart_and_stored(gearscope, graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "asked.json"
    asked = ["--head", "1.2", "--query", "-1", "--key", "3", "--against", "5"]
    done = gearscope("attention", str(graph), *asked, "--out", str(out))
    assert done.code == 0, done.err
    for part in ('HEAD 1.2   from "="@6 to "36"@3', 'not to "59"@5', "PAIRS", "WHAT ASKS", "WHAT IS ASKED"):
        assert part in done.out
    found = read_scores(read_graph(out))
    assert [some.question for some in found] == [Question(1, 2, 6, 3, 5)]
    assert found[0].error < 1e-4
    assert "WHY HEADS LOOK" in gearscope("show", str(out)).out
    said = json.loads(gearscope("attention", str(graph), *asked, "--json").out)
    assert (said["layer"], said["head"], said["query"], said["key"], said["against"]) == (1, 2, 6, 3, 5)
    assert said["total"] == pytest.approx(said["score"], abs=1e-4)


MISTAKES = {
    ("--head", "9.0", "--query", "6", "--key", "3"): ("a head from 0.0", "9.0"),
    ("--head", "0.99", "--query", "6", "--key", "3"): ("a head from 0.0",),
    ("--head", "one", "--query", "6", "--key", "3"): ("LAYER.HEAD", "--head 1.2"),
    ("--head", "1.2", "--query", "99", "--key", "3"): ("as query", "99"),
    ("--head", "1.2", "--query", "6", "--key", "-8"): ("as key", "-8"),
    ("--head", "1.2", "--query", "2", "--key", "3"): ("position 3, after it",),
    ("--head", "1.2", "--query", "6", "--key", "3", "--against", "3"): ("two different keys",),
    ("--head", "1.2", "--query", "6"): ("--query and a --key",),
    ("--query", "6", "--key", "3"): ("no --head",),
    ("--head", "1.2", "--query", "six", "--key", "3"): ("--query", "valid integer"),
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes(gearscope, graph: Path, arguments: tuple[str, ...]) -> None:
    assert_mistake(gearscope("attention", str(graph), *arguments), *MISTAKES[arguments])


def test_graphs_that_are_none(gearscope, tmp_path: Path) -> None:
    empty, absent = tmp_path / "empty.json", tmp_path / "absent.json"
    empty.write_text("")
    assert_mistake(gearscope("attention", str(empty)), "an empty file")
    assert_mistake(gearscope("attention", str(absent)), "no such file")


def test_a_graph_of_another_model(gearscope, graph: Path) -> None:
    done = gearscope("attention", str(graph), "--model", "organism", "--head", "1.2", "--query", "6", "--key", "3")
    assert done.code == 2
    other = gearscope("attention", str(graph), "--head", "1.2", "--query", "6", "--key", "3", "--basis", "neurons:4")
    assert_mistake(other, "the graph's own basis was expected")


def test_a_graph_of_other_weights(gearscope, graph: Path, tmp_path: Path) -> None:
    data = json.loads(graph.read_text())
    data["metadata"]["gearscope"]["details"]["certificate"]["inputs"]["model"] = "0" * 16
    other = tmp_path / "other.json"
    other.write_text(json.dumps(data))
    assert_mistake(gearscope("attention", str(other)), "fingerprint 0000000000000000")


def test_a_whole_graph_has_no_heads_to_list(gearscope, untrained: Path, tmp_path: Path) -> None:
    out = tmp_path / "whole.json"
    assert gearscope("trace", SUM, "--model", str(untrained), "--out", str(out), "--all").code == 0
    assert_mistake(gearscope("attention", str(out)), "split by heads", "--all")
    asked = ("--head", "1.2", "--query", "6", "--key", "3")
    assert gearscope("attention", str(out), *asked).code == 0
