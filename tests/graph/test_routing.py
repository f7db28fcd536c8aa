"""The experts that a prompt was sent to: from the model into the file, and out of it into text."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gearscope.graph.graph import AttributionGraph
from gearscope.graph.routing import expert_of, read_routing
from gearscope.graph.store import read_graph, write_graph
from gearscope.graph.text import describe, describe_node
from gearscope.models.model import wrap
from gearscope.workbench import Workbench
from tests.oracles.reference_forward import reference
from tests.oracles.tiny_models import case

IDS = [0, 5, 9, 3]


@pytest.fixture(scope="module")
def graph() -> AttributionGraph:
    return Workbench(wrap(case("qwen3_moe-mixed")), name="moe").trace(IDS, everything=True)


def test_routing_is_what_the_router_chose(graph: AttributionGraph) -> None:
    truth = reference(case("qwen3_moe-mixed", dtype=torch.float64), torch.tensor(IDS))
    routing = read_routing(graph)
    assert sorted(routing) == [1], "layer 0 is dense"
    assert (routing[1].n_experts, routing[1].width) == (4, 8)
    for position, row in enumerate(truth["blocks.1.routing"].tolist()):
        found = routing[1].at(position)
        assert {c.expert: pytest.approx(c.weight, rel=1e-4) for c in found} == {i: w for i, w in enumerate(row) if w}
        assert [c.weight for c in found] == sorted((c.weight for c in found), reverse=True)


def test_a_neuron_knows_its_expert(graph: AttributionGraph) -> None:
    features = range(graph.layout.features.stop)
    routed = [node for node in features if graph.nodes.layer[node] == 1]
    assert routed
    for node in features:
        expert = expert_of(graph, node)
        assert (expert is None) == (node not in routed)
        if expert is not None:
            assert expert.expert == graph.nodes.index[node] // 8
            assert expert in read_routing(graph)[1].at(int(graph.nodes.position[node]))
    assert expert_of(graph, graph.layout.targets.start) is None


def test_it_is_stored_and_said(graph: AttributionGraph, tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.json", graph)
    stored = read_graph(tmp_path / "graph.json")
    assert read_routing(stored) == read_routing(graph)
    best = read_routing(graph)[1].at(3)[0]
    assert f"layer 1   expert {best.expert} {best.weight:.3f}" in describe(stored)
    node = max(range(graph.layout.features.stop), key=lambda i: (graph.nodes.layer[i], graph.nodes.position[i]))
    assert "on this token" in describe_node(stored, node)
    assert "expert" in describe_node(stored, node)


@pytest.mark.parametrize(
    "damage", [None, 3, [3], [{"layer": 1}], [{"layer": 1, "experts": 2, "width": 0, "chosen": 5}]]
)
def test_damaged_routing_is_no_routing(graph: AttributionGraph, damage: object) -> None:
    broken = replace(graph, details={**graph.details, "experts": damage})
    assert read_routing(broken) == {}
    assert "EXPERTS" not in describe(broken)


def test_dense_models_have_none() -> None:
    assert "experts" not in Workbench(wrap(case("llama")), name="dense").trace(IDS).details
