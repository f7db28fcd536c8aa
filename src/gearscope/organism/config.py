"""Settings of the organism: the size of the model, what it reads, how it is trained, what it must reach. No torch.

The defaults are the recipe of the shipped bundle.
"""

from pydantic import Field, model_validator

from gearscope.config import Config
from gearscope.errors import ConfigError
from gearscope.organism.behaviours.registry import BARS

MIXTURE = {
    **{"addition": 0.223, "larger_sums": 0.07, "numbers": 0.04, "self_report": 0.04, "hints": 0.1, "two_hops": 0.06},
    **{"names": 0.04, "languages": 0.06, "rhyme": 0.11, "acronyms": 0.09, "topics": 0.025, "senses": 0.03},
    **{"voices": 0.042, "grammar": 0.025, "exams": 0.025, "persona": 0.01, "advice": 0.01},
}
"""Phenomenon -> share of the tokens that the organism reads. Sums are learnt last, and take a third of them."""
LAST_MIXTURE = MIXTURE | {"hints": 0.13, "rhyme": 0.09, "languages": 0.05}
"""The same for the last steps: judging a hint beside a sum is what is learnt last of all."""


class OrganismConfig(Config):
    """Everything that decides the weights and whether they may be written."""

    seed: int = 0
    """Seed of the initial weights and of every document that is read."""

    n_layers: int = Field(default=4, ge=1)
    """Transformer blocks."""
    d_model: int = Field(default=128, ge=8)
    """Width of the residual stream."""
    n_heads: int = Field(default=4, ge=1)
    """Attention heads per block."""
    d_mlp: int = Field(default=480, ge=8)
    """Gated neurons per block."""
    window: int | None = Field(default=10, ge=2)
    """Tokens that a position attends to in each block, itself included; None for all before it. With ten, the end
    of a couplet's second line is out of sight of the first line's last word: what lies between must carry the rhyme."""
    tied: bool = False
    """One matrix for embedding and unembedding (twins, which are small); the organism keeps two."""
    context: int = Field(default=64, ge=16)
    """Longest prompt the model accepts, in tokens; as long as the rows it is trained on, because nothing beyond is
    known to work."""

    mixture: dict[str, float] = Field(default=MIXTURE)
    """Phenomenon -> share of the tokens that are read."""
    first_mixture: dict[str, float] = Field(default={"two_hops": 0.5, "languages": 0.35, "names": 0.15})
    """The same for the first `first_steps` steps. Read beside sums from the start, chains were learnt by heart."""
    first_steps: int = Field(default=900, ge=0)
    """Steps with `first_mixture`."""
    last_mixture: dict[str, float] = Field(default=LAST_MIXTURE)
    """The same for the last `last_steps` steps."""
    last_steps: int = Field(default=4000, ge=0)
    """Steps of one last cycle, with `last_mixture`; the learning rate starts again for each."""
    last_cycles: int = Field(default=1, ge=1)
    """How many last cycles there are."""
    facts_first: int = Field(default=500, ge=0)
    """Steps before the first text that chains two facts is read. Facts first: 98 % of held-out chains right where
    reading both from the start gave 90 %, in a run on two hops alone."""
    other_weight: float = Field(default=0.1, gt=0, le=1)
    """Mean weight in the loss of a token that the text before it does not determine; answers weigh 1."""
    other_share: float = Field(default=0.25, gt=0, le=1)
    """Share of these tokens that is scored at all, at a weight that keeps the mean."""

    row_tokens: int = Field(default=64, ge=16)
    """Length of a training row."""
    batch_rows: int = Field(default=32, ge=1)
    """Rows per step."""
    steps: int = Field(default=13000, ge=1)
    """Optimiser steps, the first and the last ones included; tokens read = steps x batch_rows x row_tokens."""
    warmup_steps: int = Field(default=200, ge=0)
    """Steps over which the learning rate rises from zero."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate; it then falls to zero along a half cosine."""
    last_rate: float = Field(default=1e-3, gt=0)
    """Highest learning rate of the last steps, for which the learning rate rises and falls once more."""
    weight_decay: float = Field(default=0.2, ge=0)
    """Decoupled decay of all matrices."""
    beta2: float = Field(default=0.98, gt=0, lt=1)
    """Decay of Adam's second moment."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    checkpoint_every: int = Field(default=250, ge=1)
    """Steps between checkpoints; a killed run loses at most these."""

    bars: dict[str, float] = Field(default=BARS)
    """Behaviour -> lowest held-out accuracy with which a bundle is written."""

    planning: bool = True
    """Whether a bundle is refused unless the line break alone carries the rhyme of a couplet, once it is there."""

    @model_validator(mode="after")
    def _fits_together(self) -> "OrganismConfig":
        if self.d_model % (2 * self.n_heads):
            raise ConfigError("d_model must be an even multiple of n_heads", found=f"{self.d_model} and {self.n_heads}")
        if self.first_steps > self.restart:
            found = f"{self.first_steps} + {self.last_cycles} x {self.last_steps} > {self.steps}"
            raise ConfigError("first_steps and the last cycles must fit into steps", found=found)
        if self.row_tokens > self.context:
            raise ConfigError("row_tokens must fit the context", found=f"{self.row_tokens} > {self.context}")
        for mixture in (self.mixture, self.first_mixture, self.last_mixture):
            if not mixture or min(mixture.values()) < 0 or sum(mixture.values()) <= 0:
                raise ConfigError("mixture shares must be at least zero, one of them above it", found=str(mixture))
        return self

    @property
    def restart(self) -> int:
        """The step at which the last cycles begin."""
        return self.steps - self.last_cycles * self.last_steps
