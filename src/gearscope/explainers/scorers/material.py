"""The stretches on which a label is scored: the same for all scorers, and for a label and its baseline. numpy alone."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from gearscope.explainers.config import ScoreConfig
from gearscope.explainers.evidence import Evidence, Quiet
from gearscope.explainers.passages import Passage

Kind = Literal["example", "random", "hard"]


class Item(NamedTuple):
    """A stretch, and what it is."""

    passage: Passage
    kind: Kind

    @property
    def fires(self) -> bool:
        """Whether the feature does."""
        return self.kind == "example"


class Material(NamedTuple):
    """Of one feature."""

    number: int
    largest: float
    positives: tuple[Passage, ...]
    drawn: tuple[Passage, ...]
    hard: tuple[Passage, ...]
    config: ScoreConfig
    seed: int

    @property
    def lacks(self) -> str | None:
        """Why nothing can be scored, if that is so."""
        if len(self.positives) < self.config.least:
            return f"{len(self.positives)} examples that were not shown"
        n_quiet = len(self.drawn) + len(self.hard)
        return f"{n_quiet} stretches without a firing" if n_quiet < self.config.least else None

    def rng(self, what: str) -> np.random.Generator:
        """Random numbers for a scorer: the same for every label."""
        return np.random.default_rng([self.seed, self.number, *what.encode()])


def material(found: Evidence, quiet: Quiet, config: ScoreConfig, seed: int) -> Material:
    """Positives that no explainer saw, and negatives: half of them hard, where there are so many."""
    hard = quiet.hard[: config.negatives // 2]
    drawn = quiet.drawn[: config.negatives - len(hard)]
    return Material(found.number, found.largest, found.kept[: config.positives], drawn, hard, config, seed)


def items(of: Material) -> list[Item]:
    """All stretches."""
    kinds: tuple[tuple[Kind, Sequence[Passage]], ...] = (
        ("example", of.positives), ("random", of.drawn), ("hard", of.hard),
    )  # fmt: skip
    return [Item(passage, kind) for kind, passages in kinds for passage in passages]
