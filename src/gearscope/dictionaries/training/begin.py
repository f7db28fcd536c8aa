"""How loud a dictionary that writes what it reads begins: encoders scaled by least squares, before the first step.

Tied rows of norm 1 select well and write too much: each of the k strongest features writes its own projection, and
these overlap. One number per dictionary, the α for which α ŷ is closest to y − b on a sample,

    α = Σ ⟨ŷ, y − b⟩ / Σ ‖ŷ‖²         W_enc ← α W_enc

mends that. Selection does not change, because all pre-activations are multiplied alike. A dictionary that writes
something else than it reads (a transcoder) is left alone: what its first rows write has nothing to do with y. Knows
nothing about steps.
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


@torch.no_grad()
def fit_loudness(
    weights: Weights, config: TrainingConfig, x: Float[Tensor, "P M D"], y: Float[Tensor, "P S D"]
) -> None:
    """Scale encoders in place, for normalised activations as they are read and written; where k features are kept."""
    if config.selection not in STRONGEST:
        return
    y = y - weights.b_dec
    for coder in weights.coders:
        if coder.reads != tuple(weights.targets[target] for target in coder.writes):
            continue
        coded, _ = codes_of(coder, x, config, k_at(config, 0), None)
        written = decode(coded.pattern, coded.values, coder.W_dec)
        wanted = y[:, coder.writes.start : coder.writes.stop].flatten(1)
        overlap, size = (written * wanted).sum(), written.square().sum()
        coder.W_enc *= torch.where(overlap > 0, overlap / size, 1.0)
