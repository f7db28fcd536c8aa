"""One prompt, opened for interventions: its model, basis, record and graph.

It knows nothing about edits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

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

    def activation(self, feature: FeatureAt) -> float:
        """The activation of any feature on the prompt, 0 where it is not active."""
        block = self.prompt.blocks[feature.layer]
        stands = self.replacement.reads_at == "mlp_in"
        x = block.mlp_in if stands else self.prompt.resid_mid()[feature.layer]
        here = slice(feature.position, feature.position + 1)
        routing = None if block.routing is None else block.routing[here]
        return float(self.basis.levels(feature.layer, torch.tensor([feature.index]), x[here], routing).activation)
