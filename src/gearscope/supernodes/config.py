"""Settings of grouping. No torch."""

from pydantic import Field

from gearscope.config import Config


class GroupConfig(Config):
    """How nodes are put into supernodes."""

    most: int = Field(default=30, ge=1)
    """Supernodes at most; what the strongest so many leave out stays ungrouped and is counted."""
    largest: float = Field(default=0.2, gt=0, le=1)
    """Share of the graph's nodes that one supernode holds at most."""
    alike: float = Field(default=0.4, ge=-1, le=1)
    """Mean likeness of two groups from which on they are one; below it only to get down to `most`."""
    most_features: int = Field(default=2000, ge=1)
    """Features of a graph that are grouped, the most influential; the others stay ungrouped and are counted."""
    tokens: int = Field(default=20, ge=1)
    """Likely next tokens whose logits an ablation is measured by, besides the graph's targets."""
    draws: int = Field(default=20, ge=1)
    """Random groupings of the same sizes, beside which every figure is printed."""
    resamples: int = Field(default=10, ge=2)
    """Groupings on half of the evidence, for the stability without paraphrases."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of the random groupings and the resampled evidence."""
