"""The two dictionaries that a trained one stands between: random directions, and the planted ones.

    random     decoders and encoders drawn at random (tied in an SAE), one threshold for the L0 of the trained one
    planted    the true directions as decoders; encoders by least squares from what is read to the true activations,

                   min_W ‖X Wᵀ + b − A‖² + λ ‖W‖²        λ = 1e-3 · the mean square of a dimension, summed over tokens

               each with the threshold at which it fires as often as its truth, and scaled so that its mean there is
               the truth's: what one linear map and a threshold can read out of superposition

Both have the sites of the trained set. Knows nothing about training.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.planted.draw import Block
from gearscope.planted.stream import FITTED, blocks
from gearscope.planted.truth import Truth

_FITTED_TOKENS = 32_768
_RIDGE = 1e-3


@torch.no_grad()
def random_like(trained: DictionarySet, truth: Truth, active: list[float], seed: int) -> DictionarySet:
    """Random dictionaries of the sizes and sites of `trained`; `active` features per token, by dictionary."""
    sample = _sample(truth)
    draw = torch.Generator().manual_seed(seed)
    made = []
    for config, l0 in zip(trained.configs, active, strict=True):
        W_dec = _random_rows(config.n_features, len(config.writes), config.d_model, draw)
        tied = config.reads == config.writes
        W_enc = W_dec if tied else _random_rows(config.n_features, len(config.reads), config.d_model, draw)
        x = _read(truth, config, sample)
        b_enc = -(W_enc.flatten(1) @ x.mean(0))
        pre = (x @ W_enc.flatten(1).T + b_enc).flatten()
        n_active = min(len(pre) - 1, round(l0 * len(x)))
        threshold = pre.topk(n_active + 1).values[-1].expand(config.n_features).clone()
        made.append(_dictionary(truth, trained, config, W_enc, b_enc, W_dec, threshold))
    return DictionarySet(dictionaries=tuple(made), model=trained.model)


@torch.no_grad()
def planted_like(trained: DictionarySet, truth: Truth) -> DictionarySet:
    """The planted dictionaries at the sites of `trained`, one feature per truth."""
    sample = _sample(truth)
    made = []
    for config in trained.configs:
        truths = truth.of(config)
        x, a = _read(truth, config, sample), sample.codes[:, truths]
        W, b, threshold = _best_linear(x, a)
        W_dec = truth.written(config)[truths].view(len(truths), -1, config.d_model)
        made.append(_dictionary(truth, trained, config, W.view(len(truths), -1, config.d_model), b, W_dec, threshold))
    return DictionarySet(dictionaries=tuple(made), model=trained.model)


def _best_linear(
    x: Float[Tensor, "P I"], a: Float[Tensor, "P U"]
) -> tuple[Float[Tensor, "U I"], Float[Tensor, " U"], Float[Tensor, " U"]]:
    """Encoders, their biases and thresholds."""
    mean = x.mean(0)
    centred = (x - mean).double()
    gram = centred.T @ centred
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
    W = torch.linalg.solve(gram, centred.T @ (a - a.mean(0)).double()).T.float()
    b = a.mean(0) - W @ mean
    pre = x @ W.T + b
    fires = a > 0
    count = fires.sum(0).clamp(min=1, max=len(x) - 1)
    ordered = pre.sort(dim=0, descending=True).values
    threshold = (ordered.gather(0, count[None] - 1) + ordered.gather(0, count[None]))[0] / 2
    threshold = threshold.clamp(min=0)
    above = pre > threshold
    scale = a.sum(0) / count / ((pre * above).sum(0) / above.sum(0).clamp(min=1)).clamp(min=1e-6)
    scale = torch.where(scale > 0, scale, 1.0)
    return W * scale[:, None], b * scale, threshold * scale


def _sample(truth: Truth) -> Block:
    drawn = list(blocks(truth, FITTED, _FITTED_TOKENS))
    return Block(torch.cat([block.codes for block in drawn]), torch.cat([block.acts for block in drawn]))


def _read(truth: Truth, config: DictionaryConfig, sample: Block) -> Float[Tensor, "P I"]:
    return sample.acts[:, [truth.place(site) for site in config.reads]].flatten(1)


def _random_rows(n: int, sites: int, d_model: int, draw: torch.Generator) -> Float[Tensor, "F S D"]:
    rows = torch.randn(n, sites * d_model, generator=draw)
    return (rows / rows.norm(dim=1, keepdim=True)).view(n, sites, d_model)


def _dictionary(
    truth: Truth,
    trained: DictionarySet,
    config: DictionaryConfig,
    W_enc: Float[Tensor, "F R D"],
    b_enc: Float[Tensor, " F"],
    W_dec: Float[Tensor, "F S D"],
    threshold: Float[Tensor, " F"],
) -> Dictionary:
    """With the true bias of each site, written by the last dictionary that writes there."""
    last = {site: number for number, other in enumerate(trained.configs) for site in other.writes}
    here = trained.configs.index(config)
    b_dec = torch.stack([truth.bias[truth.place(site)] * (last[site] == here) for site in config.writes])
    kept = {"n_features": len(W_enc), "activation": "jumprelu", "k": None}
    return Dictionary(
        config=config.model_copy(update=kept), W_enc=W_enc, b_enc=b_enc, W_dec=W_dec, b_dec=b_dec, threshold=threshold
    )
