"""Settings of attribution. No torch."""

from pydantic import Field, model_validator

from gearscope.config import Config


class AttributionConfig(Config):
    """How much of the circuit is worked out. There is no batch size: results do not depend on chunking."""

    target_probability: float = Field(default=0.95, gt=0, le=1)
    """Salient logits: the fewest tokens that hold this much probability ..."""
    max_targets: int = Field(default=10, ge=1)
    """... but at most so many."""
    coverage: float = Field(default=0.95, ge=0, le=1)
    """Features are expanded, in order of influence, until at most 1 - coverage of the targets' influence ends in
    features that were not."""
    max_features: int | None = Field(default=None, ge=1)
    """Expand at most so many features, in order of influence."""
    tolerance: float | None = Field(default=None, ge=0, lt=1)
    """Entries that are a smaller share of their row's absolute sum are not stored, but summed. None: 0 for prompts
    whose rows fit, else 1e-4."""
    memory: float | None = Field(default=None, gt=0)
    """GiB that a trace may take, or it is refused before it begins; None: what is free."""
    effects: int = Field(default=5, ge=0)
    """How many promoted and suppressed tokens are stored for each feature."""

    @model_validator(mode="after")
    def _something_to_do(self) -> "AttributionConfig":
        if self.max_features is None and self.coverage == 0:
            raise ValueError("coverage 0 without max_features would expand nothing")
        return self
