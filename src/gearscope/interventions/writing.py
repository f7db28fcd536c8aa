"""What changed features add to the MLP outputs, and a random control that adds as much.

    written    δ[m, p] = Σ over edited features at p of  Δa · W_dec[feature → m]
    control    the same with every edited feature exchanged for a random other one of its layer at the same position,
               its Δa scaled so that the norm written (over all layers it writes to) and the sign stay

The random feature is drawn from the `_LIKE` that are most like the edited one in density, where the dictionary knows
densities, else in the number of positions of the prompt at which they are active. It may be one that the prompt uses,
so a control can have as strong an effect as the edit, or a stronger one. Knows nothing about graphs.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.ids import FeatureAt
from gearscope.interventions.basis import Basis
from gearscope.interventions.changes import Change
from gearscope.models.frozen import FrozenPrompt
from gearscope.replacement.replacement import Active

_LIKE = 64
"""How many features of like density a control is drawn from."""


def written(prompt: FrozenPrompt, basis: Basis, changes: Sequence[Change]) -> Float[Tensor, "L P D"]:
    """What the changes add to the MLP outputs, where the basis writes."""
    total = prompt.token_embed.new_zeros(prompt.n_layers, prompt.n_positions, prompt.d_model)
    for change in changes:
        for layer, vector in vectors(basis, change.feature).items():
            total[layer, change.feature.position] += change.delta * vector
    return total


def vectors(basis: Basis, feature: FeatureAt) -> dict[int, Float[Tensor, " D"]]:
    """What one feature writes per unit of activation, by layer."""
    index = torch.tensor([feature.index])
    return {layer: rows[0] for layer, rows in basis.writes(feature.layer, index, feature.position).items()}


def norm(by_layer: dict[int, Float[Tensor, " D"]]) -> float:
    """Norm of the vectors of all layers together."""
    return float(torch.stack([vector.square().sum() for vector in by_layer.values()]).sum().sqrt())


def control_changes(
    basis: Basis, active: Active, changes: Sequence[Change], generator: torch.Generator
) -> list[Change]:
    """One random draw: other features, with equal norm and sign. Features that write nothing are not drawn."""
    taken = {change.feature for change in changes}
    found = []
    for change in changes:
        size = abs(change.delta) * norm(vectors(basis, change.feature))
        for index in _alike(basis, active, change.feature, generator).tolist():
            other = change.feature._replace(index=index)
            unit = 0.0 if other in taken else norm(vectors(basis, other))
            if unit > 0:
                taken.add(other)
                delta = size / unit * (1.0 if change.delta >= 0 else -1.0)
                found.append(Change(other, None, 0.0, delta))
                break
    return found


def _alike(basis: Basis, active: Active, feature: FeatureAt, generator: torch.Generator) -> Int[Tensor, " F"]:
    """All features of the layer: first those most like this one, in random order, then the others by likeness."""
    n_features = basis.n_features(feature.layer)
    density = basis.density(feature.layer)
    if density is None:
        mine = slice(active.below(feature.layer), active.below(feature.layer + 1))
        counts = torch.bincount(active.index[mine], minlength=n_features).double().cpu()
    else:
        counts = density.double().cpu().clamp(min=1e-12).log()
    shuffled = torch.randperm(n_features, generator=generator)
    distance = (counts[shuffled] - counts[feature.index]).abs()
    order = shuffled[distance.argsort(stable=True)]
    nearest = order[torch.randperm(min(_LIKE, n_features), generator=generator)]
    return torch.cat([nearest, order[len(nearest) :]])
