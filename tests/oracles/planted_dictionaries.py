"""Dictionaries that no training made, as plain matrices, with their arithmetic written out densely from the formulas.

`Plan` says which kind; `plant_set` draws one and returns it twice: as the package's `DictionarySet` and as `Plain`,
which shares no code with it. Thresholds, biases and skips are drawn; nothing is at a trivial value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gearscope.dictionaries.collection import DictionarySet
from gearscope.dictionaries.config import DictionaryConfig
from gearscope.dictionaries.dictionary import Dictionary


@dataclass(frozen=True, kw_only=True)
class Plan:
    cross_layer: bool = False
    skip: bool = False
    activation: str = "jumprelu"
    k: int | None = None
    read: str = "mlp_in"
    read_form: str = "site"
    write_form: str = "before_post_norm"
    n_features: int = 12


@dataclass(frozen=True)
class Plain:
    """Matrices by layer; `W_dec[source, target]` is [F, D]."""

    plan: Plan
    W_enc: Tensor
    b_enc: Tensor
    threshold: Tensor
    W_dec: dict[tuple[int, int], Tensor]
    b_dec: Tensor
    W_skip: Tensor | None

    def activations(self, layer: int, x: Tensor) -> Tensor:
        """Dense activations for inputs x [P, D]."""
        pre = x @ self.W_enc[layer].T + self.b_enc[layer]
        match self.plan.activation:
            case "relu":
                return pre.clamp(min=0)
            case "jumprelu":
                return torch.where(pre > self.threshold[layer], pre, 0.0)
        order = pre.argsort(dim=1, descending=True)
        ranks = order.argsort(dim=1)
        return torch.where(ranks < self.plan.k, pre, 0.0)


def plant_set(
    plan: Plan, n_layers: int, d_model: int, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[DictionarySet, Plain]:
    generator = torch.Generator().manual_seed(seed)
    L, D, F = n_layers, d_model, plan.n_features

    def draw(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1).to(dtype)

    targets = {source: range(source, L if plan.cross_layer else source + 1) for source in range(L)}
    W_dec = {(s, t): draw(F, D) for s in range(L) for t in targets[s]}
    plain = Plain(
        plan=plan,
        W_enc=draw(L, F, D),
        b_enc=draw(L, F),
        threshold=draw(L, F) * 0.5,
        W_dec=W_dec,
        b_dec=draw(L, D),
        W_skip=draw(L, D, D) if plan.skip else None,
    )
    made = [_dictionary(plain, layer, targets[layer]) for layer in range(L)]
    return DictionarySet(dictionaries=tuple(made), model="tiny", scan="planted"), plain


def plant_saes(
    sites: Sequence[str], d_model: int, *, n_features: int = 12, seed: int = 0, dtype: torch.dtype = torch.float64
) -> DictionarySet:
    """SAEs with JumpReLU at these sites; every weight is drawn."""
    pairs = [((site,), (site,)) for site in sites]
    return plant_at(pairs, d_model, n_features=n_features, seed=seed, dtype=dtype)


def plant_at(
    places: Sequence[tuple[tuple[str, ...], tuple[str, ...]]],
    d_model: int,
    *,
    activation: str = "jumprelu",
    k: int | None = None,
    skip: bool = False,
    read_form: str = "site",
    write_form: str = "site",
    rectified: bool = False,
    n_features: int = 12,
    seed: int = 0,
    model: str = "tiny",
    dtype: torch.dtype = torch.float64,
) -> DictionarySet:
    """Dictionaries that read and write these sites; every weight is drawn. `rectified`: no threshold below 0."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1).to(dtype)

    def threshold() -> Tensor:
        drawn = draw(n_features) * 0.5
        return drawn.abs() if rectified else drawn

    made = [
        Dictionary(
            config=DictionaryConfig(
                reads=reads,
                writes=writes,
                n_features=n_features,
                d_model=d_model,
                activation=activation,
                k=k,
                read_form=read_form,
                write_form=write_form,
            ),
            W_enc=draw(n_features, len(reads), d_model),
            b_enc=draw(n_features),
            W_dec=draw(n_features, len(writes), d_model),
            b_dec=draw(len(writes), d_model),
            threshold=threshold() if activation == "jumprelu" else None,
            W_skip=draw(d_model, d_model) if skip else None,
        )
        for reads, writes in places
    ]
    return DictionarySet(dictionaries=tuple(made), model=model)


def _dictionary(plain: Plain, layer: int, targets: range) -> Dictionary:
    plan, D = plain.plan, plain.W_enc.shape[2]
    biases = torch.zeros(len(targets), D, dtype=plain.b_dec.dtype)
    biases[0] = plain.b_dec[layer]
    return Dictionary(
        config=DictionaryConfig(
            reads=(f"blocks.{layer}.{plan.read}",),
            writes=tuple(f"blocks.{target}.mlp_out" for target in targets),
            n_features=plan.n_features,
            d_model=D,
            activation=plan.activation,
            k=plan.k,
            read_form=plan.read_form,
            write_form=plan.write_form,
        ),
        W_enc=plain.W_enc[layer][:, None],
        b_enc=plain.b_enc[layer],
        W_dec=torch.stack([plain.W_dec[layer, target] for target in targets], dim=1),
        b_dec=biases,
        threshold=plain.threshold[layer] if plan.activation == "jumprelu" else None,
        W_skip=None if plain.W_skip is None else plain.W_skip[layer],
    )
