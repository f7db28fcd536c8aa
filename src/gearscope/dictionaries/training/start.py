"""Training that goes on from finished dictionaries, with room for more features.

What `finish.py` folded is taken apart again: with a and mean the scales and means of this run's sites, n the norm of a
feature's whole decoder row in normalised units, and θ left out, since batch top-k finds its own cut,

    W_dec ← a_s W_dec / n      W_enc ← n W_enc / a_r      b_enc ← n (b_enc + Σ_r W_enc mean_r)
    b_dec ← a_s Σ b_dec        W_skip ← a_s W_skip / a_r  b_dec ← b_dec + a_s W_skip mean_r

Features behind those that were there write in the direction drawn for them and never fire, until they begin anew on
tokens that are written badly (`revive.py`), as dead ones do. Knows nothing about models.
"""

from dataclasses import replace

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.training.config import STRONGEST, Layout, TrainingConfig
from gearscope.dictionaries.training.weights import Coder, Scaling, Weights
from gearscope.errors import ConfigError, DictionaryError


def those_trained(start: DictionarySet, layout: Layout) -> DictionarySet:
    """The dictionaries of `start` that a run goes on with; the others stay as they are. Raises DictionaryError."""
    wanted = [tuple(layout.sites[site] for site in plan.reads) for plan in layout.coders]
    chosen = tuple(d for d in start.dictionaries if d.config.reads in wanted)
    if not chosen:
        expected = f"dictionaries that read {', '.join(site for reads in wanted for site in reads)} were expected"
        raise DictionaryError(expected, found=f"ones that read {', '.join(c.reads[0] for c in start.configs)}")
    return replace(start, dictionaries=chosen)


def put_back(trained: DictionarySet, start: DictionarySet) -> DictionarySet:
    """All dictionaries of `start`, those that were trained in place of what they began as."""
    new = {d.config.reads: d for d in trained.dictionaries}
    return replace(trained, dictionaries=tuple(new.get(d.config.reads, d) for d in start.dictionaries))


def check_start(start: DictionarySet, config: TrainingConfig, layout: Layout) -> None:
    """Raise ConfigError or DictionaryError unless a run with these settings can go on from these dictionaries."""
    if config.selection not in STRONGEST:
        expected = f"selection {' or '.join(STRONGEST)} was expected, to go on from finished dictionaries"
        raise ConfigError(expected, found=config.selection)
    wanted = [
        (
            tuple(layout.sites[site] for site in plan.reads),
            tuple(layout.sites[layout.targets[target]] for target in plan.writes),
            plan.skip,
        )
        for plan in layout.coders
    ]
    found = [(d.config.reads, d.config.writes, d.W_skip is not None) for d in start.dictionaries]
    if found != wanted or any(c.read_form != "site" or c.write_form != "site" for c in start.configs):
        hint = "give the --set layers=..., kind and site that they were trained with"
        raise DictionaryError(
            f"dictionaries of kind {config.kind} that read {', '.join(reads[0] for reads, _, _ in wanted)} were "
            "expected to go on from",
            found=f"kind {start.kind} that reads {', '.join(c.reads[0] for c in start.configs)}",
            hint=hint,
        )
    widest = max(c.n_features for c in start.configs)
    if widest > config.n_features:
        expected = f"n_features of {widest} or more was expected: so many has one of the dictionaries to go on from"
        raise ConfigError(expected, found=str(config.n_features))


@torch.no_grad()
def go_on_from(start: DictionarySet, weights: Weights, scaling: Scaling) -> list[int]:
    """Put finished dictionaries into the first rows of `weights`; return how many rows each of them took."""
    weights.b_dec.zero_()
    for coder, dictionary in zip(weights.coders, start.dictionaries, strict=True):
        _put(dictionary, coder, weights, scaling)
    return [config.n_features for config in start.configs]


def _put(dictionary: Dictionary, coder: Coder, weights: Weights, scaling: Scaling) -> None:
    F = dictionary.config.n_features
    reads, writes = list(coder.reads), [weights.targets[target] for target in coder.writes]
    factor, mean = scaling.factor.double(), scaling.mean.double()[reads]
    a_read, a_write = factor[reads], factor[writes]
    W_enc, b_enc, W_dec, b_dec = (_double(t, factor) for t in _matrices(dictionary))
    b_enc = b_enc + (W_enc * mean).sum((1, 2))
    W_dec = (W_dec * a_write[:, None]).flatten(1)
    size = W_dec.norm(dim=1, keepdim=True).clamp(min=1e-12)
    coder.W_enc.zero_()
    coder.b_enc.zero_()
    coder.W_enc[:F] = ((W_enc / a_read[:, None]).flatten(1) * size).to(coder.W_enc)
    coder.b_enc[:F] = (b_enc * size[:, 0]).to(coder.b_enc)
    coder.W_dec[:F] = (W_dec / size).to(coder.W_dec)
    if coder.W_skip is not None and dictionary.W_skip is not None:
        W_skip = _double(dictionary.W_skip, factor)
        coder.W_skip.copy_(W_skip * (a_write[0] / a_read[0]))
        b_dec[0] += W_skip @ mean[0]
    weights.b_dec[list(coder.writes)] += (b_dec * a_write[:, None]).to(weights.b_dec)


def _matrices(dictionary: Dictionary) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return dictionary.W_enc, dictionary.b_enc, dictionary.W_dec, dictionary.b_dec


def _double(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor.to(like.device, torch.float64, copy=True)
