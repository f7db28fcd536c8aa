"""Errors opened into neurons: exact sums against the graph's own edges, and the least change against least squares."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from gearscope.attribution.opened import least_change
from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph
from gearscope.graph.opened import KEY, OpenedError, read_opened
from gearscope.graph.text import describe_node
from gearscope.interventions.response import respond
from gearscope.interventions.watch import watch
from gearscope.models.model import wrap
from gearscope.opening import DictionaryBasis
from gearscope.workbench import Workbench
from tests.interventions.conftest import IDS, PLANS
from tests.oracles.planted_dictionaries import plant_set
from tests.oracles.tiny_models import tiny

CASES = [("llama", "plt"), ("llama", "skip clt"), ("gemma2", "behind the post-norm"), ("gpt2", "before the gain")]
CASES += [("mixtral", "clt"), ("gpt_neox", "skip clt"), ("llama", "residual"), ("gemma2", "neurons:4")]


@functools.cache
def traced(family: str, basis: str) -> tuple[Workbench, AttributionGraph]:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3, eos_token_id=None))
    if basis.startswith("neurons"):
        bench = Workbench(model, name=family, basis=basis)
    else:
        planted, _ = plant_set(PLANS[basis], model.n_layers, model.d_model)
        bench = Workbench(model, name=family, basis=DictionaryBasis(basis, planted))
    return bench, bench.trace(IDS, everything=True, coverage=1.0, open_errors=4)


def opened(family: str, basis: str) -> tuple[Workbench, AttributionGraph, list[OpenedError]]:
    bench, graph = traced(family, basis)
    return bench, graph, list(read_opened(graph).values())


@pytest.mark.parametrize(("family", "basis"), CASES)
def test_every_edge_of_an_opened_error_is_the_sum_of_its_parts(family: str, basis: str) -> None:
    _, graph, found = opened(family, basis)
    columns = graph.adjacency.tocsc()
    assert len(found) == 4
    for one in found:
        node = graph.nodes.find(one.node_id)
        rows = columns.indices[columns.indptr[node] : columns.indptr[node + 1]].tolist()
        assert {edge.target for edge in one.edges} == {graph.nodes.ids[row] for row in rows}
        for edge in one.edges:
            weight = graph.edge(edge.target, one.node_id)
            parts = [*edge.contributions, edge.others, edge.left]
            assert edge.weight == weight
            assert sum(parts) == pytest.approx(weight, rel=1e-6, abs=1e-6 * sum(map(abs, parts)) + 1e-12)


@pytest.mark.parametrize(("family", "basis"), CASES)
def test_a_part_is_what_writing_the_missed_neuron_does_directly(family: str, basis: str) -> None:
    """A forward sweep that shares nothing with the rows: δ · w_n put where the neuron writes, every MLP held."""
    bench, graph, found = opened(family, basis)
    scene = bench.scene(graph)
    watched = watch(graph, scene.replacement.active)
    row_of = {graph.nodes.ids[node]: row for row, node in enumerate(watched.node.tolist())}
    for one in found[:2]:
        layer, position = (
            int(column[graph.nodes.find(one.node_id)]) for column in (graph.nodes.layer, graph.nodes.position)
        )
        mlp, block = bench.model.neurons(layer), scene.prompt.blocks[layer]
        for i, neuron in enumerate(one.neurons[:3]):
            vector = one.missed[i] * mlp.rows(torch.tensor([neuron])).W_out[0]
            if block.routing is not None:
                vector = vector * block.routing[position, neuron // mlp.experts[0].n_neurons]
            if scene.replacement.writes_at == "after_post_norm" and block.mlp_post_norm is not None:
                vector = block.mlp_post_norm.linear_at(vector[None], torch.tensor([position]))[0]
            written = torch.zeros_like(torch.stack([block.mlp_out for block in scene.prompt.blocks]))
            written[layer, position] = vector
            value = respond(scene.prompt, scene.replacement, written, range(scene.prompt.n_layers)).value
            for edge in one.edges:
                if edge.target in row_of:
                    direct = float(value[watched.active[row_of[edge.target]]])
                    assert edge.contributions[i] == pytest.approx(direct, rel=1e-6, abs=1e-9)


def test_the_least_change_is_that_of_weighted_least_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    activation, writes, error = (torch.randn(*size, generator=generator).double() for size in ((40,), (40, 6), (6,)))
    found = least_change(activation, writes, error)
    np.testing.assert_allclose((found @ writes).numpy(), error.numpy(), atol=1e-9)
    scaled = (activation[:, None] * writes).numpy()
    relative = np.linalg.lstsq(scaled.T, error.numpy(), rcond=None)[0]  # the solution of least norm
    np.testing.assert_allclose(found.numpy(), activation.numpy() * relative, atol=1e-9)


def test_what_silent_neurons_alone_could_write_is_left_over() -> None:
    activation, writes = torch.tensor([2.0, 0.0]).double(), torch.eye(2).double()
    found = least_change(activation, writes, torch.tensor([1.0, 3.0]).double())
    assert found.tolist() == pytest.approx([1.0, 0.0])


def test_the_error_of_some_neurons_is_all_the_others() -> None:
    bench, graph, found = opened("gemma2", "neurons:4")
    scene = bench.scene(graph)
    for one in found:
        layer, position = (
            int(column[graph.nodes.find(one.node_id)]) for column in (graph.nodes.layer, graph.nodes.position)
        )
        kept = set(scene.replacement.active.index[scene.replacement.active.at(layer, position)].tolist())
        assert one.needed_random is None
        for neuron, activation, missed in zip(one.neurons, one.activation, one.missed, strict=True):
            assert missed == (0.0 if neuron in kept else activation)
        assert all(edge.left == pytest.approx(0, abs=1e-9) for edge in one.edges)


def test_an_opened_error_is_shown_with_its_neurons_and_a_damaged_one_is_not() -> None:
    _, graph, found = opened("llama", "plt")
    node = graph.nodes.find(found[0].node_id)
    said = describe_node(graph, node)
    assert "OPENED" in said
    assert f"of {found[0].active} neurons hold 80 %" in said
    plain = replace(graph, details={**graph.details, KEY: [{"node_id": 3}]})
    assert "OPENED" not in describe_node(plain, node)


def test_what_has_no_errors_to_open_is_said() -> None:
    model = wrap(tiny("llama", dtype=torch.float64, n_layers=3, eos_token_id=None))
    with pytest.raises(ConfigError, match="neurons, which leave none"):
        Workbench(model, name="llama", basis="neurons:all").trace(IDS, open_errors=2)
