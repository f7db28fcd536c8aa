"""A crosscoder of two models: trained by the engine of all dictionaries, stored with one decoder row per model.

Trained on u = (a + b) / 2 and v = b − a, it is one of a and b by a change of basis, exactly:

    W_u u + W_v v = (W_u / 2 − W_v) a + (W_u / 2 + W_v) b        â = û − v̂ / 2        b̂ = û + v̂ / 2

Features are shared by construction: one code, a decoder for each model. BatchTopK and no L1, which would shrink the
weaker of two decoders to nothing (Minder et al. 2025, section 2.2). Knows nothing about models.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.dictionaries.dictionary import Dictionary
from gearscope.dictionaries.training.config import Layout, Plan, TrainingConfig, layout_of
from gearscope.dictionaries.training.train import Report, Source, train
from gearscope.diffing.config import DiffConfig, Planes
from gearscope.diffing.pair import of_both
from gearscope.errors import ConfigError


def sites_of(config: TrainingConfig, n_layers: int) -> tuple[str, ...]:
    """The sites of one model that are compared; of the layer two thirds of the way where no layers are set.

    Raises ConfigError for another kind of dictionary, and for layers that the model has not.
    """
    if config.kind != "crosscoder":
        raise ConfigError("two models are compared with a crosscoder", found=config.kind)
    layers = (max(0, round(2 * n_layers / 3) - 1),) if config.layers is None else config.layers
    return layout_of(config.model_copy(update={"layers": layers}), n_layers).sites


def train_crosscoder(
    config: DiffConfig,
    sites: Sequence[str],
    source: Source,
    held_out: Iterable[Float[Tensor, "P M D"]],
    folder: Path,
    *,
    progress: Report | None = None,
    resume: bool = False,
) -> Dictionary:
    """The crosscoder of both models, on raw activations. Raises what `dictionaries.training.train` raises."""
    names = of_both(sites)
    every = range(len(names))
    layout = Layout(names, tuple(every), (Plan(tuple(every), every, False),), config.training.n_features)
    made = train(config.training, layout, source, held_out, folder, progress=progress, resume=resume)
    return unmixed(made.dictionaries[0], config.planes)


def unmixed(dictionary: Dictionary, planes: Planes) -> Dictionary:
    """The same crosscoder on the activations of the models themselves."""
    if planes == "models":
        return dictionary
    return replace(
        dictionary,
        W_enc=_by_pairs(dictionary.W_enc, lambda u, v: (u / 2 - v, u / 2 + v)),
        W_dec=_by_pairs(dictionary.W_dec, lambda u, v: (u - v / 2, u + v / 2)),
        b_dec=_by_pairs(dictionary.b_dec[None], lambda u, v: (u - v / 2, u + v / 2))[0],
    )


def of_difference(dictionary: Dictionary) -> Dictionary:
    """A dictionary of b − a as a crosscoder of both models that has no part in their mean:

    d_A = −d / 2        d_B = d / 2        f(a, b) = f(b − a)
    """
    sites = of_both(dictionary.config.reads)
    half = dictionary.W_dec / 2
    return replace(
        dictionary,
        config=dictionary.config.model_copy(update={"reads": sites, "writes": sites}),
        W_enc=torch.stack([-dictionary.W_enc, dictionary.W_enc], dim=2).flatten(1, 2),
        W_dec=torch.stack([-half, half], dim=2).flatten(1, 2),
        b_dec=torch.stack([-dictionary.b_dec / 2, dictionary.b_dec / 2], dim=1).flatten(0, 1),
    )


def _by_pairs(
    planes: Float[Tensor, "F M D"], change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
) -> Float[Tensor, "F M D"]:
    return torch.stack(change(planes[:, 0::2], planes[:, 1::2]), dim=2).flatten(1, 2)


def decoders_of(dictionary: Dictionary) -> tuple[Float[Tensor, "F S D"], Float[Tensor, "F S D"]]:
    """What the features write in A and in B, per site."""
    return dictionary.W_dec[:, 0::2], dictionary.W_dec[:, 1::2]
