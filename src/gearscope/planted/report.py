"""What was found of a planted world, as data. No torch.

Each figure of a trained dictionary stands beside that of a random one (random directions, thresholds for the same L0)
and of the planted one (the true directions, read by the best linear encoder): what chance gives, and what there is to
reach. `f1_shuffled` is the same dictionary with its matching dealt out at random.
"""

from collections.abc import Sequence

from pydantic import Field

from gearscope.config import Config
from gearscope.planted.config import PlantedRecipe


class Recovery(Config):
    """One dictionary against its truths. Shares are from 0 to 1."""

    reads: str
    writes: str
    truths: int
    """Planted features that it is to find."""
    latents: int
    mcc: float
    mcc_shuffled: float
    found: dict[str, float]
    """Share of truths whose match reaches a |cosine|, by that cosine."""
    uniqueness: float
    splitting: float | None
    """Latents per truth that has any near it; 1 is none split."""
    precision: float
    recall: float
    f1: float
    f1_shuffled: float
    f1_by_latent: float
    """As SynthSAEBench has it: mean over latents, each with its nearest truth."""
    absorption: float | None
    missed: float | None
    """What absorption is to be compared with: how often a parent's latent is silent where no child fires."""
    dead: float = Field(ge=0, le=1)
    l0: float
    l0_true: float
    nmse: float
    """Of the sites that it writes, with all that is written there; their mean."""
    nmse_shuffled: float


class HopReport(Config):
    """Chains of two truths."""

    kept: float | None
    """Share of what effects write that passes their own layer's dictionary; None where next to nothing is written."""
    written: float
    """Share of what effects write that is written at all."""


class Scores(Config):
    """A set of dictionaries on one world."""

    dictionaries: tuple[Recovery, ...]
    hops: HopReport | None
    """None in a world without chains."""

    def mean(self, name: str) -> float | None:
        """A figure's mean over the dictionaries that have it."""
        return mean_of([getattr(one, name) for one in self.dictionaries])

    def found(self, cosine: str) -> float | None:
        """Share of truths found, mean over dictionaries."""
        return mean_of([one.found[cosine] for one in self.dictionaries])


class SeedScores(Config):
    """One world and one training run on it."""

    seed: int
    superposition: float
    """Mean over truths of the largest |cosine| with another, where they are read."""
    trained: Scores
    random: Scores
    planted: Scores


class PlantedReport(Config):
    """All seeds of a run."""

    recipe: PlantedRecipe
    """Without the seeds of its runs. Scores are from `held_out_tokens` of its training settings."""
    seeds: tuple[SeedScores, ...]


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of those that are there; None when none is."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None
