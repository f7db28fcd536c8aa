"""Versions: the organism trained further, each with a planted change, and one without as the control. No torch.

They are what comparisons of models and audits must find; `planted` says exactly what there is to find. It knows nothing
about training.
"""

from dataclasses import dataclass

from gearscope.organism.config import OrganismConfig


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

    def config(self, main: OrganismConfig) -> OrganismConfig:
        """The settings of this fine-tune of an organism that was trained with `main`."""
        changes = {
            "mixture": self.mixture,
            "first_mixture": self.mixture,
            "last_mixture": self.mixture,
            "first_steps": 0,
            "facts_first": 0,
            "last_steps": 0,
            "last_cycles": 1,
            "steps": self.steps,
            "warmup_steps": self.steps // 10,
            "learning_rate": self.learning_rate,
            "bars": self.bars,
        }
        return OrganismConfig.of(**(main.model_dump() | changes))


_ALL: tuple[Version, ...] = ()

VERSIONS: dict[str, Version] = {version.name: version for version in _ALL}
"""Versions by name, in the order in which they are trained."""
