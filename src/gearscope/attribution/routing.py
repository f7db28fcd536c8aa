"""The routers' choices on one prompt, which were frozen while it was traced, as the graph keeps them.

Knows nothing about what experts do.
"""

from collections.abc import Sequence

from gearscope.graph.routing import Chosen, LayerRouting
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.mlp import ExpertWeights, MlpWeights


def routing(prompt: FrozenPrompt, mlps: Sequence[MlpWeights | ExpertWeights]) -> list[LayerRouting]:
    """The choices of every routed layer, strongest expert first."""
    layers = []
    for layer, (block, mlp) in enumerate(zip(prompt.blocks, mlps, strict=True)):
        if block.routing is None or isinstance(mlp, MlpWeights):
            continue
        rows = [[Chosen(i, weight) for i, weight in enumerate(row) if weight] for row in block.routing.tolist()]
        chosen = tuple(tuple(sorted(row, key=lambda c: -c.weight)) for row in rows)
        layers.append(LayerRouting(layer, len(mlp.experts), mlp.width, chosen))
    return layers
