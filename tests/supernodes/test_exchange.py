"""Clamps against edits of the model's own neurons, and laws of exchanging groups."""

import numpy as np
import pytest
import torch

from gearscope.graph.graph import Supernode
from gearscope.ids import FeatureAt, SiteId
from gearscope.models.hooks import Frozen
from gearscope.models.sites import Edit
from gearscope.supernodes.exchange import Grouped, clamped, exchanged
from tests.interventions.conftest import IDS, traced

__all__ = ["traced"]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_clamped_neurons_are_the_edited_neurons_of_a_running_model(traced, family):
    """In two layers at once: what the lower clamp does to the upper neuron must not count twice."""
    bench, graph, _ = traced(family, "neurons")
    scene = bench.scene(graph)
    clamps = {FeatureAt(0, 3, 4): 0.7, FeatureAt(1, 5, 4): -0.4, FeatureAt(1, 2, 6): 0.2}
    found = clamped(scene, [clamps, {}])

    def edited(layer):
        def put(act):
            act = act.clone()
            for (own, index, position), value in clamps.items():
                if own == layer:
                    act[..., position, index] = value
            return act

        return Edit(site=SiteId(layer, "mlp_act"), value=put)

    held = Frozen(record=scene.prompt, norms=False, mlp_layers=range(0))
    expected = bench.model.run(torch.tensor(IDS), edits=[edited(0), edited(1)], freeze=held).logits
    assert torch.allclose(found[0], expected, atol=1e-9)
    assert torch.allclose(found[1], scene.prompt.logits, atol=1e-5)


@pytest.mark.parametrize("basis", ["plt", "clt", "residual", "skip clt"])
def test_features_clamped_to_what_they_are_change_nothing(traced, basis):
    bench, graph, _ = traced("llama", basis)
    scene, nodes = bench.scene(graph), graph.nodes
    clamps = {
        FeatureAt(int(nodes.layer[i]), int(nodes.index[i]), int(nodes.position[i])): float(nodes.activation[i])
        for i in range(graph.layout.features.stop)
    }
    assert torch.allclose(clamped(scene, [clamps])[0], scene.prompt.logits, atol=1e-5)


def test_a_cross_layer_feature_that_is_silenced_writes_nowhere(traced):
    bench, graph, plain = traced("llama", "clt")
    scene, nodes = bench.scene(graph), graph.nodes
    i = next(i for i in range(graph.layout.features.stop) if nodes.layer[i] == 0)
    place = FeatureAt(0, int(nodes.index[i]), int(nodes.position[i]))
    added = [
        Edit(
            site=SiteId(m, "mlp_raw"),
            value=-float(nodes.activation[i]) * plain.W_dec[0, m][place.index],
            mode="add",
            positions=[place.position],
        )
        for m in range(bench.model.n_layers)
    ]
    held = Frozen(record=scene.prompt, norms=False, mlp_layers=range(0))
    expected = bench.model.run(torch.tensor(IDS), edits=added, freeze=held).logits
    assert torch.allclose(clamped(scene, [{place: 0.0}])[0], expected, atol=1e-5)


def test_a_group_is_exchanged_for_the_one_that_lies_alike(traced):
    bench, graph, _ = traced("llama", "plt")
    other = bench.trace((0, 9, 2, 6, 1), everything=True, coverage=1.0)
    sides = []
    for one in (graph, other):
        at = [i for i in range(one.layout.features.stop) if one.nodes.position[i] == len(one.tokens) - 1]
        before = [i for i in range(one.layout.features.stop) if one.nodes.position[i] == len(one.tokens) - 2]
        groups = [Supernode(name, tuple(one.nodes.ids[i] for i in rows)) for name, rows in (("b", before), ("a", at))]
        sides.append(Grouped(bench.scene(one), groups))
    ours, theirs = sides
    assert [theirs.counterpart(lies) for lies in ours.lies] == [0, 1]
    clamps = exchanged(ours, 1, theirs, 1)
    assert {place.position for place in clamps} == {len(IDS) - 1}
    nodes = other.nodes
    for place, value in clamps.items():
        there = (nodes.layer == place.layer) & (nodes.index == place.index) & (nodes.position == len(other.tokens) - 1)
        found = np.flatnonzero(there)
        assert value == pytest.approx(nodes.activation[found[0]] if len(found) else 0.0)


def test_no_group_lies_where_none_shares_a_place(traced):
    bench, graph, _ = traced("llama", "plt")
    grouped = Grouped(bench.scene(graph), [Supernode("g", (graph.nodes.ids[0],))])
    assert grouped.counterpart({(99, -1): 1.0}) is None
