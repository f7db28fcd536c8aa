import json
import os

import jsonschema
import numpy as np
import pytest

from gearscope.errors import ArtifactError, GraphError
from gearscope.graph.store import read_graph, write_graph
from tests.oracles.graph_equality import assert_same_graph
from tests.oracles.layered_graphs import layered_graph

FOREIGN = {
    "capital-state-dallas": {"features": 71, "errors": 11, "tokens": 11, "targets": 1, "edges": 2205},
    "dallas-austin-llamma": {"features": 40, "errors": 0, "tokens": 10, "targets": 10, "edges": 330},
}


def test_a_graph_file_is_read_back(tmp_path):
    graph = layered_graph(2).with_scores()
    write_graph(tmp_path / "g.json", graph)
    assert_same_graph(read_graph(tmp_path / "g.json"), graph)
    assert json.loads((tmp_path / "g.json").read_text())["metadata"]["slug"] == "g"
    assert os.listdir(tmp_path) == ["g.json"]  # noqa: PTH208


@pytest.mark.parametrize("name", FOREIGN)
def test_graphs_of_other_programs_load_and_survive_a_round_trip(fixtures_dir, tmp_path, name):
    graph = read_graph(fixtures_dir / "graphs" / f"{name}.json")
    counts = {k: r.stop - r.start for k, r in vars(graph.layout).items() if k in FOREIGN[name]}
    assert counts | {"edges": graph.adjacency.nnz} == FOREIGN[name]
    write_graph(tmp_path / "again.json", graph)
    assert_same_graph(read_graph(tmp_path / "again.json"), graph)
    written = json.loads((tmp_path / "again.json").read_text())
    jsonschema.validate(written, json.loads((fixtures_dir / "schemas" / "graph-schema.json").read_text()))
    assert len({node["jsNodeId"] for node in written["nodes"]}) == len(written["nodes"])


def test_edges_and_groups_of_the_published_graph_are_the_files(fixtures_dir):
    path = fixtures_dir / "graphs" / "capital-state-dallas.json"
    graph, data = read_graph(path), json.loads(path.read_text())
    types = {node["node_id"]: node["feature_type"] for node in data["nodes"]}
    kept = [x for x in data["links"] if "error" not in types[x["source"]]]
    assert len(kept) == 2205 - 486
    for link in kept[::37]:
        assert graph.edge(link["target"], link["source"]) == link["weight"]
    assert [group.name for group in graph.supernodes][:2] == ["capital", "state"]
    assert sum(len(group.ids) for group in graph.supernodes) == 48
    assert len(graph.pinned) == 49
    assert graph.tokens[10] == " Dallas"
    assert np.isnan(graph.nodes.value).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"  \n", "an empty file"),
        (b"PK\x03\x04\x80\x81\xff", "a pickle.*create_graph_files"),
        (b"\x80\x02}q\x00.", "a pickle.*create_graph_files"),
        (b"\x1f\x8b\x81\xff", "a binary file"),
        (b"not json", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b"3", "found a int"),
        (b'{"links": []}', "no metadata, qParams, nodes"),
        (b"1" * 5000, "number"),
    ],
)
def test_a_file_that_is_no_graph_is_refused_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "g.json"
    path.write_bytes(content)
    with pytest.raises(GraphError, match=message) as caught:
        read_graph(path)
    assert "\n" not in str(caught.value)
    assert "g.json" in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path, fixtures_dir):
    with pytest.raises(GraphError, match="a directory"):
        read_graph(tmp_path)
    with pytest.raises(GraphError, match="no such file"):
        read_graph(tmp_path / "none.json")
    with pytest.raises(GraphError, match="no metadata"):
        read_graph(fixtures_dir / "graphs" / "graph-metadata.json")


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="cannot write"):
        write_graph(tmp_path / "file" / "g.json", layered_graph(0))
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208
