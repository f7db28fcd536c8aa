"""The features of a graph that are watched: where they read, and what they are in each run.

    value         what the feature's row sums to; under `direct` its frozen linear reading of the prompt (for gated
                  neurons the half rule's), so that it changes by exactly the graph's edge
    activation    what the basis makes of the run's inputs

Knows nothing about edits.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt
from gearscope.interventions.basis import Basis
from gearscope.interventions.measure import Measured
from gearscope.replacement.replacement import Active, Replacement

_APART = 0.1
"""Activations of a graph may differ by so much of their median, as low precision makes them differ."""


class Watched(NamedTuple):
    """Features of a graph, with their numbers in the graph and among the active ones; sorted by (layer, position)."""

    node: Int[Tensor, " W"]
    active: Int[Tensor, " W"]
    layer: Int[Tensor, " W"]
    position: Int[Tensor, " W"]
    index: Int[Tensor, " W"]

    def take(self, keep: Tensor) -> "Watched":
        """Some of them."""
        return Watched(*(column[keep] for column in self))

    def name(self, i: int) -> str:
        """`L/F@P`."""
        return str(FeatureAt(int(self.layer[i]), int(self.index[i]), int(self.position[i])))

    def groups(self) -> list[tuple[int, int, slice]]:
        """(layer, position, rows) of each run that reads at one place."""
        place = torch.stack([self.layer, self.position])
        counts = torch.unique_consecutive(place, dim=1, return_counts=True)[1].tolist() if len(self.layer) else []
        found, start = [], 0
        for count in counts:
            found.append((int(self.layer[start]), int(self.position[start]), slice(start, start + count)))
            start += count
        return found


def watch(graph: AttributionGraph, active: Active) -> Watched:
    """All features of the graph. Raises GraphError when they are not the prompt's in this model and basis."""
    here = graph.layout.features
    node = torch.arange(here.start, here.stop)
    columns = (graph.nodes.layer, graph.nodes.position, graph.nodes.index)
    layer, position, index = (torch.from_numpy(np.array(column[here])) for column in columns)
    n_layers, n_positions = active.bounds.shape[0], active.bounds.shape[1] - 1
    width = 1 + max(_top(index), _top(active.index))
    outside = (layer < 0) | (layer >= n_layers) | (position < 0) | (position >= n_positions) | (index < 0)
    keys = ((active.layer * n_positions + active.position) * width + active.index).cpu()
    mine = (layer * n_positions + position) * width + index
    at = torch.searchsorted(keys, mine).clamp(max=max(len(keys) - 1, 0))
    missing = outside if not len(keys) else outside | (keys[at] != mine)
    if bool(missing.any()):
        strange = ", ".join(graph.nodes.ids[int(i)] for i in node[missing][:5])
        expected = "a graph of this model and basis was expected, whose features are active on its prompt"
        raise GraphError(expected, found=f"{int(missing.sum())} that are not ({strange})")
    _check_activations(torch.from_numpy(np.array(graph.nodes.activation[here])), active.activation[at].double().cpu())
    order = (layer * n_positions + position).argsort(stable=True)
    return Watched(node, at, layer, position, index).take(order)


def _check_activations(stored: Float[Tensor, " W"], found: Float[Tensor, " W"]) -> None:
    """Graphs of other programs carry no fingerprints, and every neuron is active: activations tell strangers apart."""
    known = stored.isfinite()
    if not bool(known.any()):
        return
    apart, size = (stored - found)[known].abs().median(), found[known].abs().median()
    if float(apart) > _APART * float(size):
        expected = "a graph of this model and basis was expected, with these activations"
        raise GraphError(
            expected, found=f"others: their median is {float(size):.3g}, they differ by {float(apart):.3g}"
        )


def _top(index: Int[Tensor, " K"]) -> int:
    return int(index.max()) if len(index) else 0


class Levels(NamedTuple):
    """What the watched features are, by row of the batch."""

    value: Float[Tensor, "B W"]
    activation: Float[Tensor, "B W"]


def levels(
    watched: Watched, basis: Basis, replacement: Replacement, measured: Measured, *, frozen_reading: bool
) -> Levels:
    """Values and activations of the watched features in each run; `frozen_reading` for the direct mode."""
    n_rows = len(measured.final_in)
    value = measured.final_in.new_zeros(n_rows, len(watched.node))
    activation = torch.zeros_like(value)
    for layer, position, rows in watched.groups():
        x, routing = measured.inputs[layer][:, position], measured.routing[layer]
        found = basis.levels(layer, watched.index[rows], x, None if routing is None else routing[:, position])
        value[:, rows], activation[:, rows] = found
        if frozen_reading:
            read = replacement.read(watched.active[rows])
            value[:, rows] = x @ read.vectors.T + read.constant
    return Levels(value, activation)
