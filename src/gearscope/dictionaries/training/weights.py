"""The weights of a dictionary set while it is trained, on normalised activations, and how they begin.

Sites are the union of what is read and written. Reading is centred and scaled, writing is scaled:

    x' = (x − mean x) · √D / rms(x − mean x)        y' = y · √D / rms(y − mean y)

so that one learning rate fits all sites. `finish.py` folds this into the stored weights, exactly. At the start

    W_dec    rows of norm 1, drawn at random, into the first site that is written (a cross-layer one's own layer), 0
             into further sites; into all sites where the same are read (a crosscoder)
    W_enc    the transpose of W_dec        (tied: the one choice without which most features die)
    b_dec    the mean of y'                b_enc    0

What selections need beside these is begun from data (`begin_selection`): biases such that each feature fires equally
often, thresholds, and gates that let magnitudes pass as they are.

A bias belongs to a site that is written, and there is one per site however many dictionaries write there. Knows nothing
about batches and losses.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gearscope.dictionaries.training.config import STRONGEST, Layout, TrainingConfig
from gearscope.dictionaries.training.shards import Shards

TRAINED = ("W_enc", "b_enc", "W_dec", "W_skip", "threshold", "r_mag", "b_mag")
"""The trained tensors that a coder may have."""
PER_FEATURE = tuple(name for name in TRAINED if name != "W_skip")
"""Those with an axis of features."""


LOWEST_THRESHOLD = 1e-3
"""In normalised units; the pseudo-gradient of a threshold is proportional to it."""


@cache
def numbers_on(device: torch.device, sites: tuple[int, ...]) -> Int[Tensor, " R"]:
    """Numbers of sites as an index that is there already: a list would be copied to a GPU each time, and waited for."""
    return torch.tensor(sites, device=device)


class Scaling(NamedTuple):
    """What is subtracted from each site where it is read, and what it is multiplied with."""

    mean: Float[Tensor, "M D"]
    factor: Float[Tensor, " M"]

    def read(self, acts: Float[Tensor, "P M D"]) -> Float[Tensor, "P M D"]:
        """As dictionaries read it."""
        return (acts - self.mean) * self.factor[:, None]

    def written(self, acts: Float[Tensor, "P M D"]) -> Float[Tensor, "P M D"]:
        """As dictionaries write it."""
        return acts * self.factor[:, None]


def scaling_of(acts: Float[Tensor, "P M D"]) -> Scaling:
    """Means and scales of a sample. A site that never changes keeps its scale."""
    mean = acts.double().mean(0)
    spread = (acts.double() - mean).square().sum(-1).mean(0)
    factor = torch.where(spread > 0, (acts.shape[2] / spread.clamp(min=1e-300)).sqrt(), 1.0)
    return Scaling(mean.to(acts), factor.to(acts))


@dataclass(kw_only=True)
class Coder:
    """One dictionary's weights. Changed in place by training."""

    reads: tuple[int, ...]
    """Numbers of the sites that it reads."""
    writes: range
    """Numbers of the targets that it writes."""
    W_enc: Float[Tensor, "F I"]
    """I = sites read x D."""
    b_enc: Float[Tensor, " F"]
    W_dec: Float[Tensor, "F W"]
    """W = sites written x D: all that a feature writes is one row."""
    W_skip: Float[Tensor, "D D"] | None
    threshold: Float[Tensor, " F"] | None = None
    """jumprelu."""
    r_mag: Float[Tensor, " F"] | None = None
    """gated: the logarithm of what the gate's pre-activation, without its bias, is multiplied with."""
    b_mag: Float[Tensor, " F"] | None = None
    """gated: what is then added."""

    def named(self) -> dict[str, Tensor]:
        """The trained tensors."""
        every = {name: getattr(self, name) for name in TRAINED}
        return {name: tensor for name, tensor in every.items() if tensor is not None}


@dataclass(kw_only=True)
class Weights:
    """All dictionaries of a set, and one bias per target."""

    coders: tuple[Coder, ...]
    targets: tuple[int, ...]
    """Numbers of the sites that are written."""
    b_dec: Float[Tensor, "S D"]

    def named(self) -> dict[str, Tensor]:
        """Every trained tensor by a name that is unique."""
        found = {f"{number}.{name}": t for number, coder in enumerate(self.coders) for name, t in coder.named().items()}
        return {"b_dec": self.b_dec} | found

    def block(self, first: int, end: int) -> "Weights":
        """The same with these features only, of every dictionary."""
        return self._changed(lambda tensor: tensor[first:end].clone())

    def whole(self, shards: Shards) -> "Weights":
        """The features of all processes. Has to be called by all of them."""
        return self._changed(shards.whole)

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "Weights":
        coders = []
        for coder in self.coders:
            changed = {name: change(tensor) for name, tensor in coder.named().items() if name in PER_FEATURE}
            coders.append(replace(coder, **changed))
        return replace(self, coders=tuple(coders))

    def divided(self) -> list[Tensor]:
        """What is divided among processes that share the features."""
        return [tensor for coder in self.coders for name, tensor in coder.named().items() if name in PER_FEATURE]

    @torch.no_grad()
    def project(self) -> None:
        """Give every decoder row the norm 1, and leave no threshold at 0, where it could not move."""
        for coder in self.coders:
            coder.W_dec /= coder.W_dec.norm(dim=1, keepdim=True).clamp(min=1e-12)
            if coder.threshold is not None:
                coder.threshold.clamp_(min=LOWEST_THRESHOLD)


def first_weights(layout: Layout, first: Float[Tensor, "P M D"], generator: torch.Generator) -> Weights:
    """The weights before the first step; `first` are normalised activations as they are written."""
    D, F = first.shape[2], layout.n_features
    coders = []
    for plan in layout.coders:
        W_dec = torch.zeros(F, len(plan.writes) * D)
        rows = torch.randn(F, len(plan.reads) * D, generator=generator)
        W_enc = rows / rows.norm(dim=1, keepdim=True)
        W_dec[:, : W_enc.shape[1]] = W_enc
        coder = Coder(
            reads=plan.reads,
            writes=plan.writes,
            W_enc=W_enc.to(first),
            b_enc=first.new_zeros(F),
            W_dec=W_dec.to(first),
            W_skip=first.new_zeros(D, D) if plan.skip else None,
        )
        coders.append(coder)
    return Weights(coders=tuple(coders), targets=layout.targets, b_dec=first.mean(0)[list(layout.targets)].clone())


_SAMPLE = 4096
"""Tokens from which levels are taken."""
_FIRST_ACTIVE = 8
"""Times k features are active before the first step, where a penalty makes them fewer."""


@torch.no_grad()
def begin_selection(weights: Weights, config: TrainingConfig, x: Float[Tensor, "P M D"]) -> None:
    """What a selection needs before the first step, for normalised activations `x` as they are read; in place."""
    if config.selection in STRONGEST:
        return
    active = min(config.first_k or _FIRST_ACTIVE * config.k, config.n_features // 2)
    for coder in weights.coders:
        lowest = config.first_threshold if config.selection == "jumprelu" else 0.0
        coder.b_enc += lowest - _level(coder, x, active / config.n_features)
        if config.selection == "jumprelu":
            coder.threshold = torch.full_like(coder.b_enc, config.first_threshold)
        if config.selection == "gated":
            coder.r_mag, coder.b_mag = torch.zeros_like(coder.b_enc), coder.b_enc.clone()


def _level(coder: Coder, x: Float[Tensor, "P M D"], share: float) -> Float[Tensor, " F"]:
    """The pre-activation above which this share of the tokens lies, by feature."""
    pre = x[:_SAMPLE, list(coder.reads)].flatten(1) @ coder.W_enc.T + coder.b_enc
    return pre.kthvalue(max(1, round((1 - share) * len(pre))), dim=0).values
