"""Which features are shared, gained, lost or changed: thresholds on numbers of each feature, and nothing else.

Latent Scaling (`scaling.py`), and two that say how much a difference matters:

    share   Σ f² ‖d_B − d_A‖² over the variance of b − a
    kl      Σ f² KL(A ‖ B) / Σ f²          how far the predictions part where the feature is
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.diffing.config import ClassConfig
from gearscope.diffing.report import Class
from gearscope.diffing.scaling import Scales, scales_of
from gearscope.diffing.survey import Survey


class Numbers(NamedTuple):
    """What classes follow from, by feature."""

    scales: Scales
    share: Float[Tensor, " F"]
    kl: Float[Tensor, " F"]
    fired: Int[Tensor, " F"]


def numbers_of(seen: Survey, d_a: Float[Tensor, "F Y"], d_b: Float[Tensor, "F Y"]) -> Numbers:
    """The numbers of every feature, from one pass over held-out text."""
    squares = seen.codes.values.double().square()
    steps = (d_b - d_a).double().square().sum(1)
    parted = torch.zeros_like(seen.sums.squares)
    parted.index_add_(0, seen.codes.columns, squares * seen.outputs.kl[seen.codes.rows].double())
    return Numbers(
        scales=scales_of(seen.sums, d_a, d_b),
        share=seen.sums.squares * steps / seen.spread if seen.spread > 0 else torch.zeros_like(seen.sums.squares),
        kl=parted / seen.sums.squares.clamp(min=1e-12),
        fired=seen.sums.fired,
    )


def classes_of(numbers: Numbers, config: ClassConfig) -> tuple[Class, ...]:
    """The class of every feature: shared where nothing of the difference is its own.

    One that Latent Scaling finds in the other model as well is not a model's own.
    """
    scales = numbers.scales
    own = (scales.nu_error < config.largest_error) & (scales.nu_reconstruction < config.largest_reconstruction)
    gained = own & (scales.delta_norm >= config.own_norm)
    lost = own & (scales.delta_norm <= 1 - config.own_norm)
    both = (scales.delta_norm < config.own_norm) & (scales.delta_norm > 1 - config.own_norm)
    changed = both & (scales.cosine < config.changed_cosine)
    matters = (numbers.share > 0) & (numbers.share >= config.least_share) & (numbers.kl >= config.least_kl)
    unseen = numbers.fired < config.least_fired
    found: list[Class] = []
    for flags in torch.stack([unseen, gained & matters, lost & matters, changed & matters]).T.tolist():
        kinds: tuple[Class, ...] = ("silent", "gained", "lost", "changed")
        found.append(next((kind for kind, flag in zip(kinds, flags, strict=True) if flag), "shared"))
    return tuple(found)
