"""How dictionaries are trained, and which sites each of them reads and writes. No torch.

sae                reads a site of a layer, writes the same
transcoder         reads mlp_in, writes mlp_out of the layer
skip_transcoder    the same with a linear path W_skip beside the features
clt                reads mlp_in of a layer, writes mlp_out of that layer and all later ones
"""

from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from gearscope.config import Config
from gearscope.errors import ConfigError
from gearscope.ids import SiteId

Kind = Literal["sae", "transcoder", "skip_transcoder", "clt"]
Selection = Literal["batch_top_k", "top_k"]


class TrainingConfig(Config):
    """Everything that decides the weights, given the activations."""

    kind: Kind
    """What is trained."""
    site: str = "resid_post"
    """The site of each layer that an SAE reads and writes; transcoders read mlp_in and write mlp_out."""
    layers: tuple[int, ...] | None = None
    """The layers with a dictionary, ascending; None for all of the model's."""
    n_features: int = Field(default=4096, ge=1)
    """Features per dictionary."""
    k: int = Field(default=32, ge=1)
    """Active features per token and dictionary; stored thresholds are set to keep this mean."""
    selection: Selection = "batch_top_k"
    """batch_top_k: k per token on average over the batch. top_k: k on every token."""
    tokens: int = Field(default=2_000_000, ge=1)
    """Tokens that are read."""
    batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of one step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Highest learning rate of Adam."""
    warmup: float = Field(default=0.03, ge=0, le=1)
    """Share of the steps over which the learning rate rises from 0."""
    decay: float = Field(default=0.25, ge=0, le=1)
    """Share of the steps, the last ones, over which it falls to 0."""
    beta2: float = Field(default=0.999, gt=0, lt=1)
    """Decay of Adam's second moment."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    dead_after: int = Field(default=250_000, ge=1)
    """Tokens without firing after which a feature counts as dead."""
    aux_weight: float = Field(default=1 / 32, ge=0)
    """Weight of a second loss, for which dead features learn to write what is left over; 0 for none."""
    aux_k: int | None = Field(default=None, ge=1)
    """Dead features per token in the second loss; None for half the width of the model."""
    revive_every: int = Field(default=200, ge=0)
    """Steps after which dead features begin anew on tokens that are written badly; 0 for never."""
    revive_until: float = Field(default=0.7, ge=0, le=1)
    """Share of the steps after which none is begun anew."""
    refit_tokens: int = Field(default=0, ge=0)
    """Tokens behind the last step on which decoders are refitted by least squares; 0 for no refit."""
    held_out_tokens: int = Field(default=65_536, ge=1)
    """Held-out tokens on which thresholds and the features' statistics are measured."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints; a killed run loses at most these."""
    seed: int = 0
    """Decides the first weights."""

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingConfig":
        if self.k > self.n_features:
            raise ConfigError("k must not be above n_features", found=f"{self.k} of {self.n_features}")
        if self.warmup + self.decay > 1:
            raise ConfigError("warmup and decay are shares of the steps", found=f"{self.warmup} + {self.decay} > 1")
        if self.kind != "sae" and self.site != "resid_post":
            raise ConfigError("only an SAE has a choice of site", found=f"site {self.site} with {self.kind}")
        SiteId.parse(f"blocks.0.{self.site}")
        return self

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return max(1, self.tokens // self.batch_tokens)


class Plan(NamedTuple):
    """One dictionary to be trained, its sites given by number."""

    reads: tuple[int, ...]
    writes: range
    """Targets, by their place in `Layout.targets`."""
    skip: bool


class Layout(NamedTuple):
    """The sites of a run, in the order in which activations hold them, and who reads and writes which."""

    sites: tuple[str, ...]
    targets: tuple[int, ...]
    """Numbers of the sites that are written."""
    coders: tuple[Plan, ...]
    n_features: int


def layout_of(config: TrainingConfig, n_layers: int) -> Layout:
    """Which sites of a model with so many layers are read and written. Raises ConfigError for layers it has not."""
    layers = tuple(range(n_layers)) if config.layers is None else config.layers
    if not layers or list(layers) != sorted(set(layers)) or layers[-1] >= n_layers or layers[0] < 0:
        raise ConfigError(f"ascending layers from 0 to {n_layers - 1} were expected", found=str(list(layers)))
    if config.kind == "clt" and layers != tuple(range(n_layers)):
        raise ConfigError(f"a cross-layer transcoder has all {n_layers} layers", found=f"layers {list(layers)}")
    L = len(layers)
    if config.kind == "sae":
        sites = tuple(f"blocks.{layer}.{config.site}" for layer in layers)
        coders = tuple(Plan((i,), range(i, i + 1), False) for i in range(L))
        return Layout(sites, tuple(range(L)), coders, config.n_features)
    reads = tuple(f"blocks.{layer}.mlp_in" for layer in layers)
    writes = tuple(f"blocks.{layer}.mlp_out" for layer in layers)
    end = [L if config.kind == "clt" else i + 1 for i in range(L)]
    coders = tuple(Plan((i,), range(i, end[i]), config.kind == "skip_transcoder") for i in range(L))
    return Layout(reads + writes, tuple(range(L, 2 * L)), coders, config.n_features)
