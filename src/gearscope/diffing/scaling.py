"""Latent Scaling: how much of a feature is in the model that has it less, by least squares in closed form.

With f the feature's activations and d its decoder in the model that has it (the owner; the larger norm), and y of each
token

    β(y) = argmin Σ ‖β f d − y‖² = ⟨d, Σ f y⟩ / (‖d‖² Σ f²)
    nu_error          = β(ε of the other) / β(ε of the owner + f d)         complete shrinkage when large
    nu_reconstruction = β(x̂ of the other) / β(x̂ of the owner)               latent decoupling when large

(Minder et al. 2025, section 3). ε is what the crosscoder leaves over; x̂ is what its features write, without biases.
A feature is a model's own when both are small. Σ f y of all features is one product of sparse codes. Knows nothing
about models and classes.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.selection import Codes
from gearscope.dictionaries.training.sparse import pattern_of, summed, transposed


class Sums(NamedTuple):
    """Sums over tokens, by feature; index 0 is A, index 1 is B. Y = sites x D."""

    fired: Int[Tensor, " F"]
    squares: Float[Tensor, " F"]
    """Σ f²."""
    error: Float[Tensor, "2 F Y"]
    """Σ f ε."""
    written: Float[Tensor, "2 F Y"]
    """Σ f x̂."""

    def plus(self, other: "Sums") -> "Sums":
        """Of the tokens of both."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Scales(NamedTuple):
    """What Latent Scaling says of each feature; NaN where it never fired."""

    norm_a: Float[Tensor, " F"]
    norm_b: Float[Tensor, " F"]
    delta_norm: Float[Tensor, " F"]
    """½ ((‖d_B‖ − ‖d_A‖) / max + 1): 0 in A alone, ½ in both, 1 in B alone."""
    cosine: Float[Tensor, " F"]
    """Between the decoders of the two models, all sites together."""
    nu_error: Float[Tensor, " F"]
    nu_reconstruction: Float[Tensor, " F"]


def sums_of(codes: Codes, errors: Float[Tensor, "2 P Y"], written: Float[Tensor, "2 P Y"], n_features: int) -> Sums:
    """The sums of some tokens."""
    pattern = pattern_of(codes.rows, codes.columns, codes.n_rows, n_features)
    return Sums(
        fired=pattern.counts,
        squares=summed(pattern, codes.values.square()).double(),
        error=torch.stack([transposed(pattern, codes.values, y) for y in errors]).double(),
        written=torch.stack([transposed(pattern, codes.values, y) for y in written]).double(),
    )


def scales_of(sums: Sums, d_a: Float[Tensor, "F Y"], d_b: Float[Tensor, "F Y"]) -> Scales:
    """Latent Scaling and the decoders' norms and cosine."""
    both = torch.stack([d_a, d_b]).double()
    norms = both.norm(dim=2)
    owner = (norms[1] >= norms[0]).long()
    every = torch.arange(both.shape[1])
    d = both[owner, every]
    weight = d.square().sum(1) * sums.squares

    def beta(of: Float[Tensor, "2 F Y"], model: Int[Tensor, " F"]) -> Float[Tensor, " F"]:
        return (d * of[model, every]).sum(1) / weight

    largest = norms.amax(0).clamp(min=1e-12)
    return Scales(
        norm_a=norms[0],
        norm_b=norms[1],
        delta_norm=((norms[1] - norms[0]) / largest + 1) / 2,
        cosine=(both[0] * both[1]).sum(1) / norms.prod(0).clamp(min=1e-12),
        nu_error=beta(sums.error, 1 - owner) / (1 + beta(sums.error, owner)),
        nu_reconstruction=beta(sums.written, 1 - owner) / beta(sums.written, owner),
    )
