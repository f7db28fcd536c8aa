"""Edits of SAE features: predictions against the graph's matrix, measurements against a forward pass of our own."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.errors import ConfigError
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt
from gearscope.interventions.changes import Change
from gearscope.interventions.gates import find_gates
from gearscope.interventions.knocked_out import knock_out
from gearscope.interventions.response import respond
from gearscope.interventions.validation import read_validation
from gearscope.interventions.watch import watch
from gearscope.interventions.writing import written
from gearscope.models.model import wrap
from gearscope.opening import DictionaryBasis
from gearscope.workbench import Workbench
from tests.interventions.conftest import IDS
from tests.oracles.planted_dictionaries import plant_saes
from tests.oracles.reference_forward import reference
from tests.oracles.tiny_models import tiny

CASES = [(family, site) for family in ("gpt2", "llama", "gemma2", "gpt_neox") for site in ("mlp_out", "resid_post")]


@functools.cache
def opened(family: str, site: str) -> tuple[Workbench, AttributionGraph, DictionarySet]:
    model = wrap(tiny(family, dtype=torch.float64, n_layers=3, eos_token_id=None))
    saes = plant_saes([f"blocks.{layer}.{site}" for layer in range(3)], model.d_model)
    bench = Workbench(model, name=family, basis=DictionaryBasis("saes", saes))
    return bench, bench.trace(IDS, everything=True, coverage=1.0), saes


def sources(graph: AttributionGraph) -> list[int]:
    nodes, here = graph.nodes, graph.layout.features
    early = [i for i in range(here.stop) if nodes.position[i] <= 4]
    return [max((i for i in early if nodes.layer[i] == at), key=lambda i: nodes.activation[i]) for at in (0, 1)]


def place(graph: AttributionGraph, node: int) -> FeatureAt:
    nodes = graph.nodes
    return FeatureAt(int(nodes.layer[node]), int(nodes.index[node]), int(nodes.position[node]))


@pytest.mark.parametrize(("family", "site"), CASES)
def test_the_response_solves_the_unpruned_graph(family: str, site: str) -> None:
    bench, graph, _ = opened(family, site)
    nodes, features = graph.nodes, np.arange(graph.layout.features.stop)
    scene, A = bench.scene(graph, {}), graph.adjacency.toarray()
    watched = watch(graph, scene.replacement.active)
    for source in sources(graph):
        feature = place(graph, source)
        held = range(feature.layer + 1)
        change = Change(feature, None, float(nodes.activation[source]), 0.7)
        responds = np.isin(np.arange(len(nodes)), features[nodes.layer[features] > feature.layer])
        share = np.where(responds, 1 / np.where(responds, nodes.value, 1.0), 0.0)
        relative = change.delta / change.before
        wanted = np.linalg.solve(np.eye(len(nodes)) - A * share, A[:, source] * relative)
        found = respond(scene.prompt, scene.replacement, written(scene.prompt, scene.basis, [change]), held)
        above = nodes.layer[watched.node.numpy()] > feature.layer
        np.testing.assert_allclose(
            found.value[watched.active].numpy()[above], wanted[watched.node.numpy()][above], rtol=1e-6, atol=1e-9
        )
        tokens = range(graph.layout.targets.start, len(nodes))
        W_U = scene.prompt.W_U - scene.prompt.W_U.mean(0)
        logits = [float(W_U[nodes.index[t]] @ found.final_in[nodes.position[t]]) for t in tokens]
        np.testing.assert_allclose(logits, wanted[graph.layout.targets], rtol=1e-6, atol=1e-9)
        assert np.abs(logits).max() > 1e-6


def activations(saes: DictionarySet, sites: dict[str, Tensor]) -> list[Tensor]:
    found = []
    for one in saes.dictionaries:
        pre = sites[one.config.reads[0]] @ one.W_enc[:, 0].T + one.b_enc
        found.append(torch.where(pre > one.threshold, pre, 0.0))
    return found


@pytest.mark.parametrize("mode", ["constrained", "free"])
@pytest.mark.parametrize(("family", "site"), CASES)
def test_measurements_are_those_of_an_independent_forward_pass(family: str, site: str, mode: str) -> None:
    bench, graph, saes = opened(family, site)
    nodes, before = graph.nodes, reference(bench.model.anatomy.hf, torch.tensor(IDS))
    for source in sources(graph):
        feature = place(graph, source)
        added = torch.zeros(len(IDS), bench.model.d_model, dtype=torch.float64)
        delta = 1.5 - float(nodes.activation[source])
        added[feature.position] = delta * saes.dictionaries[feature.layer].W_dec[feature.index, 0]
        change = {f"blocks.{feature.layer}.{site}": lambda x, more=added: x + more}
        if mode == "constrained":
            for name, value in before.items():
                layer = int(name.split(".")[1]) if name.startswith("blocks") else 99
                if name.endswith(".pattern") or (name.endswith(".mlp_out") and layer <= feature.layer):
                    more = added if name == f"blocks.{feature.layer}.{site}" else 0.0
                    change[name] = lambda x, value=value, more=more: value + more
        after = reference(bench.model.anatomy.hf, torch.tensor(IDS), change)
        result = bench.intervene(graph, [f"{feature}=1.5"], mode=mode, controls=1)
        wanted = activations(saes, after)
        found = torch.tensor([row.activation_after for row in result.nodes], dtype=torch.float64)
        at = [nodes.find(row.node_id) for row in result.nodes]
        truth = torch.stack([wanted[nodes.layer[i]][nodes.position[i], nodes.index[i]] for i in at])
        torch.testing.assert_close(found, truth, atol=1e-5, rtol=1e-4)
        W_U = bench.model.anatomy.W_U
        moved = (after["final_in"] - before["final_in"])[-1] @ (W_U - W_U.mean(0)).T
        tokens = {row.token_id: row.measured for row in result.next_tokens}
        assert tokens == pytest.approx({token: float(moved[token]) for token in tokens}, rel=1e-4, abs=1e-5)
        assert result.edited[0].before == pytest.approx(float(nodes.activation[source]))
        assert len(found)


def test_direct_is_refused() -> None:
    bench, graph, _ = opened("llama", "resid_post")
    with pytest.raises(ConfigError, match="between SAEs stand MLPs"):
        bench.intervene(graph, [f"{place(graph, sources(graph)[0])}*0"], mode="direct")


def test_a_layer_without_an_sae_has_no_features() -> None:
    model = opened("llama", "mlp_out")[0].model
    saes = plant_saes(["blocks.1.mlp_out"], model.d_model)
    bench = Workbench(model, name="llama", basis=DictionaryBasis("saes", saes))
    graph = bench.trace(IDS, everything=True, coverage=1.0)
    result = bench.intervene(graph, [f"{place(graph, 0)}*0"], controls=2)
    assert not result.nodes, "nothing above it is an SAE's"
    assert any(row.predicted for row in result.next_tokens)


@pytest.mark.parametrize("site", ["mlp_out", "resid_post"])
def test_circuits_of_saes_are_proved_as_others_are(site: str) -> None:
    bench, graph, _ = opened("llama", site)
    found = read_validation(bench.validate(graph, top=3, resamples=1, controls=1))
    assert found is not None
    source = sources(graph)[0]
    feature = place(graph, source)
    scene = bench.scene(graph)
    edit = Change(feature, None, scene.activation(feature), 0.0)
    added = written(scene.prompt, scene.basis, [edit])
    name = f"blocks.{feature.layer}.{site}"
    before = reference(bench.model.anatomy.hf, torch.tensor(IDS))
    after = reference(
        bench.model.anatomy.hf, torch.tensor(IDS), change={name: lambda x: x + added[feature.layer].to(x)}
    )
    out = torch.tensor([[True], [False]])
    logits = scene.model.run(torch.tensor([IDS, IDS]), edits=knock_out(scene, [feature], out)).logits
    torch.testing.assert_close(logits[0], after["logits"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits[1], before["logits"], rtol=1e-5, atol=1e-5)
    assert find_gates(scene, most=2).gates
