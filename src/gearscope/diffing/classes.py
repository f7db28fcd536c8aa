"""Which features are shared, gained, lost or changed: thresholds on the numbers of `scaling.py`, and nothing else."""

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.diffing.config import ClassConfig
from gearscope.diffing.report import Class
from gearscope.diffing.scaling import Scales, Sums


def shares_of(sums: Sums, d_a: Float[Tensor, "F Y"], d_b: Float[Tensor, "F Y"], spread: float) -> Float[Tensor, " F"]:
    """Σ f² ‖d_B − d_A‖² of each feature over the variance of b − a."""
    return sums.squares * (d_b - d_a).double().square().sum(1) / max(spread, 1e-12)


def classes_of(scales: Scales, sums: Sums, shares: Float[Tensor, " F"], config: ClassConfig) -> tuple[Class, ...]:
    """The class of every feature. One that Latent Scaling finds in the other model as well is not a model's own."""
    own = (scales.nu_error < config.largest_error) & (scales.nu_reconstruction < config.largest_reconstruction)
    gained = own & (scales.delta_norm >= config.own_norm)
    lost = own & (scales.delta_norm <= 1 - config.own_norm)
    both = (scales.delta_norm < config.own_norm) & (scales.delta_norm > 1 - config.own_norm)
    changed = both & (scales.cosine < config.changed_cosine)
    large = shares >= config.least_share
    seen = sums.fired >= config.least_fired
    found: list[Class] = []
    for flags in torch.stack([~seen, gained & large, lost & large, changed & large]).T.tolist():
        kinds: tuple[Class, ...] = ("silent", "gained", "lost", "changed")
        found.append(next((kind for kind, flag in zip(kinds, flags, strict=True) if flag), "shared"))
    return tuple(found)
