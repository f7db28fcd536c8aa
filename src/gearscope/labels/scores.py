"""What a label is worth: precision, recall and F1 over tokens, at the rate of the corpus. numpy alone."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool


class TokenScore(NamedTuple):
    """How well the tokens that a label names are those on which the feature fires."""

    hits: int
    named: int
    fired: int
    tokens: int

    @property
    def precision(self) -> float | None:
        """Share of the named tokens on which it fires; None where nothing is named."""
        return self.hits / self.named if self.named else None

    @property
    def recall(self) -> float | None:
        """Share of the firings that are named; None where there are none."""
        return self.hits / self.fired if self.fired else None

    @property
    def f1(self) -> float | None:
        """2 hits / (named + fired); None where neither happens."""
        return 2 * self.hits / (self.named + self.fired) if self.named + self.fired else None

    @property
    def balanced(self) -> float | None:
        """Balanced accuracy: the mean of recall and of the share rightly left out; None where one kind is missing."""
        rest = self.tokens - self.fired
        if not self.fired or not rest:
            return None
        return (self.hits / self.fired + 1 - (self.named - self.hits) / rest) / 2


def token_score(named: Bool[np.ndarray, " T"], fires: Bool[np.ndarray, " T"]) -> TokenScore:
    """Over these tokens."""
    return TokenScore(int((named & fires).sum()), int(named.sum()), int(fires.sum()), len(fires))
