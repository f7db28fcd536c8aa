"""One prompt, opened for interventions: its model, basis, record and graph.

It knows nothing about edits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

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
        return self.activations([feature])[feature]

    def activations(self, features: Iterable[FeatureAt]) -> dict[FeatureAt, float]:
        """The same of many features, each layer and position read once."""
        asked = list(features)
        for feature in asked:
            self._check(feature)
        return activations_in(self.prompt, self.basis, asked)

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


def activations_in(prompt: FrozenPrompt, basis: Basis, features: Iterable[FeatureAt]) -> dict[FeatureAt, float]:
    """Activations on any prompt of the basis' model, 0 where a feature is not active; each place is read once."""
    by_place: dict[tuple[int, int], list[FeatureAt]] = {}
    for feature in features:
        by_place.setdefault((feature.layer, feature.position), []).append(feature)
    found: dict[FeatureAt, float] = {}
    for (layer, position), here in by_place.items():
        row, routing = slice(position, position + 1), prompt.blocks[layer].routing
        index = torch.tensor([feature.index for feature in here])
        chosen = None if routing is None else routing[row]
        level = basis.levels(layer, index, _read(prompt, basis, layer)[row], chosen).activation[0]
        found |= dict(zip(here, level.tolist(), strict=True))
    return found


def _read(prompt: FrozenPrompt, basis: Basis, layer: int) -> Float[Tensor, "P D"]:
    """What the features of a layer read."""
    match basis.reads:
        case "mlp_in":
            return prompt.blocks[layer].mlp_in
        case "mlp_out":
            return prompt.blocks[layer].mlp_written()
        case "resid_post":
            return prompt.resid_post()[layer]
        case _:
            return prompt.resid_mid()[layer]
