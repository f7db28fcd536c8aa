"""The weights of a dictionary set while it is trained, on normalised activations, and how they begin.

Sites are the union of what is read and written. Reading is centred and scaled, writing is scaled:

    x' = (x − mean x) · √D / rms(x − mean x)        y' = y · √D / rms(y − mean y)

so that one learning rate fits all sites. `finish.py` folds this into the stored weights, exactly. At the start

    W_dec    rows of norm 1, drawn at random, into the first site that is written (a cross-layer one's own layer)
    W_dec    0 into further sites
    W_enc    the transpose of W_dec        (tied: the one choice without which most features die)
    b_dec    the mean of y'                b_enc    0

A bias belongs to a site that is written, and there is one per site however many dictionaries write there. Knows nothing
about batches and losses.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.training.config import Layout


class Scaling(NamedTuple):
    """What is subtracted from each site where it is read, and what it is multiplied with."""

    mean: Float[Tensor, "M D"]
    factor: Float[Tensor, " M"]

    def read(self, acts: Float[Tensor, "P M D"]) -> Float[Tensor, "P M D"]:
        """As dictionaries read it."""
        return (acts - self.mean) * self.factor[:, None]

    def written(self, acts: Float[Tensor, "P M D"]) -> Float[Tensor, "P M D"]:
        """As dictionaries write it."""
        return acts * self.factor[:, None]


def scaling_of(acts: Float[Tensor, "P M D"]) -> Scaling:
    """Means and scales of a sample. A site that never changes keeps its scale."""
    mean = acts.double().mean(0)
    spread = (acts.double() - mean).square().sum(-1).mean(0)
    factor = torch.where(spread > 0, (acts.shape[2] / spread.clamp(min=1e-300)).sqrt(), 1.0)
    return Scaling(mean.to(acts), factor.to(acts))


@dataclass(kw_only=True)
class Coder:
    """One dictionary's weights. Changed in place by training."""

    reads: tuple[int, ...]
    """Numbers of the sites that it reads."""
    writes: range
    """Numbers of the targets that it writes."""
    W_enc: Float[Tensor, "F I"]
    """I = sites read x D."""
    b_enc: Float[Tensor, " F"]
    W_dec: Float[Tensor, "F W"]
    """W = sites written x D: all that a feature writes is one row."""
    W_skip: Float[Tensor, "D D"] | None

    def named(self) -> dict[str, Tensor]:
        """The trained tensors."""
        found = {"W_enc": self.W_enc, "b_enc": self.b_enc, "W_dec": self.W_dec}
        return found if self.W_skip is None else found | {"W_skip": self.W_skip}


@dataclass(kw_only=True)
class Weights:
    """All dictionaries of a set, and one bias per target."""

    coders: tuple[Coder, ...]
    targets: tuple[int, ...]
    """Numbers of the sites that are written."""
    b_dec: Float[Tensor, "S D"]

    def named(self) -> dict[str, Tensor]:
        """Every trained tensor by a name that is unique."""
        found = {f"{number}.{name}": t for number, coder in enumerate(self.coders) for name, t in coder.named().items()}
        return {"b_dec": self.b_dec} | found

    @torch.no_grad()
    def unit_decoders(self) -> None:
        """Give every decoder row the norm 1."""
        for coder in self.coders:
            coder.W_dec /= coder.W_dec.norm(dim=1, keepdim=True).clamp(min=1e-12)


def first_weights(layout: Layout, first: Float[Tensor, "P M D"], generator: torch.Generator) -> Weights:
    """The weights before the first step; `first` are normalised activations as they are written."""
    D, F = first.shape[2], layout.n_features
    coders = []
    for plan in layout.coders:
        W_dec = torch.zeros(F, len(plan.writes) * D)
        rows = torch.randn(F, D, generator=generator)
        W_dec[:, :D] = rows / rows.norm(dim=1, keepdim=True)
        W_enc = W_dec[:, :D].repeat(1, len(plan.reads)) / len(plan.reads) ** 0.5
        coder = Coder(
            reads=plan.reads,
            writes=plan.writes,
            W_enc=W_enc.to(first),
            b_enc=first.new_zeros(F),
            W_dec=W_dec.to(first),
            W_skip=first.new_zeros(D, D) if plan.skip else None,
        )
        coders.append(coder)
    return Weights(coders=tuple(coders), targets=layout.targets, b_dec=first.mean(0)[list(layout.targets)].clone())
