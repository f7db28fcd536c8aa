"""Worlds in which features are planted, and named runs on them. No torch.

    stream    truths stand in the residual stream: sites blocks.L.resid_post. A truth appears behind a layer and stays
              in the stream behind all later ones, its direction drifting: truth for SAEs and crosscoders
    mlp       truths are read at blocks.L.mlp_in and write, along other directions, at blocks.L.mlp_out and at the next
              `reach` layers: truth for transcoders (reach 0) and cross-layer transcoders; `hops` of them cause a truth
              of the next layer

The shape of a world follows SynthSAEBench-16k (Chanin and Garriga-Alonso 2026: 16,384 truths in 768 dimensions, Zipf
exponent 0.5 from 0.4 down to 0.0005, trees of four exclusive children, copula of rank 25), at a size that a CPU trains
on in a minute.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from gearscope.config import Config
from gearscope.dictionaries.training.config import Kind, TrainingConfig
from gearscope.errors import ConfigError

Form = Literal["stream", "mlp"]


class PlantedConfig(Config):
    """Everything that decides a world and its tokens."""

    form: Form = "stream"
    """stream: truths of the residual stream. mlp: truths that MLPs read and write."""
    n_layers: int = Field(default=1, ge=1)
    """Layers with sites; each has truths of its own."""
    n_truths: int = Field(default=512, ge=1)
    """Truths that appear (stream) or are read (mlp) at each layer."""
    d_model: int = Field(default=96, ge=2)
    """Width of every site; with fewer dimensions than truths, truths are in superposition."""
    commonest: float = Field(default=0.25, gt=0, lt=1)
    """Firing rate of the most frequent truth."""
    rarest: float = Field(default=0.002, gt=0, lt=1)
    """Lowest firing rate."""
    zipf: float = Field(default=0.7, ge=0)
    """The truth of rank r has the rate commonest / r^zipf, never below `rarest`; 0 for equal rates."""
    trees: int = Field(default=32, ge=0)
    """Trees per layer: a child fires only where its parent does."""
    branching: int = Field(default=3, ge=1)
    """Children of each parent."""
    depth: int = Field(default=1, ge=1)
    """Generations below the roots."""
    exclusive: bool = True
    """At most one child of a parent fires at a time; its rate is then a little lower than asked."""
    correlation_rank: int = Field(default=8, ge=0)
    """Common causes in the Gaussian copula; 0 for none."""
    correlation_scale: float = Field(default=0.15, ge=0)
    """Standard deviation of a truth's loading on each of them."""
    pairs: int = Field(default=0, ge=0)
    """Pairs of truths per layer, outside the trees, that are correlated with each other."""
    pair_correlation: float = Field(default=0.8, gt=-1, lt=1)
    """What the Gaussians of a pair share."""
    magnitude_between: float = Field(default=0.25, ge=0)
    """How much truths differ in strength: standard deviation of the logarithm of their means, which are about 1."""
    magnitude_within: float = Field(default=0.25, ge=0)
    """How much a truth's activation differs from firing to firing: standard deviation of its logarithm."""
    repel_steps: int = Field(default=20, ge=0)
    """Steps that push directions apart; 0 leaves them random."""
    noise: float = Field(default=0.02, ge=0)
    """Standard deviation of Gaussian noise in each dimension of each site."""
    bias: float = Field(default=1.0, ge=0)
    """Norm of the constant part of each site."""
    reach: int = Field(default=0, ge=0)
    """mlp: later layers that a truth writes to, beside its own."""
    drift: float = Field(default=0.0, ge=0)
    """stream: how far a direction turns from one layer to the next, relative to its length."""
    hops: int = Field(default=0, ge=0)
    """mlp: truths of each layer but the last that write, in their own layer alone, what a truth of the next one reads:
    that one then fires as strongly as its cause."""
    effects_alone: bool = False
    """Effects also fire where their cause does not. Where they never do, one step from the cause writes the same as
    two, and only sparsity decides which is learned."""
    block_tokens: int = Field(default=4096, ge=1)
    """Tokens that are drawn at a time."""
    world_seed: int = 0
    """Decides the truths and their tokens."""

    @property
    def tree_size(self) -> int:
        """Truths of one tree."""
        return sum(self.branching**generation for generation in range(self.depth + 1))

    @model_validator(mode="after")
    def _consistent(self) -> "PlantedConfig":
        if self.rarest > self.commonest:
            raise ConfigError("rarest must not be above commonest", found=f"{self.rarest} and {self.commonest}")
        needed = self.trees * self.tree_size + 2 * self.pairs + 2 * self.hops
        if needed > self.n_truths:
            raise ConfigError(
                "trees, pairs and hops must find room among the truths of a layer",
                found=f"{needed} truths in them and n_truths = {self.n_truths}",
                hint="lower trees, branching, depth, pairs or hops",
            )
        if self.form == "stream" and (self.reach or self.hops):
            raise ConfigError("reach and hops belong to form mlp", found=f"{self.reach} and {self.hops} with stream")
        if self.form == "mlp" and self.drift:
            raise ConfigError("drift belongs to form stream", found=f"{self.drift} with mlp")
        if self.hops and self.n_layers < 2:
            raise ConfigError("a hop needs a next layer", found=f"n_layers = {self.n_layers}")
        return self

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of the world, in the order in which activations hold them."""
        names = ("resid_post",) if self.form == "stream" else ("mlp_in", "mlp_out")
        return tuple(f"blocks.{layer}.{name}" for name in names for layer in range(self.n_layers))


class PlantedRecipe(Config):
    """A world, and what is trained on it. Names of settings differ, so one list can hold changes to both."""

    about: str
    """What is trained, on what."""
    world: PlantedConfig
    training: TrainingConfig


def _recipe(kind: Kind, about: str, world: PlantedConfig, *, k: int, **tuned: Any) -> PlantedRecipe:
    training = TrainingConfig(
        kind=kind,
        n_features=world.n_truths * (world.n_layers if kind == "crosscoder" else 1),
        k=k,
        tokens=1_000_000,
        batch_tokens=1024,
        learning_rate=3e-3,
        decay=0.3,
        dead_after=50_000,
        revive_every=100,
        aux_weight=0.0,
        held_out_tokens=65_536,
    )
    return PlantedRecipe(about=about, world=world, training=training.changed(tuned))


_TUNED = {"selection": "top_k", "batch_tokens": 256, "dead_after": 10_000, "revive_every": 50}
"""Chosen on seed 0: more steps, and features that are begun anew earlier and more often (docs/planted.md)."""
_MLPS = PlantedConfig(form="mlp", n_layers=3, n_truths=256, d_model=64, trees=16, commonest=0.2)

PLANTED: dict[str, PlantedRecipe] = {
    "sae": _recipe("sae", "an SAE on 512 truths in 96 dimensions", PlantedConfig(), k=4, **_TUNED),
    "transcoder": _recipe(
        "transcoder",
        "transcoders of 3 layers, with 256 truths each that read and write along different directions",
        _MLPS,
        k=3,
    ),
    "clt": _recipe(
        "clt",
        "a cross-layer transcoder on truths that write to later layers too, some of them causing others",
        _MLPS.changed({"reach": 2, "hops": 16}),
        k=3,
    ),
    "crosscoder": _recipe(
        "crosscoder",
        "a crosscoder over the stream behind 3 layers, with 256 truths that appear at each and then turn",
        PlantedConfig(n_layers=3, n_truths=256, d_model=64, trees=16, commonest=0.2, drift=0.2),
        k=9,
    ),
}
"""Runs by name."""


def planted_recipe(name: str) -> PlantedRecipe:
    """A run by its name. Raises ConfigError."""
    if name not in PLANTED:
        raise ConfigError(f"a run on planted features was expected ({', '.join(PLANTED)})", found=repr(name))
    return PLANTED[name]
