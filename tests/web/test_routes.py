"""Every question of the API, and every mistake as one sentence."""

import json
from urllib.parse import quote

import pytest

from gearscope.graph.store import read_graph
from tests.web.conftest import BEARER, WRITE, client_of, small_graph


@pytest.fixture
def graph_id(client) -> str:
    return client.get("/api/graphs").json()["graphs"][0]["id"]


def test_what_the_server_is(client):
    about = client.get("/api/about").json()
    assert (about["model"], about["basis"], about["loaded"]) == ("organism", "neurons", False)


def test_a_graph_at_thresholds(client, graph_id):
    full = client.get(f"/api/graphs/{graph_id}").json()
    assert [node["id"] for node in full["nodes"]] == list(small_graph().nodes.ids)
    assert full["traced_here"] is True
    cut = client.get(f"/api/graphs/{graph_id}", params={"node": 0.3, "edge": 0.9}).json()
    assert cut["n_nodes"] < full["n_nodes"]
    assert cut["thresholds"]["node"] == 0.3


@pytest.mark.parametrize("query", ["node=2", "node=-0.1", "node=nan", "edge=inf", "node=x"])
def test_thresholds_that_are_none(client, graph_id, query):
    answer = client.get(f"/api/graphs/{graph_id}?{query}")
    assert answer.status_code == 422
    assert "node" in answer.json()["error"] or "edge" in answer.json()["error"]


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "0" * 16, "small.json", "%00", "a" * 3000])
def test_ids_that_lead_nowhere(client, name):
    for path in (f"/api/graphs/{name}", f"/api/graphs/{name}/file", f"/api/graphs/{name}/text"):
        answer = client.get(path)
        assert answer.status_code in (400, 404)
        assert list(answer.json()) == ["error"]
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/%2e%2e/%2e%2e/pyproject.toml", "/assets/..%2f..%2fapp.py", "//etc/passwd"]
)
def test_the_pages_files_are_all_that_is_served(client, path):
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "gearscope" not in answer.text


def test_a_node(client, graph_id):
    graph = small_graph()
    name = graph.nodes.ids[0]
    found = client.get(f"/api/graphs/{graph_id}/node", params={"id": name}).json()
    assert found["node"]["id"] == name
    assert found["promoted"] == [{"token": "x", "change": 1.5}]
    assert sum(end["weight"] for end in found["inputs"]) + found["rest_sum"] == pytest.approx(
        found["node"]["value"], abs=1e-4
    )
    assert client.get(f"/api/graphs/{graph_id}/node", params={"id": "no <b>"}).status_code == 400
    # a node that the slider dropped is still shown
    dropped = client.get(f"/api/graphs/{graph_id}/node", params={"id": name, "node": 0.0}).json()
    assert dropped["node"]["id"] == name


def test_flows_between_boxes(client, graph_id):
    graph = small_graph()
    goal, features = graph.nodes.ids[graph.layout.targets.start], list(graph.nodes.ids[graph.layout.features])
    found = client.post(f"/api/graphs/{graph_id}/flows", json={"boxes": [[goal], features, ["unknown"]]}).json()
    (flow,) = [one for one in found if one["target"] == 0]
    row = graph.adjacency.toarray()[graph.layout.targets.start]
    assert flow["share"] == pytest.approx(
        row[graph.layout.features].sum() / graph.row_mass()[graph.layout.targets.start]
    )


def test_notes_go_into_the_file(client, graph_id, shelf_folder):
    names, card = small_graph().nodes.ids, client.get("/api/graphs").json()["graphs"][0]
    notes = {
        "pinned": list(names[1:3]),
        "groups": [{"name": "</script>", "ids": [names[1]]}],
        "labels": {names[1]: "says <b>x</b>"},
        "modified": card["modified"],
    }
    kept = client.put(f"/api/graphs/{graph_id}/notes", json=notes)
    assert kept.status_code == 200
    stored = read_graph(shelf_folder / "small.json")
    assert stored.pinned == names[1:3]
    assert stored.supernodes[0].name == "</script>"
    assert stored.nodes.labels[1] == "says <b>x</b>"
    again = client.put(f"/api/graphs/{graph_id}/notes", json=notes)
    assert again.status_code == 400
    assert "a changed file" in again.json()["error"]


@pytest.mark.parametrize(
    "wrong",
    [{"pinned": ["nowhere"]}, {"pinned": "x"}, {"groups": [{"name": "a"}]}, {"extra": 1}, {"labels": {"a": "b"}}],
)
def test_wrong_notes_change_nothing(client, graph_id, shelf_folder, wrong):
    before = (shelf_folder / "small.json").read_bytes()
    modified = client.get("/api/graphs").json()["graphs"][0]["modified"]
    answer = client.put(
        f"/api/graphs/{graph_id}/notes", json={"pinned": [], "groups": [], "modified": modified} | wrong
    )
    assert answer.status_code in (400, 422)
    assert (shelf_folder / "small.json").read_bytes() == before


def test_taking_a_graph_away(client, graph_id, shelf_folder):
    answer = client.get(f"/api/graphs/{graph_id}/file")
    assert answer.content == (shelf_folder / "small.json").read_bytes()
    assert "attachment" in answer.headers["content-disposition"]
    assert client.get(f"/api/graphs/{graph_id}/text").text.startswith("prompt")
    assert client.get(f"/api/graphs/{graph_id}/picture").text.lstrip().startswith("<svg")


def test_a_trace_is_stored_on_the_shelf(client, bench, shelf_folder):
    card = client.post("/api/trace", json={"prompt": "calc : 1 + 2 =", "target": "3"}).json()
    assert card["name"] == "calc-1-2.json"
    assert (shelf_folder / "calc-1-2.json").is_file()
    assert bench.asked == [{"prompt": "calc : 1 + 2 =", "target": "3", "against": None}]
    assert client.get("/api/about").json()["loaded"] is True
    assert client.get("/api/job").json() is None


def test_prompts_that_cannot_be_traced(client, bench):
    unknown = client.post("/api/trace", json={"prompt": "a zebra"})
    assert unknown.status_code == 400
    assert "'zebra'" in unknown.json()["error"]
    long = client.post("/api/trace", json={"prompt": "a" * 4001})
    assert "at most 4000 characters" in long.json()["error"]
    assert client.post("/api/trace", json={}).status_code == 422
    assert client.post("/api/trace", content=b"not json").status_code == 422
    assert len(bench.asked) == 1


def test_an_intervention_uses_the_groups_of_the_page(client, graph_id, bench):
    name = small_graph().nodes.ids[0]
    wanted = {"edits": ["supernode:mine*0"], "mode": "direct", "groups": [{"name": "mine", "ids": [name]}]}
    found = client.post(f"/api/graphs/{graph_id}/intervene", json=wanted).json()
    assert found["nodes"][0]["measured"] == -0.5
    (asked,) = bench.asked
    assert asked["groups"][0].name == "mine"
    assert (asked["edits"], asked["mode"]) == (["supernode:mine*0"], "direct")


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({"edits": ["3/18@6"]}, "edit"),
        ({"edits": []}, "edits"),
        ({"edits": ["1/1@1*0"] * 300}, "two of"),
        ({"edits": [f"1/{i}@1*0" for i in range(300)]}, "at most 200"),
        ({"edits": ["swap:two<-/etc/x.json:a"]}, "a swap"),
        ({"edits": ["1/1@1*0"], "generate": 5000}, "at most 64"),
        ({"edits": ["1/1@1*0"], "mode": "wild"}, "mode"),
        ({"edits": ["1/1@1*0"], "groups": [{"name": "a", "ids": []}, {"name": "a", "ids": []}]}, "the same name twice"),
        ({"edits": ["1/1@1*0"], "groups": [{"name": "a", "ids": ["nowhere"]}]}, "nowhere"),
    ],
)
def test_interventions_that_cannot_be_done(client, graph_id, bench, wanted, word):
    answer = client.post(f"/api/graphs/{graph_id}/intervene", json=wanted)
    assert answer.status_code in (400, 422)
    assert word in answer.json()["error"]
    assert bench.asked == []


def test_a_bug_is_one_sentence_too(shelf_folder):
    class Broken:
        def trace(self, *_, **__):
            raise ZeroDivisionError("division by zero")

    answer = client_of(shelf_folder, Broken(), headers=BEARER | WRITE).post("/api/trace", json={"prompt": "a"})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("this is a mistake in gearscope: ZeroDivisionError")


def test_hostile_ids_of_nodes_reach_their_nodes(client, shelf_folder):
    text = (shelf_folder / "small.json").read_text()
    first, name = small_graph().nodes.ids[0], '../"</script>,?&#%2F é'
    (shelf_folder / "odd.json").write_text(text.replace(json.dumps(first), json.dumps(name)))
    cards = client.get("/api/graphs").json()["graphs"]
    odd = next(card["id"] for card in cards if card["name"] == "odd.json")
    assert client.get(f"/api/graphs/{odd}/node?id={quote(name, safe='')}").json()["node"]["id"] == name
