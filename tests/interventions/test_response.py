"""The sweep of predictions against the unpruned graph's matrix, solved densely, and against small real changes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gearscope.ids import FeatureAt, SiteId
from gearscope.interventions.basis import open_features
from gearscope.interventions.changes import Change
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.measure import measure
from gearscope.interventions.response import injected, respond
from gearscope.interventions.watch import levels, watch
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


@pytest.mark.parametrize(
    ("family", "basis"),
    [("gpt2", "neurons"), ("gemma2", "neurons"), ("gpt_neox", "skip clt"), ("gemma2", "behind the post-norm")],
)
def test_with_every_mlp_held_live_norms_are_all_that_is_not_linear(
    traced: Callable[[str, str], Traced], family: str, basis: str
) -> None:
    """Then a prediction that makes norms anew is what the model does, however large the change; a frozen one is not."""
    case = traced(family, basis)
    scene = case.bench.scene(case.graph)
    watched = watch(case.graph, scene.replacement.active)
    every = range(scene.prompt.n_layers)
    change = Change(_feature(case, case.sources()[0]), None, 0.0, 3.0)
    added = written(scene.prompt, scene.basis, [change])
    config = InterventionConfig(mode="constrained", freeze_to=every[-1])
    rows = torch.stack([torch.zeros_like(added), added])
    run = measure(
        scene.model,
        scene.prompt,
        scene.replacement,
        rows,
        config=config,
        held=every,
        site=scene.basis.reads,
        streams=True,
    )
    live = respond(scene.prompt, scene.replacement, added, every, live_norms=True)
    frozen = respond(scene.prompt, scene.replacement, added, every)
    # transformers rounds Gemma's norms to 32 bits
    close = {"rtol": 1e-3, "atol": 1e-5} if family == "gemma2" else {"rtol": 1e-6, "atol": 1e-9}
    assert run.streams is not None
    torch.testing.assert_close(live.streams, run.streams[:, 1] - run.streams[:, 0], **close)
    moved = run.final_in[1] - run.final_in[0]
    torch.testing.assert_close(live.final_in, moved, **close)
    assert float((frozen.final_in - moved).norm()) > 0.01 * float(moved.norm())
    if basis != "neurons":  # a dictionary's value is linear in what it reads
        value = levels(watched, scene.basis, scene.replacement, run, frozen_reading=False).value
        torch.testing.assert_close(live.value[watched.active], value[1] - value[0], **close)


def test_what_nothing_answers_to_stays_where_it_was_put(traced: Callable[[str, str], Traced]) -> None:
    """The first layer's stream changes by the injected vector alone, behind a post-norm as well."""
    case = traced("gemma2", "neurons")
    scene = case.bench.scene(case.graph)
    added = written(scene.prompt, scene.basis, [Change(_feature(case, case.sources()[0]), None, 0.0, 1.0)])
    put = injected(scene.prompt, scene.replacement, added)
    found = respond(scene.prompt, scene.replacement, added, range(scene.prompt.n_layers))
    torch.testing.assert_close(put[0], found.streams[0])
    torch.testing.assert_close(put[1], put[0])
    assert float((found.streams[1] - put[1]).norm()) > 1e-6


def _feature(case: Traced, i: int) -> FeatureAt:
    nodes = case.graph.nodes
    return FeatureAt(int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i]))
