"""Tokens of a planted world: which truths fire, how strongly, and the activations that follow.

    g = A ε + √(1 − |A|²) η        one Gaussian per truth, with common causes ε: its correlations are A Aᵀ
    truth i fires      where g_i > Φ⁻¹(1 − rate) and, in a tree, where its parent fires and no sibling exceeds it more
    a_i                its mean · exp(σ z − σ²/2), z normal: always positive

The Gaussian copula and the trees are those of SynthSAEBench (Chanin and Garriga-Alonso 2026, section 3), whose
magnitudes are normal with a ReLU instead. Knows nothing about training.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gearscope.config import fingerprint
from gearscope.planted.truth import Truth


class Block(NamedTuple):
    """Some tokens with their truth."""

    codes: Float[Tensor, "P U"]
    """Activations of all truths, 0 where one does not fire."""
    acts: Float[Tensor, "P M D"]


def draw_block(truth: Truth, split: str, number: int) -> Block:
    """The tokens of a block, the same at every call; `split` tells the training tokens from the held-out ones."""
    seed = int(fingerprint([truth.config.world_seed, split, number]), 16) % 2**63
    draw = torch.Generator().manual_seed(seed)
    codes = draw_codes(truth, truth.config.block_tokens, draw)
    return Block(codes, written_by(truth, codes, draw))


def draw_codes(truth: Truth, n_tokens: int, draw: torch.Generator) -> Float[Tensor, "P U"]:
    """Activations of the truths on so many tokens."""
    fires = _fires(truth, n_tokens, draw)
    spread = truth.config.magnitude_within
    strength = (torch.randn(fires.shape, generator=draw) * spread - spread**2 / 2).exp_() * truth.magnitudes
    codes = torch.where(fires, strength, 0.0)
    for cause, effect in zip(*truth.hops, strict=True):
        alone = codes[:, effect] if truth.config.effects_alone else 0.0
        codes[:, effect] = torch.where(fires[:, cause], codes[:, cause], alone)
    return codes


def written_by(truth: Truth, codes: Float[Tensor, "P U"], draw: torch.Generator) -> Float[Tensor, "P M D"]:
    """The activations at all sites, with the bias and fresh noise."""
    acts = (codes @ truth.directions.flatten(1)).view(len(codes), *truth.bias.shape) + truth.bias
    if truth.config.noise:
        acts += torch.randn(acts.shape, generator=draw) * truth.config.noise
    return acts


def _fires(truth: Truth, n_tokens: int, draw: torch.Generator) -> Bool[Tensor, "P U"]:
    excess = _gaussians(truth, n_tokens, draw) - _thresholds(truth)
    fires = excess > 0
    for parents, children in truth.generations:
        above = excess[:, children]
        chosen = fires[:, children] & fires[:, parents][:, :, None]
        if truth.config.exclusive:
            chosen &= above == above.amax(2, keepdim=True)
        fires[:, children] = chosen
    return fires


def _gaussians(truth: Truth, n_tokens: int, draw: torch.Generator) -> Float[Tensor, "P U"]:
    U, n_causes = truth.loadings.shape
    own = torch.randn(n_tokens, U, generator=draw)
    shared = truth.config.pair_correlation
    first, second = truth.pairs
    own[:, second] = shared * own[:, first] + (1 - shared**2) ** 0.5 * own[:, second]
    causes = torch.randn(n_tokens, n_causes, generator=draw)
    return causes @ truth.loadings.T + own * (1 - truth.loadings.square().sum(1)).sqrt()


def _thresholds(truth: Truth) -> Float[Tensor, " U"]:
    """What a truth's Gaussian must exceed, so that it fires at its rate, or at its share of its parent's."""
    parents = truth.parents()
    above = torch.where(parents < 0, 1.0, truth.rates[parents.clamp(min=0)])
    return torch.special.ndtri(1 - (truth.rates / above).double()).float()
