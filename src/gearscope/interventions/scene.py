"""One prompt, opened for interventions: its model, basis, record and graph.

It knows nothing about edits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gearscope.errors import GraphError
from gearscope.graph.graph import AttributionGraph
from gearscope.ids import FeatureAt
from gearscope.interventions.basis import Basis
from gearscope.models.frozen import FrozenPrompt
from gearscope.models.model import Model
from gearscope.replacement.replacement import Replacement


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One prompt, opened for interventions."""

    model: Model
    prompt: FrozenPrompt
    replacement: Replacement
    basis: Basis
    graph: AttributionGraph
    others: Mapping[str, AttributionGraph]
    """Graphs that swaps name."""
    notes: tuple[str, ...] = ()
    """What a reader of the result should know of the graphs."""

    def activation(self, feature: FeatureAt) -> float:
        """The activation of any feature on the prompt, 0 where it is not active. Raises GraphError."""
        self._check(feature)
        return activation_in(self.prompt, self.basis, feature)

    def _check(self, feature: FeatureAt) -> None:
        """A feature that the basis has, at a position where features can be."""
        layers, positions = (
            range(self.prompt.n_layers),
            range(self.prompt.n_constant_positions, self.prompt.n_positions),
        )
        if feature.layer in layers and feature.position in positions:
            n_features = self.basis.n_features(feature.layer)
            if 0 <= feature.index < n_features:
                return
            raise GraphError(f"a feature below {n_features} was expected in layer {feature.layer}", found=str(feature))
        raise GraphError(
            f"a feature in layers 0 to {layers[-1]} was expected, at positions {positions[0]} to {positions[-1]}",
            found=str(feature),
        )


def activation_in(prompt: FrozenPrompt, basis: Basis, feature: FeatureAt) -> float:
    """The activation of a feature on any prompt of the basis' model, 0 where it is not active."""
    block = prompt.blocks[feature.layer]
    match basis.reads:
        case "mlp_in":
            x = block.mlp_in
        case "mlp_out":
            x = block.mlp_written()
        case "resid_post":
            x = prompt.resid_post()[feature.layer]
        case _:
            x = prompt.resid_mid()[feature.layer]
    here = slice(feature.position, feature.position + 1)
    routing = None if block.routing is None else block.routing[here]
    return float(basis.levels(feature.layer, torch.tensor([feature.index]), x[here], routing).activation)
