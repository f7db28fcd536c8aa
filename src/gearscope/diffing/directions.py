"""Directions of b − a: one for each way in which predictions part, and those of ordinary text; all in closed form.

1. Differences of parting tokens, less the mean of ordinary ones and each site in units of its usual size, are joined by
   average linkage: first those behind which B says the same word, ALIKE (cosine) enough. What is left over is joined
   whatever B says, and more loosely.
2. The encoder of such a direction is Fisher's linear discriminant against ordinary text, site by site,

       w_s = (Σ_s + SHRINKAGE · mean variance)⁻¹ μ_s        f = ‖μ‖ Σ_s w_s·y_s / Σ_s w_s·μ_s

   so that the mean μ of its tokens has f = ‖μ‖; it fires at half of that. Its decoder is refitted by least squares.
3. Ordinary text has its principal directions, with both signs, fired at one standard deviation: what drifts everywhere
   has features of its own, and they are the controls of what parts.

The dictionary is one of b − a (`crosscoder.of_difference` makes it one of both models), to be used with the strongest
feature of each token alone. Knows nothing about models.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.diffing.turning import alone

ALIKE = (0.75, 0.5, 0.25, 0.0)
"""Average cosine within a direction; each after the first is for what the one before left over."""
ALIKE_SAID = (0.75, 0.5)
"""The same where B says one word."""
LEAST = 4
"""Tokens of a direction."""
SHRINKAGE = 0.1
ORDINARY = 32
"""Principal directions of ordinary text."""
_SAMPLED = 2048


class Parted(NamedTuple):
    """Differences b − a at some sites."""

    parting: Float[Tensor, "K S D"]
    """Where predictions part."""
    even: Float[Tensor, "E S D"]
    """Everywhere."""
    said: Int[Tensor, " K"]
    """What B says where predictions part (`contexts.answers`)."""


class _Rows(NamedTuple):
    """Features: encoders, firing thresholds and decoders."""

    encoders: Float[Tensor, "F S D"]
    thresholds: Float[Tensor, " F"]
    decoders: Float[Tensor, "F S D"]


def directions_of(parted: Parted, sites: Sequence[str]) -> Dictionary:
    """First the ordinary directions, then those that part. Without any difference, two that never fire."""
    mean = parted.even.mean(0)
    even, parting = parted.even - mean, parted.parting - mean
    rows = [_ordinary(even)]
    groups = alike(parting, _sizes(even), parted.said)
    if groups:
        rows.append(_discriminants(torch.stack([parting[group].mean(0) for group in groups]), even))
    encoders, thresholds, decoders = (torch.cat(column) for column in zip(*rows, strict=True))
    F, _, D = encoders.shape
    config = DictionaryConfig(reads=tuple(sites), writes=tuple(sites), n_features=F, d_model=D, activation="jumprelu")
    made = Dictionary(
        config=config,
        W_enc=encoders,
        b_enc=-(encoders * mean).sum((1, 2)),
        W_dec=decoders,
        b_dec=mean,
        threshold=thresholds,
    )
    return _refitted(made, torch.cat([parted.parting, parted.even]), len(groups))


def alike(
    parting: Float[Tensor, "K S D"], sizes: Float[Tensor, " S"], said: Int[Tensor, " K"]
) -> list[Int[Tensor, " _"]]:
    """The numbers of the differences that part alike; those of less than LEAST tokens are left out."""
    scaled = torch.nn.functional.normalize((parting / sizes[:, None]).flatten(1), dim=1)
    found, left, said = [], [], said.cpu()
    for word in said.unique().tolist():
        joined, others = _joined(scaled, (said == word).nonzero()[:, 0], ALIKE_SAID)
        found += joined
        left.append(others)
    return found + _joined(scaled, torch.cat(left).sort().values, ALIKE)[0] if left else found


def _joined(
    scaled: Float[Tensor, "K Y"], left: Int[Tensor, " _"], cosines: Sequence[float]
) -> tuple[list[Int[Tensor, " _"]], Int[Tensor, " _"]]:
    """Those of the numbers `left` that are joined at one of these cosines, and those that are not."""
    found = []
    for cosine in cosines:
        if len(left) < LEAST:
            break
        tree = linkage(scaled[left].cpu().numpy(), "average", metric="cosine")
        labels = torch.from_numpy(fcluster(tree, 1 - cosine, "distance")).long()
        counts = labels.bincount()
        found += [left[labels == label] for label in (counts >= LEAST).nonzero()[:, 0].tolist()]
        left = left[counts[labels] < LEAST]
    return found, left


def _sizes(even: Float[Tensor, "E S D"]) -> Float[Tensor, " S"]:
    """The usual size of a difference at each site; 1 where there is none."""
    sizes = even.norm(dim=2).mean(0)
    return torch.where(sizes > 0, sizes, torch.ones_like(sizes))


def _discriminants(means: Float[Tensor, "F S D"], even: Float[Tensor, "E S D"]) -> _Rows:
    encoders = torch.zeros_like(means)
    for site in range(means.shape[1]):
        here = even[:, site]
        covariance = here.T @ here / len(here)
        usual = float(covariance.diagonal().mean()) or 1.0
        covariance.diagonal().add_(SHRINKAGE * usual)
        encoders[:, site] = torch.linalg.solve(covariance, means[:, site].T).T
    norms = means.flatten(1).norm(dim=1)
    reached = (encoders * means).sum((1, 2))
    scaled = encoders * (norms / reached.clamp(min=1e-12))[:, None, None]
    return _Rows(scaled, norms / 2, means / norms.clamp(min=1e-12)[:, None, None])


def _ordinary(even: Float[Tensor, "E S D"]) -> _Rows:
    """Principal directions with both signs, from the products of some tokens with each other."""
    some = even[:: max(1, len(even) // _SAMPLED)].flatten(1)
    squares, vectors = torch.linalg.eigh(some @ some.T)
    n = max(1, min(ORDINARY, int((squares > 1e-6 * squares[-1]).sum())))
    directions = torch.nn.functional.normalize(vectors[:, -n:].T.flip(0) @ some, dim=1)
    both = torch.cat([directions, -directions]).unflatten(1, even.shape[1:])
    deviations = (squares[-n:].flip(0).clamp(min=0) / len(some)).sqrt()
    return _Rows(both, torch.cat([deviations, deviations]).clamp(min=1e-6), both)


def _refitted(dictionary: Dictionary, tokens: Float[Tensor, "P S D"], n: int) -> Dictionary:
    """Decoders of the last n features by least squares, with the mean difference of ordinary text as the bias.

    As one feature fires per token, d = Σ f (y − mean) / Σ f².
    """
    codes = alone(dictionary.encode(tokens))
    written = torch.zeros_like(dictionary.W_dec)
    written.index_add_(0, codes.columns, codes.values[:, None, None] * (tokens[codes.rows] - dictionary.b_dec))
    squares = written.new_zeros(len(written)).index_add_(0, codes.columns, codes.values.square())
    fits = (squares > 0) & (torch.arange(len(written), device=written.device) >= len(written) - n)
    fitted = written / squares.clamp(min=1e-12)[:, None, None]
    return replace(dictionary, W_dec=torch.where(fits[:, None, None], fitted, dictionary.W_dec))
