"""How a model reads a corpus for its activations. No torch."""

from pydantic import Field

from gearscope.config import Config


class ReadingConfig(Config):
    """Everything that decides the order of activations, given model and corpus."""

    context: int | None = Field(default=None, ge=2)
    """Tokens per window; None for 128, or what the model can read where that is less."""
    pass_tokens: int = Field(default=512, ge=1)
    """Tokens of one forward pass. Few are faster: what a layer writes is then still in cache when the next reads it."""
    block_tokens: int = Field(default=65_536, ge=1)
    """Tokens that are shuffled at a time, where memory allows so many."""
    block_megabytes: int = Field(default=512, ge=1)
    """What those activations may take: nearly all of the memory that reading takes."""
    shuffle_seed: int = 0
    """Decides the order of tokens."""
