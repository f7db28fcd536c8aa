"""The sweep of predictions against the unpruned graph's matrix, solved densely, and against small real changes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gearscope.ids import FeatureAt, SiteId
from gearscope.interventions.basis import open_features
from gearscope.interventions.changes import Change
from gearscope.interventions.response import respond
from gearscope.interventions.watch import watch
from gearscope.interventions.writing import written
from gearscope.models.hooks import Frozen
from gearscope.models.model import wrap
from gearscope.models.sites import Edit
from gearscope.workbench import Workbench
from tests.interventions.conftest import IDS, Traced
from tests.oracles.tiny_models import tiny

CASES = [("gpt2", "neurons"), ("gemma2", "neurons"), ("mixtral", "neurons"), ("gpt_neox", "skip clt")]
CASES += [("llama", "skip clt"), ("llama", "residual"), ("gemma2", "behind the post-norm")]


@pytest.mark.parametrize(("family", "basis"), CASES)
@pytest.mark.parametrize("held", [0, 2])
def test_the_response_solves_the_unpruned_graph(
    traced: Callable[[str, str], Traced], family: str, basis: str, held: int
) -> None:
    """Δv = A[:, s] Δa_s / a_s + A diag(responding / v) Δv, over all features that reach a target at all."""
    case = traced(family, basis)
    graph, nodes = case.graph, case.graph.nodes
    scene = case.bench.scene(graph, {})
    watched = watch(graph, scene.replacement.active)
    features = np.arange(graph.layout.features.stop)
    responds = np.isin(np.arange(len(nodes)), features[nodes.layer[features] >= held])
    A = graph.adjacency.toarray()
    for source in case.sources():
        layer, index, position = (int(column[source]) for column in (nodes.layer, nodes.index, nodes.position))
        change = Change(FeatureAt(layer, index, position), None, float(nodes.activation[source]), 0.7)
        relative = change.delta / change.before
        share = np.where(responds, 1 / np.where(responds, nodes.value, 1.0), 0.0)
        wanted = np.linalg.solve(np.eye(len(nodes)) - A * share, A[:, source] * relative)
        added = written(scene.prompt, scene.basis, [change])
        found = respond(scene.prompt, scene.replacement, added, range(held))
        assert len(watched.node) == len(features)
        np.testing.assert_allclose(
            found.value[watched.active].numpy(), wanted[watched.node.numpy()], rtol=1e-7, atol=1e-9
        )
        assert np.abs(wanted).max() > 1e-4
        tokens = range(graph.layout.targets.start, len(nodes))
        W_U = scene.prompt.W_U - scene.prompt.W_U.mean(0)
        logits = [float(W_U[nodes.index[t]] @ found.final_in[nodes.position[t]]) for t in tokens]
        np.testing.assert_allclose(logits, wanted[graph.layout.targets], rtol=1e-7, atol=1e-9)


def test_small_changes_of_piecewise_linear_neurons_are_predicted_exactly() -> None:
    """With ReLU neurons and norms held, the ratio a / v is the slope: no linearisation is left, before a kink."""
    model = wrap(tiny("gpt2", dtype=torch.float64, n_layers=3, activation_function="relu"))
    bench = Workbench(model, name="relu")
    record = model.record(torch.tensor(IDS))
    replacement = bench.replace(record)
    active = replacement.active
    source = int((active.layer == 0).nonzero()[5])
    place = FeatureAt(0, int(active.index[source]), int(active.position[source]))
    added = written(record, open_features(record, replacement, None), [Change(place, None, 0.0, 1e-6)])
    found = respond(record, replacement, added, range(1))
    frozen = Frozen(record=record, mlp_layers=(0,))
    reads = [SiteId(layer, "mlp_in") for layer in range(3)]
    edit = Edit(site=SiteId(0, "mlp_out"), value=added[0], mode="add")
    after, before = (model.run(torch.tensor(IDS), read=reads, edits=e, freeze=frozen) for e in ([edit], []))
    for number in range(0, len(active), 7):
        layer, position = int(active.layer[number]), int(active.position[number])
        moved = (after.sites[f"blocks.{layer}.mlp_in"] - before.sites[f"blocks.{layer}.mlp_in"])[position]
        wanted = float(model.neurons(layer).rows(active.index[number : number + 1]).W_in[0] @ moved)
        assert float(found.value[number]) == pytest.approx(wanted, rel=1e-6, abs=1e-14)
