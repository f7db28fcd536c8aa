import json

import pytest

from gearscope.errors import GraphError
from gearscope.graph.graph import Supernode
from gearscope.graph.notes import Notes, with_notes
from gearscope.graph.schema import to_json
from gearscope.graph.store import read_graph, write_graph, write_notes
from tests.oracles.graph_equality import assert_same_graph
from tests.oracles.layered_graphs import layered_graph


def test_notes_are_all_that_changes_in_our_files(tmp_path):
    graph = layered_graph(3).with_scores()
    path = tmp_path / "g.json"
    write_graph(path, graph)
    before = json.loads(path.read_text())
    pins, label = graph.nodes.ids[:2], "says <b>ten</b></script>"
    write_notes(path, Notes(pinned=pins, supernodes=(Supernode("two", pins),), labels={pins[0]: label}))
    found = read_graph(path)
    assert (found.pinned, found.supernodes) == (pins, (Supernode("two", pins),))
    assert found.nodes.labels == (label, *graph.nodes.labels[1:])
    write_notes(path, Notes(labels={pins[0]: graph.nodes.labels[0]}))
    assert_same_graph(read_graph(path), graph)
    assert json.loads(path.read_text()) == before


@pytest.mark.parametrize("name", ["capital-state-dallas", "dallas-austin-llamma"])
def test_notes_in_files_of_other_programs(fixtures_dir, name):
    data = json.loads((fixtures_dir / "graphs" / f"{name}.json").read_text())
    same = with_notes(data, notes_of(data))
    assert same["nodes"] == data["nodes"]
    assert same["metadata"] == data["metadata"]
    assert same["links"] == data["links"]
    assert same["qParams"]["supernodes"] == data["qParams"]["supernodes"]
    assert sorted(same["qParams"]["pinnedIds"]) == sorted(data["qParams"]["pinnedIds"])
    assert {k: v for k, v in same["qParams"].items() if k not in ("pinnedIds", "supernodes")} == {
        k: v for k, v in data["qParams"].items() if k not in ("pinnedIds", "supernodes")
    }


def notes_of(data) -> Notes:
    from gearscope.graph.reading import from_json

    graph = from_json(data)
    return Notes(pinned=graph.pinned, supernodes=graph.supernodes)


def test_renamed_errors_are_written_under_the_files_own_names(fixtures_dir):
    data = json.loads((fixtures_dir / "graphs" / "capital-state-dallas.json").read_text())
    error = next(row for row in data["nodes"] if "error" in row["feature_type"])
    ours = f"{error['layer']}_-1_{error['ctx_idx']}"
    data["qParams"] |= {"pinnedIds": [], "supernodes": []}
    noted = with_notes(data, Notes(pinned=(ours,), labels={ours: "the error"}))
    assert noted["qParams"]["pinnedIds"] == [error["node_id"]]
    labelled = next(row for row in noted["nodes"] if row["node_id"] == error["node_id"])
    assert labelled["clerp"] == "the error"


def test_unknown_nodes_and_labels_of_tokens_are_refused():
    data = to_json(layered_graph(1).with_scores(), "g")
    with pytest.raises(GraphError, match="'nowhere'"):
        with_notes(data, Notes(pinned=("nowhere",)))
    with pytest.raises(GraphError, match="tokens and targets"):
        with_notes(data, Notes(labels={"E_7_0": "no"}))
