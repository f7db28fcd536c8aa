"""How dictionaries are trained, and which sites each of them reads and writes. No torch.

sae                reads a site of a layer, writes the same
transcoder         reads mlp_in, writes mlp_out of the layer
skip_transcoder    the same with a linear path W_skip beside the features
clt                reads mlp_in of a layer, writes mlp_out of that layer and all later ones
crosscoder         reads a site of several layers at once, writes the same
"""

from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from gearscope.config import Config
from gearscope.errors import ConfigError
from gearscope.ids import SiteId

Kind = Literal["sae", "transcoder", "skip_transcoder", "clt", "crosscoder"]
Selection = Literal["batch_top_k", "top_k", "relu", "jumprelu", "gated"]
STRONGEST = ("batch_top_k", "top_k")
"""Selections that keep a fixed number; the others keep what is above a threshold, under a penalty."""


class TrainingConfig(Config):
    """Everything that decides the weights, given the activations."""

    kind: Kind
    """What is trained."""
    site: str = "resid_post"
    """The site that SAEs and crosscoders read and write in each layer; transcoders read mlp_in and write mlp_out."""
    layers: tuple[int, ...] | None = None
    """The layers with a dictionary, ascending; None for all of the model's."""
    n_features: int = Field(default=4096, ge=1)
    """Features per dictionary."""
    k: int = Field(default=32, ge=1)
    """Active features per token and dictionary; stored thresholds keep this mean, top_k every token's number, and
    penalties aim at it."""
    first_k: int | None = Field(default=None, ge=1)
    """Active features at the first step. They then fall geometrically to k where a fixed number is kept (None: k from
    the start), and as the penalty has it elsewhere (None: 8 k)."""
    k_until: float = Field(default=0.5, gt=0, le=1)
    """Share of the steps after which k is reached."""
    selection: Selection = "batch_top_k"
    """batch_top_k: k per token on average over the batch. top_k: k on every token. relu, jumprelu, gated: all that are
    above 0, above a trained threshold, or let through by a trained gate."""
    prefixes: tuple[int, ...] = ()
    """Matryoshka: the first so many features must write as well as they can by themselves; ascending, n_features is
    always among them. The loss is the mean over the prefixes."""
    sparsity_weight: float = Field(default=1.0, ge=0)
    """Weight of the penalty of relu, jumprelu and gated."""
    sparsity_warmup: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps over which it rises from 0."""
    aims_at_k: bool = True
    """The penalty's weight is multiplied with (active / k - 1), so that k are active in the end. Otherwise it is fixed,
    and how many are active is what comes out."""
    tanh_scale: float = Field(default=4.0, gt=0)
    """jumprelu: the penalty of an activation f is tanh(tanh_scale * f)."""
    first_threshold: float = Field(default=0.1, gt=0)
    """jumprelu: thresholds before the first step, in normalised units."""
    bandwidth: float = Field(default=0.5, gt=0)
    """jumprelu: width of the window around a threshold in which pre-activations move it."""
    ste_everywhere: bool = False
    """jumprelu: pre-activations in the window get its gradient too, and not the threshold alone."""
    preact_weight: float = Field(default=0.0, ge=0)
    """jumprelu: weight of a loss that raises the pre-activations of dead features up to their threshold."""
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
    clip_norm: float = Field(default=0.01, gt=0)
    """Largest norm of the gradient, of a loss that is a mean over dimensions. Norms are .1 to .4, so that all steps'
    gradients have this one: else the first ones, which are large, make later steps short for a thousand steps."""
    own_share: float | None = Field(default=None, ge=0, lt=1)
    """Cross-layer transcoders: share of the loss that each layer's own features must lower alone, so that chains of
    steps are not rewritten into one. None: each layer's own features are trained alone, and what is written to later
    layers is what these leave over: of planted chains 61 and 82 % are kept so, and 36 and 57 % with 0.3."""
    jacobian_weight: float = Field(default=0.0, ge=0)
    """Transcoders: weight of the distance between their slopes and the MLP's, along random directions."""
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
    prune_tokens: int = Field(default=0, ge=0)
    """Tokens behind the last step on which features are counted, to leave out those that hardly fire; 0 to keep all."""
    prune_below: int | tuple[int, ...] = 1
    """A feature that fires on fewer of these tokens is left out; one number for all dictionaries, or one for each."""
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
        if self.kind not in ("sae", "crosscoder") and self.site != "resid_post":
            raise ConfigError("only SAEs and crosscoders have a choice of site", found=f"{self.site} with {self.kind}")
        if self.first_k is not None and not self.k <= self.first_k <= self.n_features:
            allowed = f"{self.k} (k) to {self.n_features} (n_features)"
            raise ConfigError(f"first_k from {allowed} was expected", found=str(self.first_k))
        sizes = [0, *self.prefixes]
        if sizes != sorted(set(sizes)) or sizes[-1] > self.n_features:
            expected = f"ascending prefixes of at most {self.n_features} features were expected"
            raise ConfigError(expected, found=str(list(self.prefixes)))
        if self.jacobian_weight and (self.kind in ("sae", "crosscoder") or self.selection == "gated"):
            found = f"{self.kind} with selection {self.selection}"
            raise ConfigError("jacobian_weight belongs to transcoders without gates", found=found)
        least = self.prune_below if isinstance(self.prune_below, tuple) else (self.prune_below,)
        if min(least, default=0) < 1:
            raise ConfigError("prune_below of 1 or more was expected", found=str(self.prune_below))
        if self.own_share and self.kind != "clt":
            raise ConfigError("own_share belongs to cross-layer transcoders", found=f"it with {self.kind}")
        if self.preact_weight and self.selection != "jumprelu":
            raise ConfigError("preact_weight belongs to jumprelu", found=f"selection {self.selection}")
        SiteId.parse(f"blocks.0.{self.site}")
        return self

    @property
    def own_first(self) -> bool:
        """Whether what a cross-layer transcoder writes to later layers is what the layers' own features leave over."""
        return self.kind == "clt" and self.own_share is None

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return max(1, self.tokens // self.batch_tokens)

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """The features between one prefix and the next, as (first, behind the last); all of them without prefixes."""
        ends = sorted({*self.prefixes, self.n_features})
        return tuple(pairwise([0, *ends]))


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
    tangents: tuple[int, ...] = ()
    """Layers whose MLPs' slopes are wanted, by dictionary: two more planes each behind the sites, v and J v."""

    @property
    def n_planes(self) -> int:
        """Rows of D numbers per token that a run reads."""
        return len(self.sites) + 2 * len(self.tangents)


def layout_of(config: TrainingConfig, n_layers: int) -> Layout:
    """Which sites of a model with so many layers are read and written. Raises ConfigError for layers it has not."""
    layers = tuple(range(n_layers)) if config.layers is None else config.layers
    if not layers or list(layers) != sorted(set(layers)) or layers[-1] >= n_layers or layers[0] < 0:
        raise ConfigError(f"ascending layers from 0 to {n_layers - 1} were expected", found=str(list(layers)))
    if config.kind == "clt" and layers != tuple(range(n_layers)):
        raise ConfigError(f"a cross-layer transcoder has all {n_layers} layers", found=f"layers {list(layers)}")
    L = len(layers)
    if config.kind == "crosscoder":
        sites = tuple(f"blocks.{layer}.{config.site}" for layer in layers)
        return Layout(sites, tuple(range(L)), (Plan(tuple(range(L)), range(L), False),), config.n_features)
    if config.kind == "sae":
        sites = tuple(f"blocks.{layer}.{config.site}" for layer in layers)
        coders = tuple(Plan((i,), range(i, i + 1), False) for i in range(L))
        return Layout(sites, tuple(range(L)), coders, config.n_features)
    reads = tuple(f"blocks.{layer}.mlp_in" for layer in layers)
    writes = tuple(f"blocks.{layer}.mlp_out" for layer in layers)
    end = [L if config.kind == "clt" else i + 1 for i in range(L)]
    coders = tuple(Plan((i,), range(i, end[i]), config.kind == "skip_transcoder") for i in range(L))
    tangents = layers if config.jacobian_weight else ()
    return Layout(reads + writes, tuple(range(L, 2 * L)), coders, config.n_features, tangents)
