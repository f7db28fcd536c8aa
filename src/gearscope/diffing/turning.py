"""A change turned off in B and on in A: what its directions write where they fire, taken out or put in at one site.

    off    x_B ← x_B + Σ f (d_A − d_B)            on    x_A ← x_A + Σ f (d_B − d_A)

at every token on which one of them fires; everything behind the site runs on. The control adds, token by token, a
vector of the same size in the direction of a feature that is no part of any change. Knows nothing about how changes
are found.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.selection import Codes
from gearscope.diffing.crosscoder import decoders_of
from gearscope.diffing.effects import moved
from gearscope.diffing.pair import Pair
from gearscope.diffing.report import Turned
from gearscope.diffing.survey import encoded


def alone(codes: Codes) -> Codes:
    """The strongest feature of each token, and no other."""
    order = codes.values.argsort(descending=True, stable=True)
    order = order[codes.rows[order].argsort(stable=True)]
    rows = codes.rows[order]
    first = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    first[1:] = rows[1:] != rows[:-1]
    kept = order[first]
    return Codes(codes.rows[kept], codes.columns[kept], codes.values[kept], codes.n_rows)


def fired_on(
    pair: Pair, dictionary: Dictionary, sites: Sequence[str], ids: Int[Tensor, "B C"], one_each: bool = True
) -> Float[Tensor, "B C F"]:
    """Activations on some windows, of the strongest feature of each token or of all; none at the first position."""
    runs = [model.read(ids, list(sites)) for model in pair]
    acts = torch.stack([torch.cat([run[site][:, 1:].flatten(0, 1) for site in sites], dim=1) for run in runs]).float()
    codes = encoded(dictionary, acts)
    f = (alone(codes) if one_each else codes).dense(dictionary.config.n_features)
    f = f.view(len(ids), ids.shape[1] - 1, -1)
    return torch.cat([torch.zeros_like(f[:, :1]), f], dim=1)


def step_of(
    dictionary: Dictionary, f: Float[Tensor, "B C F"], features: Sequence[int], site: int
) -> Float[Tensor, "B C D"]:
    """What these features write at a site in B above what they write in A."""
    d_a, d_b = (decoder[list(features), site] for decoder in decoders_of(dictionary))
    return f[..., list(features)] @ (d_b - d_a)


def in_the_direction_of(
    dictionary: Dictionary, feature: int, site: int, like: Float[Tensor, "B C D"]
) -> Float[Tensor, "B C D"]:
    """A vector as long as another one at every token, in the direction of a feature's step."""
    d_a, d_b = (decoder[feature, site] for decoder in decoders_of(dictionary))
    step = d_b - d_a
    return like.norm(dim=-1, keepdim=True) * (step / step.norm().clamp(min=1e-12))


@torch.no_grad()
def turned(
    pair: Pair,
    dictionary: Dictionary,
    sites: Sequence[str],
    features: Sequence[int],
    controls: Sequence[int],
    ids: Int[Tensor, "B C"],
) -> tuple[Turned, ...]:
    """The effect at each site, on the tokens of these windows on which the features fire."""
    f = fired_on(pair, dictionary, sites, ids)
    here = (f[..., list(features)] > 0).any(-1)
    plain_a, plain_b = (model.run(ids).logits.float().log_softmax(-1) for model in pair)
    found = []
    for number, site in enumerate(sites):
        step = step_of(dictionary, f, features, number)
        others = [in_the_direction_of(dictionary, control, number, step) for control in controls]

        def undone(added: Float[Tensor, "B C D"], site: str = site) -> float:
            return _nearer(plain_a, plain_b, moved(pair.b, ids, site, added), here)

        found.append(
            Turned(
                site=site,
                undone=undone(-step),
                undone_control=sum(undone(-other) for other in others) / max(1, len(others)),
                made=_nearer(plain_b, plain_a, moved(pair.a, ids, site, step), here),
            )
        )
    return tuple(found)


@torch.no_grad()
def undone_by(
    pair: Pair,
    dictionary: Dictionary,
    sites: Sequence[str],
    feature: int,
    others: Sequence[int],
    ids: Int[Tensor, "B C"],
) -> list[float]:
    """Where a feature fires: what is undone by as much of the direction of each other one, at the last site."""
    f = fired_on(pair, dictionary, sites, ids)
    last, here = len(sites) - 1, f[..., feature] > 0
    plain_a, plain_b = (model.run(ids).logits.float().log_softmax(-1) for model in pair)
    step = step_of(dictionary, f, [feature], last)
    steps = [in_the_direction_of(dictionary, other, last, step) for other in others]
    return [_nearer(plain_a, plain_b, moved(pair.b, ids, sites[last], -one), here) for one in steps]


def _nearer(
    to: Float[Tensor, "B C V"], plain: Float[Tensor, "B C V"], edited: Float[Tensor, "B C V"], here: Bool[Tensor, "B C"]
) -> float:
    """1 − KL(to ‖ edited) / KL(to ‖ plain), of means over tokens."""
    p, q, r = to[here], plain[here], edited[here].log_softmax(-1)
    return 1 - float((p.exp() * (p - r)).sum() / (p.exp() * (p - q)).sum().clamp(min=1e-12))
