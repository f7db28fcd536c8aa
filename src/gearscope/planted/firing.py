"""Whether latents fire where their truths do, and whether children absorb their parents.

    precision, recall, F1      of "the latent is active" as a test for "the truth fires", per truth with its match, mean
                               over truths; a truth without a match, or whose match never fires, counts 0
    F1 by latent               the same per latent with its nearest truth, mean over latents       SynthSAEBench
    absorption                 per child: of the tokens where it fires (and so its parent), the share on which the
                               parent's latent is silent while the child's fires and writes the parent's direction too
    missed                     per parent: of the tokens where it fires and no child of it does, the share on which its
                               latent is silent: what absorption must be compared with

Absorption follows Chanin et al. 2024, where the probe is the truth here, and "writes it too" is said of the child's
decoder u alone: in the least-squares fit u / ‖u‖ ≈ α d_parent + β d_child, α ≥ 0.3 (1/√2 when absorbed whole).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.planted.matching import NONE, Matching

CARRIED = 0.3
"""α from which a child's decoder carries its parent."""


class Detection(NamedTuple):
    """Means of precision, recall and F1."""

    precision: float
    recall: float
    f1: float


class Counts:
    """Tokens on which a test is positive, on which its truth holds, and on which both are so; by pair."""

    def __init__(self, n: int) -> None:
        self.positive, self.true, self.both = (torch.zeros(n, dtype=torch.float64) for _ in range(3))

    def add(self, positive: Bool[Tensor, "P J"], true: Bool[Tensor, "P J"]) -> None:
        """Some tokens."""
        self.positive += positive.sum(0)
        self.true += true.sum(0)
        self.both += (positive & true).sum(0)

    def detection(self) -> Detection:
        """Means over pairs; what is undefined counts 0."""
        precision = self.both / self.positive.clamp(min=1)
        recall = self.both / self.true.clamp(min=1)
        f1 = 2 * self.both / (self.positive + self.true).clamp(min=1)
        return Detection(*(float(score.mean()) for score in (precision, recall, f1)))


class Firing:
    """Sums over tokens for one dictionary."""

    def __init__(
        self,
        matching: Matching,
        decoders: Float[Tensor, "F W"],
        truths: Float[Tensor, "U W"],
        parents: Int[Tensor, " U"],
    ) -> None:
        """`parents` are numbers among these truths, -1 for none."""
        U, F = len(truths), len(decoders)
        self.matching, self.control = matching, matching.shuffled()
        self.matched, self.shuffled, self.by_latent = Counts(U), Counts(U), Counts(F)
        self._children = (parents >= 0).nonzero()[:, 0]
        self._parents = parents[self._children]
        self._carries = carries_parent(decoders, truths, matching.latent, self._parents, self._children)
        self._absorbed, self._child = (torch.zeros(len(self._children), dtype=torch.float64) for _ in range(2))
        self._alone, self._silent = (torch.zeros(U, dtype=torch.float64) for _ in range(2))

    def add(self, active: Bool[Tensor, "P F"], fires: Bool[Tensor, "P U"]) -> None:
        """Some tokens: which latents are active, which truths fire."""
        latents = torch.nn.functional.pad(active, (0, 1))  # a last one that is never active stands for "no match"
        own = latents[:, self.matching.latent]
        self.matched.add(own, fires)
        self.shuffled.add(latents[:, self.control.latent], fires)
        self.by_latent.add(active, fires[:, self.matching.nearest])
        child, silent = fires[:, self._children], ~own[:, self._parents]
        self._child += child.sum(0)
        self._absorbed += (child & silent & own[:, self._children] & self._carries).sum(0)
        accompanied = torch.zeros_like(fires).index_add(1, self._parents, child)
        alone = fires & ~accompanied
        self._alone += alone.sum(0)
        self._silent += (alone & ~own).sum(0)

    def absorption(self) -> float | None:
        """Mean over children that fired; None when there are none."""
        fired = self._child > 0
        return float((self._absorbed[fired] / self._child[fired]).mean()) if bool(fired.any()) else None

    def missed(self) -> float | None:
        """Mean over parents that fired without a child; None when there are none."""
        parents = self._parents.unique()
        parents = parents[self._alone[parents] > 0]
        return float((self._silent[parents] / self._alone[parents]).mean()) if len(parents) else None


def carries_parent(
    decoders: Float[Tensor, "F W"],
    truths: Float[Tensor, "U W"],
    latent: Int[Tensor, " U"],
    parents: Int[Tensor, " J"],
    children: Int[Tensor, " J"],
) -> Bool[Tensor, " J"]:
    """Whether the decoder that is matched with each child also writes its parent."""
    own = latent[children]
    u, p, c = (
        torch.nn.functional.normalize(rows.double(), dim=1)
        for rows in (decoders[own.clamp(min=0)], truths[parents], truths[children])
    )
    up, uc, pc = ((a * b).sum(1) for a, b in ((u, p), (u, c), (p, c)))
    alpha = (up - uc * pc) / (1 - pc.square()).clamp(min=1e-12)
    return (alpha >= CARRIED) & (own != NONE)
