"""How loud a dictionary begins: its encoder is scaled by one number, before the first step.

Tied rows of norm 1 select well and write too much: each of the k strongest features writes its own projection, and
these overlap. With ŷ what is written on a sample, and y − b what is wanted,

    α = Σ ⟨ŷ, y − b⟩ / Σ ‖ŷ‖²             least squares, where a dictionary writes what it reads
    α = 0.3 · √(Σ ‖y − b‖² / Σ ‖ŷ‖²)      elsewhere: what its first rows write has nothing to do with y, so little of it
    W_enc ← α W_enc

Selection does not change, because all pre-activations are multiplied alike. Knows nothing about steps.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.training.codes import codes_of
from gearscope.dictionaries.training.config import STRONGEST, TrainingConfig
from gearscope.dictionaries.training.schedule import k_at
from gearscope.dictionaries.training.sparse import decode
from gearscope.dictionaries.training.weights import Weights

FITTED = 4096
"""Tokens on which α is measured."""
_QUIET = 0.3
"""Size of what a transcoder writes at first, beside what it should write."""


@torch.no_grad()
def fit_loudness(
    weights: Weights, config: TrainingConfig, x: Float[Tensor, "P M D"], y: Float[Tensor, "P S D"]
) -> None:
    """Scale encoders in place, for normalised activations as they are read and written; where k features are kept."""
    if config.selection not in STRONGEST:
        return
    y = y - weights.b_dec
    for coder in weights.coders:
        coded, _ = codes_of(coder, x, config, k_at(config, 0), None)
        sites = len(coder.reads)  # a cross-layer transcoder writes its own layer only, at first
        wanted = y[:, coder.writes.start : coder.writes.start + sites].flatten(1)
        written = decode(coded.pattern, coded.values, coder.W_dec)[:, : wanted.shape[1]]
        size = written.square().sum().clamp(min=1e-12)
        if coder.reads == tuple(weights.targets[target] for target in coder.writes):
            coder.W_enc *= ((written * wanted).sum() / size).clamp(min=1e-3)
        else:
            coder.W_enc *= _QUIET * (wanted.square().sum() / size).sqrt().clamp(min=1e-3)
