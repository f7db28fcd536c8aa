"""What each feature of a graph does, measured: the model is run with that feature ablated, many ablations in one batch.

The MLP outputs up to the feature's layer are held, later ones are live (constrained, as interventions are by default).
A row of the effects is one feature ablated; its columns are

    later features of the graph    change of activation, by its own activation, times its influence on the targets
    tokens                         change of the (demeaned) logits of the targets and of likely next tokens

and each of the two blocks is divided by its own overall size. Features with rows of one direction do the same: they are
causally equivalent. Knows nothing about groups.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.graph.graph import AttributionGraph
from gearscope.interventions.changes import Change
from gearscope.interventions.config import InterventionConfig
from gearscope.interventions.measure import Measured, measure
from gearscope.interventions.scene import Scene
from gearscope.interventions.watch import Watched, levels, watch
from gearscope.interventions.writing import written

_AT_ONCE = 64
"""Runs of one batch."""


class Effects(NamedTuple):
    """What ablations do."""

    change: Float[np.ndarray, "K N"]
    layer: Int[np.ndarray, " N"]
    """Of every column; tokens stand above all layers."""


def ablations(
    scene: Scene, rows: Int[np.ndarray, " K"], n_tokens: int, progress: Callable[[str, int], None] | None = None
) -> Effects:
    """The measured effects of ablating each of these features of the scene's graph."""
    graph, prompt = scene.graph, scene.prompt
    with torch.inference_mode():
        watched = watch(graph, scene.replacement.active)
        tokens, position = watched_tokens(scene, n_tokens)
        found = np.zeros((len(rows), len(watched.node) + len(tokens)))
        for layer in np.unique(graph.nodes.layer[rows]).tolist():
            mine = np.flatnonzero(graph.nodes.layer[rows] == layer)
            for start in range(0, len(mine), _AT_ONCE):
                some = mine[start : start + _AT_ONCE]
                edits = [[_ablation(graph, int(node))] for node in rows[some]]
                wholes = torch.stack([written(prompt, scene.basis, changes) for changes in ([], *edits)])
                config = InterventionConfig(mode="constrained")
                done = measure(
                    scene.model,
                    prompt,
                    scene.replacement,
                    wholes,
                    config=config,
                    held=range(layer + 1),
                    site=scene.basis.reads,
                )
                found[some] = _changes(scene, watched, done, tokens, position)
                if progress is not None:
                    progress("ablations", len(some))
    weight = _relevance(graph, watched)
    found[:, : len(weight)] *= weight
    column_layer = np.concatenate([watched.layer.numpy(), np.full(len(tokens), prompt.n_layers)])
    found[:, : len(weight)][graph.nodes.layer[rows][:, None] >= column_layer[None, : len(weight)]] = 0
    return Effects(_balanced(found, len(weight)), column_layer)


def watched_tokens(scene: Scene, most: int) -> tuple[Int[Tensor, " V"], int]:
    """Ids of the graph's target tokens and of the likely ones, and the position that the graph explains."""
    nodes, targets = scene.graph.nodes, scene.graph.layout.targets
    own = [int(i) for i in nodes.index[targets] if 0 <= i < scene.model.vocab_size]
    places = nodes.position[targets]
    position = int(places.max()) if len(places) and places.max() >= 0 else scene.prompt.n_positions - 1
    logits = scene.prompt.logits[position]
    likely = logits.topk(min(most, len(logits))).indices.tolist()
    return torch.tensor(list(dict.fromkeys([*own, *likely]))), position


def _ablation(graph: AttributionGraph, node: int) -> Change:
    nodes = graph.nodes
    return Change(nodes.place(node), nodes.ids[node], float(nodes.activation[node]), 0.0)


def _changes(
    scene: Scene, watched: Watched, done: Measured, tokens: Int[Tensor, " V"], position: int
) -> Float[np.ndarray, "K N"]:
    """Changes against the first run of the batch, which is not edited."""
    activation = levels(watched, scene.basis, scene.replacement, done, frozen_reading=False).activation
    logits = done.logits[:, position].double()
    logits = logits[:, tokens] - logits.mean(dim=1, keepdim=True)
    whole = torch.cat([activation.double(), logits], dim=1)
    return (whole - whole[0])[1:].cpu().numpy()


def _relevance(graph: AttributionGraph, watched: Watched) -> Float[np.ndarray, " W"]:
    """Influence of every watched feature by its activation."""
    node = watched.node.numpy()
    size = np.abs(graph.nodes.activation[node])
    return graph.node_influence()[node] / np.where(size > 0, size, 1.0)


def _balanced(change: Float[np.ndarray, "K N"], split: int) -> Float[np.ndarray, "K N"]:
    """Both blocks of columns divided by their own size."""
    for block in (change[:, :split], change[:, split:]):
        size = np.sqrt(np.square(block).sum())
        if size > 0:
            block /= size
    return change
