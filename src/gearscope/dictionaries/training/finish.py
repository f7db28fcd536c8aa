"""From trained weights to dictionaries that act on raw activations, with one threshold per dictionary.

Where training keeps k x tokens of a batch, a threshold takes that place here, so that each token stands for itself: the
value above which, over held-out tokens, k features per token lie (Bussmann et al. 2024, section 3: batch top-k at
inference). The k strongest of each token stay that, and relu and jumprelu what they are. A gate becomes a threshold,
exactly (Rajamanoharan et al. 2024a): with pre = e^r x W_enc + b_mag, π > 0 where pre > b_mag − e^r b_enc. What
`weights.py` subtracts and multiplies is folded in:

    W_enc ← a_r W_enc      b_enc ← b_enc − Σ_r W_enc mean_r      W_dec ← W_dec / a_s      b_dec ← b_dec / a_s
    W_skip ← a_r W_skip / a_s                                    b_dec ← b_dec − W_skip mean_r

Activations stay as they were in training, so a threshold needs no folding. Knows nothing about models.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.training.config import Layout, TrainingConfig
from gearscope.dictionaries.training.strongest import batch_top_k
from gearscope.dictionaries.training.weights import Coder, Scaling, Weights

_SEARCHED = 2
"""A part of the held-out tokens may have so many times k features per token above the threshold."""


@torch.no_grad()
def thresholds_of(
    weights: Weights, scaling: Scaling, held_out: Iterable[Float[Tensor, "P M D"]], config: TrainingConfig
) -> tuple[Tensor | None, ...]:
    """The thresholds of each dictionary's features, [F]; None where there are none.

    Of batch top-k: the value with k features per token above it, over all held-out tokens.
    """
    if config.selection != "batch_top_k":
        return tuple(_own_threshold(coder) for coder in weights.coders)
    found: list[list[Tensor]] = [[] for _ in weights.coders]
    k = config.k
    n_tokens = 0
    for acts in held_out:
        x = scaling.read(acts)
        n_tokens += len(x)
        for coder, values in zip(weights.coders, found, strict=True):
            read = x[:, list(coder.reads)].flatten(1)
            searched = min(_SEARCHED * k, len(coder.W_enc))
            values.append(batch_top_k(read, coder.W_enc, coder.b_enc, searched, None)[0].values)
    cuts = [_cut(torch.cat(values), k * n_tokens) for values in found]
    return tuple(torch.full_like(coder.b_enc, cut) for coder, cut in zip(weights.coders, cuts, strict=True))


def _own_threshold(coder: Coder) -> Float[Tensor, " F"] | None:
    if coder.r_mag is not None and coder.b_mag is not None:
        return (coder.b_mag - coder.r_mag.exp() * coder.b_enc).clamp(min=0)
    return coder.threshold


def _cut(values: Float[Tensor, " K"], n_above: int) -> float:
    """A number with `n_above` of the values above it: half way to the next one; 0 when there are not so many."""
    if len(values) <= n_above:
        return 0.0
    lowest, next_one = values.topk(n_above + 1).values[-2:].tolist()
    return (lowest + next_one) / 2


def finished(
    weights: Weights,
    scaling: Scaling,
    layout: Layout,
    thresholds: Iterable[Tensor | None],
    *,
    k: int | None = None,
    model: str,
) -> DictionarySet:
    """The dictionaries; `k` features are active on every token, None for as many as thresholds say.

    Raises DictionaryError when weights are not finite.
    """
    owner = {target: number for number, coder in enumerate(weights.coders) for target in coder.writes}
    made = []
    for number, (coder, threshold) in enumerate(zip(weights.coders, thresholds, strict=True)):
        b_dec = weights.b_dec[list(coder.writes)].clone()
        for place, target in enumerate(coder.writes):
            if owner[target] != number:
                b_dec[place] = 0  # a site's bias is written once, by the last dictionary that writes there
        made.append(_folded(coder, scaling, layout, b_dec, threshold, k))
    return DictionarySet(dictionaries=tuple(made), model=model)


def _folded(
    coder: Coder,
    scaling: Scaling,
    layout: Layout,
    b_dec: Float[Tensor, "S D"],
    threshold: Tensor | None,
    k: int | None,
) -> Dictionary:
    written = [layout.targets[target] for target in coder.writes]
    F, D = coder.W_enc.shape[0], b_dec.shape[1]
    a_read, mean = scaling.factor.double()[list(coder.reads)], scaling.mean.double()[list(coder.reads)]
    a_write = scaling.factor.double()[written]
    W_enc, b_enc = coder.W_enc.double().view(F, -1, D) * a_read[:, None], coder.b_enc.double()
    if coder.r_mag is not None and coder.b_mag is not None:
        W_enc, b_enc = W_enc * coder.r_mag.double().exp()[:, None, None], coder.b_mag.double()
    b_enc = b_enc - (W_enc * mean).sum((1, 2))
    W_dec = coder.W_dec.double().view(F, -1, D) / a_write[:, None]
    bias = b_dec.double() / a_write[:, None]
    W_skip = None
    if coder.W_skip is not None:
        W_skip = coder.W_skip.double() * (a_read[0] / a_write[0])
        bias[0] -= W_skip @ mean[0]
        W_skip = W_skip.float()
    config = DictionaryConfig(
        reads=tuple(layout.sites[site] for site in coder.reads),
        writes=tuple(layout.sites[site] for site in written),
        n_features=F,
        d_model=D,
        activation="topk_relu" if k is not None else "relu" if threshold is None else "jumprelu",
        k=k,
    )
    return Dictionary(
        config=config,
        W_enc=W_enc.float(),
        b_enc=b_enc.float(),
        W_dec=W_dec.float(),
        b_dec=bias.float(),
        threshold=threshold,
        W_skip=W_skip,
    )
