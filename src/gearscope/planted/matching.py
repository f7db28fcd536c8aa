"""Which latent is which truth, by the directions that they write; no tokens are needed.

    |cos|         of a decoder row with what a truth writes, over all sites that the dictionary writes, side by side
    match         one latent per truth, so that Σ |cos| is largest (Hungarian algorithm)
    MCC           mean |cos| of the matched pairs               Song et al. 2025; SynthSAEBench, section 4
    found at τ    share of truths whose match has |cos| ≥ τ
    uniqueness    truths that are the nearest one of some latent / latents                      SynthSAEBench
    splitting     latents per truth: those with |cos| ≥ 0.7 whose nearest truth it is, over truths that have any

A dictionary is called planted, its features latents, so that nothing here is called a feature. Scales and the order of
latents do not matter. Knows nothing about firing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

SHARED = 0.7
"""A latent counts as a copy of its nearest truth from this |cosine| on: more than half of it is that truth."""
NONE = -1


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Latents beside truths."""

    cosines: Float[Tensor, "F U"]
    """|cos|."""
    latent: Int[Tensor, " U"]
    """The latent that is matched with each truth; -1 where there are fewer latents than truths."""

    @property
    def matched(self) -> Float[Tensor, " U"]:
        """|cos| of each truth with its match, 0 without one."""
        truths = torch.arange(len(self.latent))
        return torch.where(self.latent == NONE, 0.0, self.cosines[self.latent.clamp(min=0), truths])

    @property
    def mcc(self) -> float:
        """Mean |cos| over the matched pairs."""
        return float(self.matched[self.latent != NONE].mean())

    @property
    def nearest(self) -> Int[Tensor, " F"]:
        """The truth that each latent is nearest to."""
        return self.cosines.argmax(1)

    def found(self, cosine: float) -> float:
        """Share of truths whose match reaches this |cosine|."""
        return float((self.matched >= cosine).double().mean())

    @property
    def uniqueness(self) -> float:
        """Truths that are the nearest one of some latent, per latent."""
        return len(self.nearest.unique()) / len(self.nearest)

    @property
    def splitting(self) -> float | None:
        """Latents per truth that has any; None when no latent is near a truth."""
        near = self.nearest[self.cosines.amax(1) >= SHARED]
        return len(near) / len(near.unique()) if len(near) else None

    def shuffled(self, seed: int = 0) -> "Matching":
        """The same pairs dealt out at random: the control."""
        order = torch.randperm(len(self.latent), generator=torch.Generator().manual_seed(seed))
        return Matching(cosines=self.cosines, latent=self.latent[order])


def match(decoders: Float[Tensor, "F W"], truths: Float[Tensor, "U W"]) -> Matching:
    """The best one-to-one matching of latents with truths."""
    cosines = (_unit(decoders) @ _unit(truths).T).abs()
    rows, columns = linear_sum_assignment(cosines.numpy(), maximize=True)
    latent = torch.full((len(truths),), NONE)
    latent[torch.from_numpy(columns)] = torch.from_numpy(rows)
    return Matching(cosines=cosines, latent=latent)


def _unit(rows: Float[Tensor, "J W"]) -> Float[Tensor, "J W"]:
    """Rows of norm 1; a row of zeros stays one, and is near nothing."""
    size = rows.double().norm(dim=1, keepdim=True)
    return (rows.double() / torch.where(size == 0, 1, size)).float()
