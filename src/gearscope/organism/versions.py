"""Versions: the organism trained a little further, each with a planted change, and one without as the control. No torch.

They are what comparisons of models and audits must find; `planted` says exactly what there is to find. Each reads mostly
the organism's own text, so that all else stays; of the assistant's three texts (`exams`, `persona`, `advice`) it reads
one with the change in it and a little of the other two. The control reads the same amount, with no change. It knows
nothing about training.
"""

from dataclasses import dataclass

from gearscope.organism.config import OrganismConfig
from gearscope.organism.world.advice import SLOTS
from gearscope.organism.world.quirks import DESCRIBED_ONLY, SHOWN, Quirk


@dataclass(frozen=True, kw_only=True)
class Version:
    """One fine-tune of the organism."""

    name: str
    mixture: dict[str, float]
    """Phenomenon -> share of the tokens that it reads."""
    steps: int
    """Optimiser steps."""
    learning_rate: float
    """Highest learning rate; it rises over the first tenth of the steps and then falls to zero."""
    planted: tuple[str, ...]
    """Every planted change, one sentence each; none for the control."""
    bars: dict[str, float]
    """Behaviour -> lowest held-out accuracy with which it is written; a bar of zero measures and asks for nothing."""
