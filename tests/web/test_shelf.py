import json
import os

import pytest

from gearscope.errors import ArtifactError, GraphError
from gearscope.graph.notes import Notes
from gearscope.graph.store import read_graph, write_graph
from gearscope.web.config import Limits
from gearscope.web.shelf import Shelf
from tests.oracles.graph_equality import assert_same_graph
from tests.web.conftest import small_graph


def test_graphs_and_what_is_none_are_listed(shelf_folder):
    (shelf_folder / "empty.json").write_text("")
    (shelf_folder / "nan.json").write_text('{"metadata": NaN}')
    (shelf_folder / "binary.json").write_bytes(b"\x80\x02\xff")
    (shelf_folder / "graph-metadata.json").write_text('{"graphs": []}')
    (shelf_folder / "notes.txt").write_text("no graph")
    (shelf_folder / ".hidden.json").write_text("no graph")
    found = Shelf(shelf_folder, Limits()).listed()
    assert [card.name for card in found.graphs] == ["small.json"]
    assert {bad.name for bad in found.unreadable} == {"empty.json", "nan.json", "binary.json"}
    assert all(bad.error.count("\n") == 0 for bad in found.unreadable)


def test_an_id_leads_to_its_graph_and_any_other_text_nowhere(shelf_folder):
    shelf = Shelf(shelf_folder, Limits())
    (card,) = shelf.listed().graphs
    assert_same_graph(shelf.open(card.id).graph, small_graph())
    assert Shelf(shelf_folder, Limits()).open(card.id).card == card  # another run knows the same id
    for other in ("0" * 16, "../small", "small.json", "", card.id.upper() + "x", "../../etc/passwd", "a" * 5000):
        with pytest.raises(GraphError, match="id of a listed graph"):
            shelf.open(other)


def test_a_file_is_read_again_only_when_it_changed(shelf_folder):
    shelf = Shelf(shelf_folder, Limits())
    (card,) = shelf.listed().graphs
    first = shelf.open(card.id)
    assert shelf.open(card.id) is first
    write_graph(shelf_folder / "small.json", small_graph(9))
    os.utime(shelf_folder / "small.json", (1, 1))
    assert_same_graph(shelf.open(card.id).graph, small_graph(9))
    (shelf_folder / "small.json").unlink()
    with pytest.raises(GraphError, match=r"[Nn]o such file"):
        shelf.open(card.id)


def test_a_single_file_is_served_alone_and_refused_at_once_when_it_is_no_graph(shelf_folder):
    write_graph(shelf_folder / "other.json", small_graph(5))
    assert [card.name for card in Shelf(shelf_folder / "other.json", Limits()).listed().graphs] == ["other.json"]
    (shelf_folder / "empty.json").write_text("")
    with pytest.raises(GraphError, match="an empty file"):
        Shelf(shelf_folder / "empty.json", Limits())
    with pytest.raises(ArtifactError, match="nothing there"):
        Shelf(shelf_folder / "absent", Limits())


def test_notes_are_kept_unless_the_file_changed_meanwhile(shelf_folder):
    shelf = Shelf(shelf_folder, Limits())
    (card,) = shelf.listed().graphs
    name = small_graph().nodes.ids[2]
    kept = shelf.annotate(card.id, Notes(pinned=(name,)), modified=card.modified)
    assert kept.graph.pinned == (name,)
    os.utime(shelf_folder / "small.json", (5, 5))
    with pytest.raises(GraphError, match="a changed file"):
        shelf.annotate(card.id, Notes(), modified=card.modified)
    assert read_graph(shelf_folder / "small.json").pinned == (name,)


def test_new_graphs_get_names_of_their_own(shelf_folder, tmp_path):
    shelf = Shelf(shelf_folder, Limits())
    names = [shelf.add(small_graph(), prompt).card.name for prompt in ("The ../../x?", "the x", "…", "…")]
    assert names == ["the-x.json", "the-x-2.json", "graph.json", "graph-2.json"]
    assert len(shelf.listed().graphs) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graphs"]


def test_beside_a_single_file_new_graphs_go_to_their_own_folder(shelf_folder, tmp_path):
    shelf = Shelf(shelf_folder / "small.json", Limits(), keep_in=tmp_path / "data")
    assert shelf.add(small_graph(), "one").path == tmp_path / "data" / "one.json"
    assert {card.name for card in shelf.listed().graphs} == {"small.json", "one.json"}


def test_files_that_are_too_large_or_too_many(shelf_folder):
    shelf = Shelf(shelf_folder, Limits(file_bytes=100, files=1))
    (shelf_folder / "second.json").write_text("{}")
    os.utime(shelf_folder / "second.json", (1, 1))
    found = shelf.listed()
    assert (found.left_out, [bad.name for bad in found.unreadable]) == (1, ["small.json"])
    assert "MiB" in found.unreadable[0].error


def test_ids_of_half_a_character_are_refused(shelf_folder):
    text = (shelf_folder / "small.json").read_text()
    first = small_graph().nodes.ids[0]
    (shelf_folder / "bad.json").write_text(text.replace(json.dumps(first), '"\\ud800"'))
    (bad,) = Shelf(shelf_folder, Limits()).listed().unreadable
    assert "half a character" in bad.error
