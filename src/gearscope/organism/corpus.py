"""The world as a corpus for dictionaries: windows of token ids without end, all phenomena side by side.

The training side draws what training of the organism may show; the held-out side draws held-out compositions wherever a
phenomenon has them (sums, chains and couplets that neither the organism nor its dictionaries ever read). A window
follows from (side, number) alone. Fulfils `corpus.windows.Corpus`.
"""

from abc import ABC, abstractmethod
from random import Random

import torch

from gearscope.config import fingerprint
from gearscope.corpus.windows import Place, Split, Taken
from gearscope.organism.config import MIXTURE, OrganismConfig
from gearscope.organism.pages import training_row
from gearscope.organism.world.vocabulary import VOCABULARY

_SAMPLED_WINDOWS = 16


class DrawnCorpus(ABC):
    """Windows that are drawn, each from its number alone."""

    def __init__(self, split: Split, context: int) -> None:
        self._context = context
        self._split = split

    @property
    def context(self) -> int:
        """Length of every window, in tokens."""
        return self._context

    @property
    def fingerprint(self) -> str:
        """Hex digits that change with the world's words and documents."""
        return fingerprint([VOCABULARY, self._split, self.take(_SAMPLED_WINDOWS, None).ids.tolist()])

    def take(self, n_windows: int, place: Place | None) -> Taken:
        """The next windows."""
        start = 0 if place is None else place["window"]
        rows = [self._window(number) for number in range(start, start + n_windows)]
        return Taken(torch.tensor(rows), {"window": start + n_windows})

    @abstractmethod
    def _window(self, number: int) -> list[int]:
        """Token ids of the window of a number."""


class WorldCorpus(DrawnCorpus):
    """Windows of the synthetic world."""

    def __init__(self, split: Split, context: int) -> None:
        super().__init__(split, context)
        self._pages = OrganismConfig(mixture=MIXTURE, row_tokens=context, context=max(64, context))

    def _window(self, number: int) -> list[int]:
        rng = Random(f"dictionaries {self._split} window {number}")
        split = "heldout" if self._split == "held_out" else "train"
        return training_row(self._pages, rng, self._pages.restart - 1, split)[0]
