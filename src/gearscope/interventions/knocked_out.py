"""Features held at 0 while everything else is live: what a run makes of them is taken away where they write.

An ablation by a fixed vector is right for one feature; of many, those above would answer to those below on top of it.
Here each feature's activation in the run itself is read, and what it writes is taken away:

    neurons         mlp_act ← 0 at the neuron and position
    dictionaries    MLP output (or stream) of every layer m that it writes to  −=  f(x in this run) · W_dec[s → m]

Rows of the batch knock out different features. What the dictionaries do not reconstruct stays. Knows nothing about
graphs.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.ids import FeatureAt, SiteId
from gearscope.interventions.basis import Basis, NeuronFeatures
from gearscope.interventions.measure import WRITE_SITES
from gearscope.interventions.scene import Scene
from gearscope.models.sites import Edit


class _Place(NamedTuple):
    """Features of one layer at one position."""

    position: int
    index: Int[Tensor, " K"]
    columns: Int[Tensor, " K"]
    """Of the mask."""


def knock_out(scene: Scene, features: Sequence[FeatureAt], out: Bool[Tensor, "B K"]) -> list[Edit]:
    """The edits of one batch in which row b is without feature k where `out[b, k]`."""
    places = _places(features)
    if isinstance(scene.basis, NeuronFeatures):
        return [
            Edit(site=SiteId(layer, "mlp_act"), value=partial(_silenced, here, out)) for layer, here in places.items()
        ]
    taken: dict[int, Tensor] = {}
    targets = sorted({target for layer, here in places.items() for target in _rows(scene.basis, layer, here[0])})
    looks = [
        Edit(site=SiteId(layer, scene.basis.reads), value=partial(_look, scene.basis, layer, here, out, taken))
        for layer, here in places.items()
    ]
    site = WRITE_SITES[scene.replacement.writes_at]
    return looks + [Edit(site=SiteId(target, site), value=_taker(taken, target)) for target in targets]


def _places(features: Sequence[FeatureAt]) -> dict[int, list[_Place]]:
    """By layer."""
    by_place: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for column, feature in enumerate(features):
        by_place.setdefault((feature.layer, feature.position), []).append((feature.index, column))
    found: dict[int, list[_Place]] = {}
    for (layer, position), rows in sorted(by_place.items()):
        index, columns = torch.tensor(rows).T
        found.setdefault(layer, []).append(_Place(position, index, columns))
    return found


def _silenced(
    places: list[_Place],
    out: Bool[Tensor, "B K"],
    acts: Float[Tensor, "B P F"],
) -> Float[Tensor, "B P F"]:
    acts = acts.clone()
    for position, index, columns in places:
        acts[:, position, index] = torch.where(out[:, columns], 0.0, acts[:, position, index])
    return acts


def _rows(basis: Basis, layer: int, place: _Place) -> dict[int, Tensor]:
    return dict(basis.writes(layer, place.index, place.position))


def _look(
    basis: Basis,
    layer: int,
    places: list[_Place],
    out: Bool[Tensor, "B K"],
    taken: dict[int, Tensor],
    x: Float[Tensor, "B P D"],
) -> Float[Tensor, "B P D"]:
    """Read what the layer's features are in this run, and keep what has to be taken away."""
    for place in places:
        position, index, columns = place
        activation = basis.levels(layer, index, x[:, position], None).activation * out[:, columns]
        for target, rows in _rows(basis, layer, place).items():
            if target not in taken:
                taken[target] = torch.zeros_like(x)
            taken[target][:, position] += activation @ rows
    return x


def _taker(taken: dict[int, Tensor], target: int) -> Callable[[Tensor], Tensor]:
    return lambda written: written - taken[target]
